"""Sessions that the agent drives and we record, from what its hooks tell.

Events arrive in any order, twice, or not at all, so each one creates whatever it finds missing.
"""

import uuid
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from app import feed
from app.contexts.sessions import history
from app.contexts.sessions.documents import (
    SUMMARY_CHARACTERS,
    digest,
    normal,
    stored_interaction,
    stored_result,
)
from app.contexts.sessions.history import LockedSession
from app.contexts.sessions.interactions import record
from app.contexts.sessions.types import RECORDED
from app.db import Db
from app.documents import clean, clean_text, merge_patch
from app.schemas.hooks import Observation, Step, Waiting
from app.schemas.sessions import CommandInput, InteractionInput, Posted, StoredInteraction
from app.scope import Scope

_NAMESPACE = uuid.UUID("7d9c3c2e-0d5c-4b1c-9a33-5b4a3f0f6f3e")
# In place of the digest of a result that only closes what was left open.
_CLOSURE = "closure"

_FIND = """
SELECT id, project_id, status, state, title, needs_input, clock_timestamp() AS now
FROM sessions WHERE account_id = $1 AND external_id = $2 FOR UPDATE
"""
_CREATE = """
INSERT INTO sessions (account_id, project_id, user_id, type, agent, external_id)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, external_id) DO NOTHING
"""
_UPDATE = """
UPDATE sessions SET status = $3, state = $4::jsonb, title = $5, needs_input = $6::jsonb,
       ended_at = CASE WHEN $3 = 'active' THEN NULL ELSE coalesce(ended_at, clock_timestamp()) END,
       version = version + 1, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2
"""


class _Row(NamedTuple):
    """What an observation may change in the session's row."""

    status: str
    state: dict[str, Any]
    title: str | None
    needs_input: dict[str, Any] | None


async def observe(scope: Scope, db: Db, seen: Observation) -> int | None:
    """The session's id; None, and nothing written, when it lives outside a strict project."""
    scope.require_write()
    key = (scope.account_id, seen.external_id)
    found = await db.driver.fetchrow(_FIND, *key)
    if found is None:
        await db.driver.execute(
            _CREATE,
            scope.account_id,
            scope.project_id,
            scope.user_id,
            RECORDED,
            seen.agent,
            seen.external_id,
        )
        found = await db.fetch_one(_FIND, *key)
        feed.record(scope, db, "session.created", found["id"], project_id=found["project_id"])
    if scope.strict and found["project_id"] != scope.project_id:
        return None
    session_id: int = found["id"]
    before = _Row(found["status"], found["state"], found["title"], found["needs_input"])
    after = _changed(before, seen, found["now"].isoformat().replace("+00:00", "Z"))
    if after != before:
        await db.driver.execute(
            _UPDATE,
            scope.account_id,
            session_id,
            after.status,
            msgspec.json.encode(after.state).decode(),
            after.title,
            None if after.needs_input is None else msgspec.json.encode(after.needs_input).decode(),
        )
        _record_change(scope, db, session_id, found["project_id"], before, after)
    if seen.steps:
        await _take(scope, db, session_id, seen.steps)
    return session_id


def _changed(before: _Row, seen: Observation, now: str) -> _Row:
    state = merge_patch(before.state, clean(seen.state))
    if seen.ended is None:
        state.pop("ended", None)
    elif before.status == "active":
        state["ended"] = {"reason": clean_text(seen.ended)}
    title = before.title
    if title is None and seen.title:
        title = clean_text(seen.title)[:SUMMARY_CHARACTERS]
    status = "active" if seen.ended is None else "complete"
    return _Row(status, state, title, _needs_input(before.needs_input, seen.waiting, now))


def _needs_input(
    before: dict[str, Any] | None, waiting: Waiting | None, now: str
) -> dict[str, Any] | None:
    """The wait goes on from when it began, however many events announce it."""
    if waiting is None:
        return None
    since = now if before is None else before["since"]
    return {"kind": waiting.kind, "message": clean_text(waiting.message), "since": since}


def _record_change(
    scope: Scope, db: Db, session_id: int, project_id: int | None, before: _Row, after: _Row
) -> None:
    names = []
    if after.status != before.status:
        names.append("session.reopened" if after.status == "active" else "session.completed")
    if after.needs_input != before.needs_input:
        names.append("session.resumed" if after.needs_input is None else "session.needs_input")
    for name in names or ["session.updated"]:
        feed.record(scope, db, name, session_id, project_id=project_id, status=after.status)


async def _take(scope: Scope, db: Db, session_id: int, steps: list[Step]) -> None:
    session = await history.lock(scope, db, session_id)
    namespace = uuid.uuid5(_NAMESPACE, f"{scope.account_id}/{session_id}")
    ids = [
        (step.newest_open and await _newest_open(scope, db, session_id, step.module))
        or uuid.uuid5(namespace, step.key)
        for step in steps
    ]
    known = await history.find(scope, db, session_id, ids)
    new: list[StoredInteraction] = []
    for interaction_id, step in zip(ids, steps, strict=True):
        document = known.get(interaction_id)
        if document is None:
            document = known[interaction_id] = _document(interaction_id, step, session)
            new.append(document)
        elif _apply(document, step, session) and document not in new:
            await history.replace(scope, db, session, document)
            record(scope, db, session, [document])
            # The tail may have been packed anew.
            session = await history.lock(scope, db, session_id)
    if new:
        await history.append(scope, db, session, new)
        record(scope, db, session, new)


async def _newest_open(scope: Scope, db: Db, session_id: int, module: str) -> uuid.UUID | None:
    """Among the newest 50, as many as a turn may well have."""
    newest = await history.read(scope, db, session_id, history.Window())
    pending = (i.id for i in newest if i.result is None and i.command.module == module)
    return next(pending, None)


def _document(interaction_id: uuid.UUID, step: Step, session: LockedSession) -> StoredInteraction:
    document = stored_interaction(
        InteractionInput(
            id=interaction_id,
            command=CommandInput(module=step.module, command=step.command, metadata=step.metadata),
        ),
        session.now,
    )
    if step.result is not None:
        _settle(document, step, session)
    return document


def _apply(document: StoredInteraction, step: Step, session: LockedSession) -> bool:
    """Whether the step changed the document."""
    if step.result is None:
        return _complete_beginning(document, step)
    fingerprint = None if document.posted is UNSET else document.posted.result
    if document.result is None:
        settles = True
    elif fingerprint == _CLOSURE:
        settles = step.settles != "if_open"
    else:
        settles = step.settles == "always" and fingerprint != digest(normal(step.result))
    if settles:
        _settle(document, step, session)
    return settles


def _complete_beginning(document: StoredInteraction, step: Step) -> bool:
    """The end came first: take from the beginning what the end could not know."""
    command = document.command
    missing = {k: v for k, v in clean(step.metadata).items() if k not in command.metadata}
    if missing:
        command.metadata = {**command.metadata, **missing}
    if step.command and not command.command:
        command.module, command.command = step.module, clean_text(step.command)
        return True
    return bool(missing)


def _settle(document: StoredInteraction, step: Step, session: LockedSession) -> None:
    assert step.result is not None, "only a step with a result settles"  # noqa: S101
    document.result = stored_result(step.result, session.now)
    document.completed_at = session.now
    closure = step.settles == "if_open"
    fingerprint = _CLOSURE if closure else digest(normal(step.result))
    before = Posted() if document.posted is UNSET else document.posted
    document.posted = Posted(interaction=before.interaction, result=fingerprint)
