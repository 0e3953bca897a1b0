"""Results of recorded interactions, and what a late beginning adds to them."""

import datetime
from typing import Any

from msgspec import UNSET

from app.cleaning import clean, clean_text, is_same
from app.contexts.sessions.history import digest, normal, stored_result
from app.schemas.hooks import Step
from app.schemas.sessions import Posted, Result, ResultInput, StoredInteraction

# In place of the digest of a result that only closes what was left open.
CLOSURE = "closure"
# An agent's answer as far as it has been told, and its message, until the prompt ends.
ANSWER, ANSWER_OF = "answer", "answer_of"


def settle(
    document: StoredInteraction,
    result: ResultInput,
    *,
    now: datetime.datetime,
    at: datetime.datetime | None = None,
    fingerprint: str | None = None,
) -> None:
    """Give an interaction a result, which happened `at` the agent's time or `now`."""
    document.result = stored_result(result, at or now)
    if document.result.stdout is None and fingerprint != CLOSURE:
        document.result.stdout = document.command.metadata.pop(ANSWER, None)
        document.command.metadata.pop(ANSWER_OF, None)
    document.completed_at = now
    before = Posted() if document.posted is UNSET else document.posted
    document.posted = Posted(
        interaction=before.interaction,
        result=fingerprint or digest(normal(result)),
        key=before.key,
    )


def settle_by(
    document: StoredInteraction, step: Step, result: ResultInput, *, now: datetime.datetime
) -> None:
    fingerprint = CLOSURE if step.settles == "if_open" else None
    settle(document, result, now=now, at=step.at, fingerprint=fingerprint)


def apply(
    document: StoredInteraction,
    step: Step,
    result: ResultInput,
    *,
    now: datetime.datetime,
    live: bool,
) -> bool:
    """Apply a step's result as its `settles` says, and tell whether that changed anything."""
    before = None if document.posted is UNSET else document.posted.result
    if document.result is None:
        settles = True
    elif before == CLOSURE:
        settles = step.settles != "if_open"
    else:
        newer = live and step.settles == "always"
        corrects = step.settles == "corrects" and _is_vague(document.result)
        settles = (newer or corrects) and before != digest(normal(result))
    if settles:
        settle_by(document, step, result, now=now)
    metadata = _merged(clean(step.metadata), document.command.metadata)
    changed = not is_same(metadata, document.command.metadata)
    document.command.metadata = metadata
    return settles or changed


def complete_beginning(document: StoredInteraction, step: Step) -> bool:
    """Take from a beginning what its interaction does not know yet, and tell whether that changed
    anything: its end came first, or the beginning is told in parts."""
    command = document.command
    metadata = _merged(command.metadata, clean(step.metadata))
    module, line = command.module, command.command
    if step.command and not line:
        module, line = step.module, clean_text(step.command)
    changed = (module, line) != (command.module, command.command) or not is_same(
        metadata, command.metadata
    )
    command.module, command.command, command.metadata = module, line, metadata
    return changed


def _is_vague(result: Result) -> bool:
    """Whether a result says no more than that its call has ended."""
    return result.status == "ok" and result.code is None


def is_told_by(document: StoredInteraction, step: Step) -> bool:
    """Whether a step tells the result that the interaction has."""
    assert step.result is not None, "only an end tells a result"  # noqa: S101
    told = digest(normal(step.result))
    return document.posted is not UNSET and document.posted.result == told


def tells_content(step: Step) -> bool:
    return bool(step.command) or step.metadata.get("tool_input") is not None


def _merged(weaker: dict[str, Any], stronger: dict[str, Any]) -> dict[str, Any]:
    """Merge the metadata of two events about one interaction; fields without a place of their own
    are kept from both."""
    merged = {**weaker, **stronger}
    if isinstance(weaker.get("event"), dict) and isinstance(stronger.get("event"), dict):
        merged["event"] = {**weaker["event"], **stronger["event"]}
    return merged
