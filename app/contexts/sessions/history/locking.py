"""Locks on session rows: the transaction that holds one decides what comes next in its history."""

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec

from app.contexts.sessions.history import statements
from app.contexts.sessions.history.statements import External, Wanted
from app.db import Db
from app.errors import NotFound
from app.queries import Query
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

_decode = msgspec.json.Decoder(list[StoredInteraction]).decode


class LockedSession(NamedTuple):
    """The counters of a session: of its row, locked until the transaction ends, or as the last
    append left them (`appending.guesses`)."""

    id: int
    status: str
    type: str
    project_id: int | None
    version: int
    interaction_count: int
    now: datetime.datetime
    tail_count: int
    tail_bytes: int


class SessionRow(NamedTuple):
    """The values of a session's row that its life cycle may change."""

    status: str
    project_id: int | None
    title: str | None
    client: str | None
    environment: str | None
    component_id: int | None
    parent_session_id: int | None
    state: dict[str, Any]
    needs_input: dict[str, Any] | None


class Locked(NamedTuple):
    """A locked session; `documents` are the newest interactions, which its row embeds, digests
    included."""

    session: LockedSession
    row: SessionRow
    documents: list[StoredInteraction]


async def lock_counters(scope: Scope, db: Db, session_id: int) -> LockedSession:
    """Lock a session for appending. Raises NotFound, PreconditionFailed."""
    return LockedSession(*await _lock_record(scope, db, session_id, statements.LOCK))


async def lock_row(scope: Scope, db: Db, session_id: int) -> Locked:
    """Lock a session to change its row; `documents` stay unread. Raises NotFound,
    PreconditionFailed."""
    return _locked_from(await _lock_record(scope, db, session_id, statements.LOCK_ROW))


async def lock_facts(scope: Scope, db: Db, session_id: int) -> tuple[Locked, asyncpg.Record]:
    """Lock a session for its workflow; the record adds the columns of its project and component.

    Raises NotFound, PreconditionFailed.
    """
    record = await _lock_record(scope, db, session_id, statements.LOCK_FACTS)
    return _locked_from(record), record


async def lock_external(scope: Scope, db: Db, external_id: str) -> Locked | None:
    """Lock the account's session with an agent's own id, in any project; None if there is none."""
    query = statements.LOCK_EXTERNAL(External(scope.account_id, external_id))
    record = await db.driver.fetchrow(*query)
    return None if record is None else _locked_from(record)


async def lock_free(scope: Scope, db: Db, session_ids: Sequence[int]) -> dict[int, LockedSession]:
    """Lock those of the sessions that exist and that no other transaction holds.

    It never waits, so it neither holds up others nor takes part in a deadlock.
    """
    if not session_ids:
        return {}
    records = await _lock(scope, db, session_ids, statements.LOCK_FREE)
    return {record["id"]: LockedSession(*record) for record in records}


async def _lock_record(
    scope: Scope, db: Db, session_id: int, query: Query[Wanted]
) -> asyncpg.Record:
    """Lock a session with one of the locking queries. Raises NotFound, PreconditionFailed."""
    records = await _lock(scope, db, [session_id], query)
    if not records:
        raise NotFound
    db.require_version(str(records[0]["version"]))
    return records[0]


def _locked_from(record: asyncpg.Record) -> Locked:
    session = LockedSession(*(record[name] for name in LockedSession._fields))
    row = SessionRow(*(record[name] for name in SessionRow._fields))
    embedded = record.get("interactions")
    return Locked(session, row, [] if embedded is None else decode(embedded))


def decode(interactions: str) -> list[StoredInteraction]:
    return _decode(interactions)


async def _lock(
    scope: Scope, db: Db, session_ids: Sequence[int], query: Query[Wanted]
) -> list[asyncpg.Record]:
    wanted = Wanted(scope.account_id, session_ids, scope.strict_project_id)
    return await db.driver.fetch(*query(wanted))
