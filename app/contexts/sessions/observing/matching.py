"""Finding the interactions that an event means."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from msgspec import UNSET

from app.cleaning import clean, clean_text
from app.contexts.sessions import history
from app.contexts.sessions.history import Locked
from app.contexts.sessions.observing.results import CLOSURE
from app.db import Db
from app.schemas.hooks import PROMPTS, Closing, Step
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

# Interactions further back are not searched: agents have fewer open, and one read costs this.
RECENT = 200


class Candidates:
    """The session's interactions that an event may mean, as this write has changed them so far.

    `known` holds those found by an id, `new` those that this write adds.
    """

    def __init__(
        self, scope: Scope, db: Db, locked: Locked, known: Mapping[UUID, StoredInteraction]
    ) -> None:
        self._scope = scope
        self._db = db
        self._locked = locked
        self._stored = {document.id: document for document in known.values()}
        self._recent: list[StoredInteraction] | None = None
        self.new: list[StoredInteraction] = []

    async def find(self, wanted: Callable[[StoredInteraction], bool]) -> list[StoredInteraction]:
        """Find the recent interactions that are wanted, oldest first."""
        if self._recent is None:
            newest_first = await history.read_stored(
                self._scope, self._db, self._locked.session.id, RECENT
            )
            tail = {document.id: document for document in self._locked.documents}
            self._stored = tail | self._stored
            self._recent = [
                self._stored.setdefault(document.id, document) for document in newest_first[::-1]
            ]
        return list(filter(wanted, [*self._recent, *self.new]))


def is_open(document: StoredInteraction) -> bool:
    """Whether an interaction still waits for a real result."""
    if document.result is None:
        return True
    return document.posted is not UNSET and document.posted.result == CLOSURE


def has_key(key: str) -> Callable[[StoredInteraction], bool]:
    return lambda document: document.posted is not UNSET and document.posted.key == key


def has_content(document: StoredInteraction, step: Step) -> bool:
    """Whether a step says the same of an interaction as the event that began it."""
    command = document.command
    return (command.command, command.metadata.get("tool_input")) == (
        clean_text(step.command),
        clean(step.metadata.get("tool_input")),
    )


def began_unseen(document: StoredInteraction, step: Step) -> bool:
    """Whether the interaction has an end but no beginning yet, which this step may be.

    Where an agent tells times, the beginning must lie before that end.
    """
    metadata = document.command.metadata
    ended, begins = metadata.get("ended_at"), step.metadata.get("began_at")
    if "began_at" in metadata or not isinstance(ended, str) or not isinstance(begins, str):
        return False
    return begins <= ended


def is_left_open_by(closing: Closing) -> Callable[[StoredInteraction], bool]:
    def is_left_open(document: StoredInteraction) -> bool:
        command = document.command
        if document.result is not None or (command.module in PROMPTS and not closing.prompts):
            return False
        if not closing.everyone and command.metadata.get("agent_id") != closing.agent_id:
            return False
        prompt = prompt_of(command.metadata)
        if closing.prompt is not None and prompt not in {None, closing.prompt}:
            return False
        return closing.spared_prompt is None or prompt != closing.spared_prompt

    return is_left_open


def prompt_of(metadata: Mapping[str, Any]) -> str | None:
    """Read the id of the prompt that an interaction belongs to, where its agent tells it."""
    for name in ("prompt_id", "turn_id"):
        if isinstance(metadata.get(name), str):
            return str(metadata[name])
    return None
