"""Sessions that the agent drives and we record, from what its hooks tell.

Events arrive in any order, twice, or not at all, so each one creates whatever it finds missing.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from app import feed
from app.cleaning import clean, clean_text, clean_within, is_same, merge_patch
from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import (
    digest,
    normal,
    stored_interaction,
    stored_result,
)
from app.contexts.sessions.history.interactions import record
from app.contexts.sessions.history.locking import LockedSession, lock_tail
from app.contexts.sessions.observing.matching import find_open
from app.contexts.sessions.types import RECORDED, has_workflow
from app.db import Db
from app.engine import to_jsonb
from app.schemas.base import MAX_NAME
from app.schemas.hooks import Observation, Step, Waiting
from app.schemas.sessions import CommandInput, InteractionInput, Posted, StoredInteraction
from app.scope import Scope

_NAMESPACE = uuid.UUID("7d9c3c2e-0d5c-4b1c-9a33-5b4a3f0f6f3e")
# In place of the digest of a result that only closes what was left open.
_CLOSURE = "closure"

_FIND = """
SELECT id, project_id, type, status, state, title, needs_input, clock_timestamp() AS now
FROM sessions WHERE account_id = $1 AND external_id = $2 FOR UPDATE
"""
# By external_id, as in the fleet: a LIMIT it does not know lets the planner expect few of them.
_LOCK_KNOWN = """
SELECT FROM (
    SELECT external_id FROM unnest($2::text[]) AS given (external_id) LIMIT cardinality($2)
) AS wanted JOIN sessions AS session ON session.external_id = wanted.external_id
WHERE session.account_id = $1 ORDER BY session.id FOR UPDATE OF session
"""
_CREATE = """
INSERT INTO sessions (account_id, project_id, user_id, type, agent, external_id)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, external_id) DO NOTHING RETURNING id
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


async def lock_known(scope: Scope, db: Db, external_ids: Sequence[str]) -> None:
    """For observing several of them in one transaction: those that exist, in the order in which
    everybody locks sessions."""
    await db.driver.execute(_LOCK_KNOWN, scope.account_id, external_ids)


async def observe(scope: Scope, db: Db, seen: Observation, *, live: bool = True) -> int | None:
    """The session's id; None, and nothing written, when it lives outside a strict project.

    What is not `live` was read from a transcript later: it adds what is missing, and neither
    reopens a session nor tells that somebody waits.
    """
    scope.require_write()
    key = (scope.account_id, seen.external_id)
    found = await db.driver.fetchrow(_FIND, *key)
    created = False
    if found is None:
        # None when somebody else was first: it is then a session like any other.
        made = await db.driver.fetchval(
            _CREATE,
            scope.account_id,
            scope.project_id,
            scope.user_id,
            RECORDED,
            seen.agent,
            seen.external_id,
        )
        found = await db.fetch_one(_FIND, *key)
        created = made is not None
        if created:
            feed.record(scope, db, "session.created", found["id"], project_id=found["project_id"])
    if scope.strict and found["project_id"] != scope.project_id:
        return None
    session_id: int = found["id"]
    before = _Row(found["status"], found["state"], found["title"], found["needs_input"])
    if live:
        now = found["now"].isoformat().replace("+00:00", "Z")
        after = _changed(before, seen, now, lives=not has_workflow(found["type"]))
    else:
        after = _completed(before, seen, created=created)
    if after != before or not is_same(after.state, before.state):
        await db.driver.execute(
            _UPDATE,
            scope.account_id,
            session_id,
            after.status,
            to_jsonb(after.state),
            after.title,
            None if after.needs_input is None else to_jsonb(after.needs_input),
        )
        _record_change(scope, db, session_id, found["project_id"], before, after)
    if seen.steps:
        await _take(scope, db, session_id, seen.steps, live=live)
    return session_id


def _changed(before: _Row, seen: Observation, now: str, *, lives: bool) -> _Row:
    """`lives`: the session begins and ends with its agent. A workflow's has an end of its own.

    One that has ended keeps its end: the agent of a cancelled session ends as well, and says so.
    """
    state = merge_patch(before.state, clean(seen.state))
    status = before.status
    if lives and seen.ended is None:
        status = "active"
        state.pop("ended", None)
    elif lives and seen.ended is not None and status == "active":
        status = "complete"
        state["ended"] = {"reason": clean_text(seen.ended)}
    needs_input = _needs_input(before.needs_input, seen.waiting, now)
    return _Row(status, state, _title(before, seen), needs_input)


