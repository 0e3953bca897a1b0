"""What 2,000 agents cost: counted, not timed."""

import time
from typing import Any

import pytest
from sqlalchemy import event

from app.contexts import fleet
from app.paging import PageRequest
from tests.factories import World
from tests.query_plans import administer, among_small_accounts, fresh_plans, rows_read

AGENTS = 2000
BATCH = 1000


@pytest.fixture
async def names(world: World) -> list[str]:
    async with world.db() as db:
        await db.driver.execute(
            "INSERT INTO claude_sessions (account_id, session_id, status, heartbeat_at)"
            " SELECT $1, 'agent-' || n, 'idle', now() - interval '10 s'"
            " FROM generate_series(1, $2) AS n",
            world.account_id,
            AGENTS,
        )
    return [f"agent-{n + 1}" for n in range(AGENTS)]


async def versions(world: World) -> dict[str, Any]:
    async with world.db() as db:
        rows = await db.driver.fetch("SELECT session_id, ctid::text FROM claude_sessions")
    return {row["session_id"]: row["ctid"] for row in rows}


async def test_heartbeats_write_a_row_version_in_five_seconds(
    world: World, names: list[str]
) -> None:
    """Alone, together, or as the event of a hook."""
    scope = world.scope()
    seen = await versions(world)
    written, begun = 0, time.monotonic()
    for way in ("together", "together", "alone", "event"):
        for start in range(0, AGENTS, BATCH):
            async with world.db(scope) as db:
                if way == "together":
                    batch = names[start : start + BATCH]
                    beats = await fleet.record_agent_heartbeats(scope, db, batch)
                    assert {beat.result for beat in beats} == {"ok"}
                for name in names[start : start + BATCH : 10]:
                    if way == "alone":
                        await fleet.record_agent_heartbeat(scope, db, name)
                    elif way == "event":
                        await fleet.observe_agent(scope, db, name)
        now = await versions(world)
        written += sum(now[name] != seen[name] for name in names)
        seen = now
    assert AGENTS <= written <= AGENTS * (1 + (time.monotonic() - begun) // 5)


async def test_a_page_of_the_list_is_one_statement(world: World, names: list[str]) -> None:
    scope = world.scope()
    statements: list[str] = []

    def through_sqlalchemy(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = world.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", through_sqlalchemy)
    cursor, listed = None, 0
    while listed < AGENTS:
        async with world.db(scope) as db:
            with db.driver.query_logger(lambda record: statements.append(record.query)):
                page = await fleet.list_agents(
                    scope, db, PageRequest(100, cursor), fleet.AgentFilter(stale=False)
                )
        cursor = page.next_cursor
        listed += len(page.data)
    event.remove(engine, "before_cursor_execute", through_sqlalchemy)
    assert (listed, cursor) == (len(names), None)
    assert len(statements) == AGENTS / 100
    assert all("claude_sessions" in statement for statement in statements)


async def test_a_sweep_reads_each_agent_once(world: World, names: list[str]) -> None:
    scope = world.scope()
    await administer(world, "ANALYZE claude_sessions")
    async with world.db(scope) as db:
        before = await rows_read(db, "claude_sessions")
        assert await fleet.mark_stale_agents(scope, db) == 0
        assert await rows_read(db, "claude_sessions") - before <= len(names)


async def test_agents_are_found_by_key(world: World, names: list[str]) -> None:
    scope, asked = world.scope(), names[:3]
    async with among_small_accounts(world), fresh_plans(world) as db:
        before = await rows_read(db, "claude_sessions")
        await fleet.record_agent_heartbeats(scope, db, asked)
        await fleet.end_agent(scope, db, asked[0])
        # Locked, written, told; the one that ends once more.
        assert await rows_read(db, "claude_sessions") - before <= 3 * len(asked) + 3
