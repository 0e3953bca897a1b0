"""Background work: one loop in every process, one of which does the work at a time."""

import asyncio
import contextlib
import datetime
import time

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from app import feed
from app.contexts import continuity, fleet, idempotency
from app.db import Database, Role
from app.engine import connect
from app.errors import AppError
from app.schemas.retention import Expired
from app.scope import Scope
from app.settings import Settings

PERIOD_SECONDS = 60.0
RETENTION_SECONDS = 3600.0
# Any constant will do that differs from the lock of the migrations.
LEADER_LOCK = 0x6A6F6273

_log = structlog.get_logger()


class Jobs:
    """Needs a direct connection to PostgreSQL: a pool would lose the lock of a session."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._direct_url = settings.direct_url
        self._feed_kept = datetime.timedelta(days=settings.feed_days)
        self._next_retention = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """Never ends, whatever PostgreSQL answers: no one would start it again."""
        lost = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError, AppError)
        while True:
            try:
                await self.run_once()
            except lost as error:
                _log.warning("background work failed", reason=str(error))
            await asyncio.sleep(PERIOD_SECONDS)

    async def run_once(self) -> bool:
        """Returns whether this process was the leader and did the work."""
        connection = await connect(self._direct_url)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
                return False
            for account_id in await self._database.list_account_ids():
                await self._trim(account_id)
                await mark_stale(self._database, account_id)
            if time.monotonic() >= self._next_retention:
                await retain(self._database)
                self._next_retention = time.monotonic() + RETENTION_SECONDS
            return True
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                await connection.close()

    async def _trim(self, account_id: int) -> None:
        scope = Scope(account_id=account_id, role=Role.SYSTEM)
        async with self._database.transaction(scope) as db:
            await feed.trim_events(scope, db, self._feed_kept)
            await idempotency.trim_answers(scope, db)


async def mark_stale(database: Database, account_id: int) -> None:
    scope = Scope(account_id=account_id, role=Role.SYSTEM)
    for mark in (continuity.mark_stale_instances, fleet.mark_stale_agents):
        marked = True
        while marked:
            async with database.transaction(scope) as db:
                marked = await mark(scope, db) > 0


async def retain(database: Database, *, dry_run: bool = False) -> dict[int, Expired]:
    """Returns what was removed, or with `dry_run` would be, for each account that has any.

    An interrupted run has removed whole batches; the next one goes on from there.
    """
    removed: dict[int, Expired] = {}
    for account_id in await database.list_account_ids():
        scope = Scope(account_id=account_id, role=Role.SYSTEM)
        total = Expired(instances=[], commands=0, events=0, checkpoints=0)
        while True:
            async with database.transaction(scope) as db:
                found = await (
                    continuity.list_expired(scope, db)
                    if dry_run
                    else continuity.delete_expired(scope, db)
                )
            total = total.plus(found)
            if dry_run or found.is_empty():
                break
        if not total.is_empty():
            removed[account_id] = total
    return removed
