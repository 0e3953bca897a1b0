"""Whoever holds the lock of a session's row decides what comes next in its history."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from app.contexts.sessions.history import statements
from app.db import Db
from app.errors import NotFound
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

_decode = msgspec.json.Decoder(list[StoredInteraction]).decode


class LockedSession(NamedTuple):
    """What must be known of a session to go on with it: of its row that stays locked until the
    transaction ends, or as it is remembered (`memory`)."""

    id: int
    status: str
    type: str
    project_id: int | None
    version: int
    interaction_count: int
    now: datetime.datetime
    tail_count: int
    tail_bytes: int


class LockedTail(NamedTuple):
    """A locked session and the newest interactions, which its row holds, digests included."""

    session: LockedSession
    documents: list[StoredInteraction]


async def lock(scope: Scope, db: Db, session_id: int) -> LockedSession:
    """Raises NotFound."""
    return LockedSession(*await lock_row(scope, db, session_id, statements.LOCK))


async def lock_tail(scope: Scope, db: Db, session_id: int) -> LockedTail:
    """For what changes or continues what is there. Raises NotFound."""
    return tail_of(await lock_row(scope, db, session_id, statements.LOCK_TAIL))


def tail_of(row: asyncpg.Record) -> LockedTail:
    """Of a row that says more."""
    session = LockedSession(*(row[name] for name in LockedSession._fields))
    return LockedTail(session, _decode(row["interactions"]))


async def lock_free(scope: Scope, db: Db, session_ids: Sequence[int]) -> dict[int, LockedSession]:
    """Those of the sessions that exist and that nobody else holds at this moment.

    Never waiting, it neither holds up the others nor takes part in a deadlock.
    """
    if not session_ids:
        return {}
    rows = await _lock(scope, db, session_ids, statements.LOCK_FREE)
    return {row["id"]: LockedSession(*row) for row in rows}


async def lock_row(scope: Scope, db: Db, session_id: int, statement: str) -> asyncpg.Record:
    """By one of the statements that lock. Raises NotFound."""
    rows = await _lock(scope, db, [session_id], statement)
    if not rows:
        raise NotFound
    db.require_version(str(rows[0]["version"]))
    return rows[0]


async def _lock(
    scope: Scope, db: Db, session_ids: Sequence[int], statement: str
) -> list[asyncpg.Record]:
    return await db.driver.fetch(statement, scope.account_id, session_ids, scope.strict_project_id)