def _completed(before: _Row, seen: Observation, *, created: bool) -> _Row:
    """A session that only a transcript knows is over as far as anybody can tell."""
    state = merge_patch(clean(seen.state), before.state)
    if created:
        state["ended"] = {"reason": "imported"}
    status = "complete" if created else before.status
    return _Row(status, state, _title(before, seen), before.needs_input)


def _title(before: _Row, seen: Observation) -> str | None:
    if before.title is not None or not seen.title:
        return before.title
    return clean_within(MAX_NAME, seen.title)


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


async def _take(scope: Scope, db: Db, session_id: int, steps: list[Step], *, live: bool) -> None:
    tail = await lock_tail(scope, db, session_id)
    namespace = uuid.uuid5(_NAMESPACE, f"{scope.account_id}/{session_id}")
    ids = [uuid.uuid5(namespace, step.key) for step in steps]
    known = await history.find(scope, db, tail, ids)
    new: list[StoredInteraction] = []
    names: list[tuple[StoredInteraction, uuid.UUID]] = []
    for step_id, step in zip(ids, steps, strict=True):
        document = known.get(step_id)
        if step.finds != "named" and (document is None or step.repeats):
            match = await find_open(scope, db, tail, step, new)
            if match is not None:
                if document is None:
                    names.append((match, step_id))
                    known[step_id] = match  # an id means one interaction, once and for all
                document = match
        if document is None:
            if step.creates:
                document = known[step_id] = _document(step_id, step, tail.session)
                new.append(document)
        elif _apply(document, step, tail.session, live=live) and document.seq:
            await history.replace(scope, db, tail, document)
            record(scope, db, tail.session, [document])
            # The tail may have been packed anew.
            tail = await lock_tail(scope, db, session_id)
    if new:
        await history.append(scope, db, tail.session, new)
        record(scope, db, tail.session, new)
    for document, name in names:
        await history.name(scope, db, tail.session, document, name)


def _document(interaction_id: uuid.UUID, step: Step, session: LockedSession) -> StoredInteraction:
    document = stored_interaction(
        InteractionInput(
            id=interaction_id,
            command=CommandInput(
                module=step.module, command=step.command, metadata=step.metadata, timestamp=step.at
            ),
        ),
        session.now,
    )
    if step.result is not None:
        _settle(document, step, session)
    return document


def _apply(document: StoredInteraction, step: Step, session: LockedSession, *, live: bool) -> bool:
    """Whether the step changed the document."""
    if step.result is None:
        return _complete_beginning(document, step)
    fingerprint = None if document.posted is UNSET else document.posted.result
    if document.result is None:
        settles = True
    elif fingerprint == _CLOSURE:
        settles = step.settles != "if_open"
    else:
        newer = live and step.settles == "always"
        settles = newer and fingerprint != digest(normal(step.result))
    if settles:
        _settle(document, step, session)
    metadata = _merged(clean(step.metadata), document.command.metadata)
    changed = not is_same(metadata, document.command.metadata)
    document.command.metadata = metadata
    return settles or changed


def _complete_beginning(document: StoredInteraction, step: Step) -> bool:
    """The end came first: take from the beginning what the end could not know."""
    command = document.command
    metadata = command.metadata
    if document.result is not None:
        metadata = _merged(metadata, clean(step.metadata))
    module, line = command.module, command.command
    if step.command and not line:
        module, line = step.module, clean_text(step.command)
    changed = (module, line) != (command.module, command.command) or not is_same(
        metadata, command.metadata
    )
    command.module, command.command, command.metadata = module, line, metadata
    return changed


def _merged(weaker: dict[str, Any], stronger: dict[str, Any]) -> dict[str, Any]:
    """Of two events about one interaction; what neither knows a place for is kept of both."""
    merged = {**weaker, **stronger}
    if isinstance(weaker.get("event"), dict) and isinstance(stronger.get("event"), dict):
        merged["event"] = {**weaker["event"], **stronger["event"]}
    return merged


def _settle(document: StoredInteraction, step: Step, session: LockedSession) -> None:
    assert step.result is not None, "only a step with a result settles"  # noqa: S101
    document.result = stored_result(step.result, step.at or session.now)
    document.completed_at = session.now
    closure = step.settles == "if_open"
    fingerprint = _CLOSURE if closure else digest(normal(step.result))
    before = Posted() if document.posted is UNSET else document.posted
    document.posted = Posted(interaction=before.interaction, result=fingerprint)
