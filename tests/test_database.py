"""Transactions: who gets one, and what it may do."""

import asyncio

import asyncpg
import msgspec
import pytest

from app.contexts import sessions
from app.db import Database
from app.errors import Unavailable
from app.schemas.sessions import SessionCreate
from app.settings import Settings
from tests.factories import World


async def test_who_asks_first_is_served_first(settings: Settings) -> None:
    database = Database(msgspec.structs.replace(settings, pool_size=1))
    served: list[str] = []

    async def ask(name: str) -> None:
        async with database.unscoped():
            served.append(name)

    async with database.unscoped():
        waiting = [asyncio.create_task(ask(name)) for name in ("first", "second")]
        await asyncio.sleep(0.05)
    await ask("newcomer")
    await asyncio.gather(*waiting)
    await database.close()
    assert served == ["first", "second", "newcomer"]


async def test_who_waits_too_long_is_told(settings: Settings) -> None:
    database = Database(msgspec.structs.replace(settings, pool_size=1, pool_timeout=1))
    async with database.unscoped():
        with pytest.raises(Unavailable):
            async with database.unscoped():
                pass
    async with database.unscoped():
        pass
    await database.close()


async def test_a_read_cannot_write(world: World) -> None:
    scope = world.scope()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with world.database.transaction(scope, read_only=True) as db:
            await db.driver.execute("DELETE FROM sessions")
    with pytest.raises(Exception, match="read-only transaction"):
        async with world.database.transaction(scope, read_only=True) as db:
            await sessions.create_session(scope, db, SessionCreate(type="RecordedSessions"))
