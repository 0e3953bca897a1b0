"""Finding the interaction that an event means when its agent gives no name for it."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.cleaning import clean, clean_text
from app.contexts.sessions import history
from app.contexts.sessions.history import Locked, Window
from app.db import Db
from app.schemas.hooks import PROMPTS, Step
from app.schemas.sessions import Interaction, StoredInteraction
from app.scope import Scope

# Open interactions further back are not found: agents have fewer open, and one read costs this.
_RECENT = 200


class Matching:
    """The interactions that the events of one write may mean.

    `known` holds those already found, changes of this write included; `new` those that it adds.
    """

    def __init__(
        self, scope: Scope, db: Db, locked: Locked, known: Mapping[UUID, StoredInteraction]
    ) -> None:
        self._scope = scope
        self._db = db
        self._locked = locked
        self._stored = {document.id: document for document in known.values()}
        self._recent: list[Interaction] | None = None
        self.new: list[StoredInteraction] = []

    async def find_open(self, step: Step) -> StoredInteraction | None:
        """Find the interaction that a step begins, changes or ends; None if there is none."""
        if self._recent is None:
            window = Window(limit=_RECENT)
            newest_first = await history.read(
                self._scope, self._db, self._locked.session.id, window
            )
            self._recent = newest_first[::-1]
        stored = [self._stored.get(document.id, document) for document in self._recent]
        matches = list(filter(_condition(step), [*stored, *self.new]))
        if not matches:
            return None
        match = matches[-1 if step.finds == "newest" else 0]
        if isinstance(match, StoredInteraction):
            return match
        found = await history.find(self._scope, self._db, self._locked, [match.id])
        self._stored |= found
        return found[match.id]


def _condition(step: Step) -> Callable[[Interaction], bool]:
    if step.finds == "newest":
        modules = PROMPTS if step.module in PROMPTS else {step.module}
        return lambda document: document.result is None and document.command.module in modules
    content = (step.module, clean_text(step.command), clean(step.metadata.get("tool_input")))
    if step.result is not None:
        return lambda document: document.result is None and _content(document) == content
    return lambda document: _began_unseen(document, step) and _content(document) == content


def _content(document: Interaction) -> tuple[str, str, Any]:
    command = document.command
    return command.module, command.command, command.metadata.get("tool_input")


def _began_unseen(document: Interaction, step: Step) -> bool:
    """Whether the interaction has an end but no beginning, and this step began before that end."""
    metadata = document.command.metadata
    ended, begins = metadata.get("ended_at"), step.metadata.get("began_at")
    if "began_at" in metadata or not isinstance(ended, str) or not isinstance(begins, str):
        return False
    return begins <= ended
