"""Agents as their signs of life show them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.contexts import fleet
from app.db import Db
from app.errors import Conflict, NotFound
from app.paging import PageRequest
from app.schemas.fleet import AgentRegister
from app.scope import Scope
from tests.factories import World


async def row_version(world: World, session_id: str) -> Any:
    async with world.db() as db:
        return await db.driver.fetchval(
            "SELECT (xmin::text, ctid::text) FROM claude_sessions WHERE session_id = $1", session_id
        )


async def events(world: World) -> list[str]:
    async with world.db() as db:
        rows = await db.driver.fetch(
            "SELECT name FROM feed_events WHERE entity_kind = 'agent' ORDER BY sequence"
        )
    return [row["name"] for row in rows]


async def silence(world: World, seconds: int, session_id: str = "a") -> None:
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE claude_sessions SET heartbeat_at = now() - make_interval(secs => $2)"
            " WHERE session_id = $1",
            session_id,
            seconds,
        )


async def observe(world: World, session_id: str = "a", **fields: Any) -> None:
    scope = world.scope()
    async with world.db(scope) as db:
        await fleet.observe_agent(scope, db, session_id, **fields)


async def get(world: World, session_id: str = "a") -> Any:
    async with world.db() as db:
        return await fleet.get_agent(world.scope(), db, session_id)


async def test_any_event_registers_the_agent(world: World) -> None:
    await observe(world, codebase="/src", pid=7, metadata={"model": "opus"})
    agent = await get(world)
    assert (agent.status, agent.computed_status, agent.codebase) == ("idle", "idle", "/src")
    assert (agent.pid, agent.metadata, agent.project_id) == (7, {"model": "opus"}, None)
    assert 290 < agent.seconds_until_stale <= 300
    await observe(world, hostname="box", metadata={"branch": "main"})
    agent = await get(world)
    assert (agent.codebase, agent.hostname) == ("/src", "box")
    assert agent.metadata == {"model": "opus", "branch": "main"}
    assert await events(world) == ["agent.registered", "agent.updated"]


async def test_events_write_one_row_version_in_five_seconds(world: World) -> None:
    await observe(world, codebase="/src", metadata={"model": "opus"})
    first = await row_version(world, "a")
    for _ in range(3):
        await observe(world, codebase="/src", metadata={"model": "opus"})
        await observe(world)
    assert await row_version(world, "a") == first
    await silence(world, 6)
    silent = await row_version(world, "a")
    await observe(world)
    assert await row_version(world, "a") != silent
    assert await events(world) == ["agent.registered"]


async def test_an_ended_agent_that_sends_an_event_is_alive_again(world: World) -> None:
    scope = world.scope()
    await observe(world)
    for _ in range(2):
        async with world.db(scope) as db:
            await fleet.end_agent(scope, db, "a")
    assert (await get(world)).computed_status == "released"
    assert (await get(world)).seconds_until_stale is None
    with pytest.raises(Conflict) as refused:
        async with world.db(scope) as db:
            await fleet.record_agent_heartbeat(scope, db, "a")
    assert refused.value.code == "agent_released"
    await observe(world)
    assert (await get(world)).computed_status == "idle"
    assert await events(world) == ["agent.registered", "agent.released", "agent.revived"]


async def test_a_heartbeat_in_the_future_is_replaced_by_the_next(world: World) -> None:
    """Otherwise a dead agent would be taken for alive until the clock has caught up."""
    scope = world.scope()
    await observe(world)
    await silence(world, -3600)
    before = await get(world)
    async with world.db(scope) as db:
        await fleet.record_agent_heartbeat(scope, db, "a")
    assert (await get(world)).heartbeat_at < before.heartbeat_at


async def test_the_sweep_resets_heartbeats_in_the_future(world: World) -> None:
    """The agent is silent from the next sweep on, not only once the clock has caught up."""
    scope = world.scope()
    await observe(world)
    await silence(world, -3600)
    async with world.db(scope) as db:
        assert await fleet.mark_stale_agents(scope, db) == 0
    swept = await get(world)
    async with world.db(scope) as db:
        assert swept.heartbeat_at <= await db.now()
    assert swept.status == "idle"


async def test_a_stale_agent_is_revived_by_its_heartbeat(world: World) -> None:
    scope = world.scope()
    await observe(world)
    await silence(world, 301)
    before = await get(world)
    assert (before.status, before.computed_status, before.seconds_until_stale) == (
        *("idle", "stale", 0),
    )
    for expected in (1, 0):
        async with world.db(scope) as db:
            assert await fleet.mark_stale_agents(scope, db) == expected
    swept = await get(world)
    assert (swept.status, swept.heartbeat_at) == ("stale", before.heartbeat_at)
    async with world.db(scope) as db:
        alive = await fleet.record_agent_heartbeat(scope, db, "a")
    assert (alive.status, (await get(world)).computed_status) == ("idle", "idle")
    assert await events(world) == ["agent.registered", "agent.stale", "agent.revived"]


async def test_many_first_events_at_once_make_one_agent(world: World) -> None:
    await asyncio.gather(*(observe(world, metadata={"n": n}) for n in range(20)))
    assert (await events(world)).count("agent.registered") == 1
    assert (await get(world)).metadata["n"] in range(20)


async def test_a_pid_that_no_process_could_have_is_not_kept(world: World) -> None:
    for pid in (-1, 2**31):
        await observe(world, pid=pid)
    assert (await get(world)).pid is None


@asynccontextmanager
async def strict(world: World, project_id: int) -> AsyncIterator[tuple[Scope, Db]]:
    scope = world.scope(project_id=project_id, strict=True)
    async with world.db(scope) as db:
        yield scope, db


async def test_an_agent_of_another_project_is_left_alone(world: World) -> None:
    await observe(world)
    before = await row_version(world, "a")
    with pytest.raises(Conflict) as refused:
        async with strict(world, world.project_id) as (scope, db):
            await fleet.observe_agent(scope, db, "a", codebase="/mine")
    assert refused.value.code == "key_in_other_project"
    with pytest.raises(Conflict):
        async with strict(world, world.project_id) as (scope, db):
            await fleet.register_agent(scope, db, "a", AgentRegister())
    for function in (fleet.end_agent, fleet.record_agent_heartbeat, fleet.get_agent):
        with pytest.raises(NotFound):
            async with strict(world, world.project_id) as (scope, db):
                await function(scope, db, "a")
    assert await row_version(world, "a") == before
    async with strict(world, world.project_id) as (scope, db):
        await fleet.observe_agent(scope, db, "b")
    assert (await get(world, "b")).project_id == world.project_id


async def test_an_agent_needs_input_when_its_session_does(world: World) -> None:
    """An agent waits for a person when the session that records it does."""
    await observe(world)
    await observe(world, "b")
    body = {"session_id": "b", "hook_event_name": "Notification", "message": "permission?"}
    event = {**body, "notification_type": "permission_prompt"}
    assert (await world.client().post("/api/hooks/claude-code", json=event)).is_success
    scope = world.scope()
    async with world.db(scope) as db:
        waiting = fleet.AgentFilter(needs_input=True)
        [agent] = (await fleet.list_agents(scope, db, PageRequest(), waiting)).data
    assert agent.session_id == "b"
    assert agent.needs_input is not None
    assert agent.needs_input.message == "permission?"
