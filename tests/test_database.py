"""Transactions: who gets one, and what it may do."""

import asyncio

import asyncpg
import msgspec
import pytest

from app.contexts import sessions
from app.contexts.sessions import SessionFilter
from app.db import Database
from app.errors import Unavailable
from app.paging import PageRequest
from app.schemas.sessions import SessionCreate
from app.settings import Settings
from tests.factories import World
from tests.query_plans import administer


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


async def test_the_connection_used_last_is_used_first(settings: Settings) -> None:
    database = Database(settings)
    async with database.unscoped() as last, database.unscoped() as first:
        pids = [driver.get_server_pid() for driver in (last, first)]
    async with database.unscoped() as one, database.unscoped() as other:
        assert [driver.get_server_pid() for driver in (one, other)] == pids
    await database.close()


async def test_a_connection_that_postgresql_has_closed_is_replaced(
    world: World, settings: Settings
) -> None:
    database = Database(settings)
    async with database.unscoped() as driver:
        closed = driver.get_server_pid()
    await administer(world, f"SELECT pg_terminate_backend({closed}, 5000)")
    async with database.unscoped() as driver:
        assert driver.get_server_pid() != closed
    assert database.connections.in_use == 0
    await database.close()


async def test_a_transaction_that_was_not_ended_is_cut_off(
    world: World, settings: Settings
) -> None:
    database = Database(settings)
    async with database.connections.opened("BEGIN") as connection:
        await connection.driver.execute("CREATE TABLE left_behind ()")
    async with database.unscoped() as driver:
        assert await driver.fetchval("SELECT to_regclass('left_behind')") is None
    await administer(world, "DROP TABLE IF EXISTS left_behind")
    await database.close()


async def test_a_read_cannot_write(world: World) -> None:
    scope = world.scope()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with world.database.transaction(scope, read_only=True) as db:
            await db.driver.execute("DELETE FROM sessions")
    with pytest.raises(Exception, match="read-only transaction"):
        async with world.database.transaction(scope, read_only=True) as db:
            await sessions.create_session(scope, db, SessionCreate(type="RecordedSessions"))


async def test_a_read_is_one_look(world: World) -> None:
    """Whatever is written between its statements, they agree."""
    scope = world.scope()
    data = SessionCreate(type="RecordedSessions")
    async with world.database.transaction(scope, read_only=True) as db:
        before = await sessions.list_sessions(scope, db, PageRequest(), SessionFilter())
        async with world.db() as writing:
            await sessions.create_session(scope, writing, data)
        after = await sessions.list_sessions(scope, db, PageRequest(), SessionFilter())
    assert (before.data, after.data) == ([], [])


async def test_a_get_is_a_read(world: World) -> None:
    """Only reads see the rows while this policy stands."""
    client = world.client()
    made = await client.post("/api/sessions", json={"type": "RecordedSessions"})
    policy = "POLICY only_reads ON sessions"
    condition = "current_setting('transaction_read_only') = 'on'"
    await administer(world, f"CREATE {policy} AS RESTRICTIVE FOR SELECT USING ({condition})")
    try:
        read = await client.get(made.headers["location"])
        written = await client.post(f"{made.headers['location']}/complete")
    finally:
        await administer(world, f"DROP {policy}")
    assert (read.status_code, written.status_code) == (200, 404)


async def test_hot_statements_compress_with_the_best_that_the_server_has(world: World) -> None:
    offered = "SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
    async with world.database.transaction(world.scope(), hot=True) as db:
        used = await db.driver.fetchval("SHOW default_toast_compression")
        assert used == ("lz4" if "lz4" in await db.driver.fetchval(offered) else "pglz")
