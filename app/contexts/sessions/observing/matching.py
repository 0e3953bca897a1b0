"""Which interaction an event means when its agent gives no name for it."""

from collections.abc import Callable, Sequence
from typing import Any

from app.cleaning import clean, clean_text
from app.contexts.sessions.history import history
from app.contexts.sessions.history.locking import LockedTail
from app.db import Db
from app.schemas.hooks import PROMPTS, Step
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

# Further back nobody looks: more than an agent has open, and no more than one read may cost.
_RECENT = 200


async def find_open(
    scope: Scope, db: Db, tail: LockedTail, step: Step, new: Sequence[StoredInteraction]
) -> StoredInteraction | None:
    """`new` are the latest ones, from the same event, that are not stored yet."""
    window = history.Window(limit=_RECENT)
    newest_first = await history.read(scope, db, tail.session.id, window)
    candidates = [*newest_first[::-1], *new]
    matches = list(filter(_condition(step), candidates))
    if not matches:
        return None
    match = matches[-1 if step.finds == "newest" else 0]
    if not match.seq:
        return match
    stored = await history.find(scope, db, tail, [match.id])
    return stored[match.id]


def _condition(step: Step) -> Callable[[StoredInteraction], bool]:
    if step.finds == "newest":
        modules = PROMPTS if step.module in PROMPTS else {step.module}
        return lambda document: document.result is None and document.command.module in modules
    content = (step.module, clean_text(step.command), clean(step.metadata.get("tool_input")))
    if step.result is not None:
        return lambda document: document.result is None and _content(document) == content
    return lambda document: _began_unseen(document, step) and _content(document) == content


def _content(document: StoredInteraction) -> tuple[str, str, Any]:
    command = document.command
    return command.module, command.command, command.metadata.get("tool_input")


def _began_unseen(document: StoredInteraction, step: Step) -> bool:
    """Its end arrived first: it ended, nobody saw it begin, and this is not a later one."""
    metadata = document.command.metadata
    ended, begins = metadata.get("ended_at"), step.metadata.get("began_at")
    if "began_at" in metadata or not isinstance(ended, str) or not isinstance(begins, str):
        return False
    return begins <= ended
