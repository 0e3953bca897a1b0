"""The context of the fleet by itself: what one tenant has does not exist for another."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.contexts import fleet
from app.db import Database, Role
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.paging import PageRequest
from app.schemas.fleet import (
    AgentRegister,
    FleetSettingsUpdate,
    WorkItemClaim,
    WorkItemConflictCreate,
    WorkItemCreate,
    WorkItemUpdate,
)
from tests.factories import World
from tests.factories.worlds import Worlds, make_worlds

PAGE = PageRequest()
AGENT, ITEM = "agent-1", "SD-1"
IN_CONFLICT: dict[str, Any] = {"conflict_type": "file_overlap", "severity": "blocking"}
# What each function is given; "claim" and "conflict" stand for the ids of such rows.
CALLS: dict[str, tuple[Any, ...]] = {
    "get_agent": (AGENT,),
    "record_agent_heartbeat": (AGENT,),
    "release_claim": (AGENT,),
    "end_agent": (AGENT,),
    "move_agent": (AGENT, None),
    "get_work_item": (ITEM,),
    "update_work_item": (ITEM, WorkItemUpdate(title="x")),
    "complete_work_item": (ITEM,),
    "delete_work_item": (ITEM,),
    "move_work_item": (ITEM, None),
    "can_claim_work_item": (ITEM, AGENT),
    "claim_work_item": (ITEM, WorkItemClaim(session_id=AGENT)),
    "claim_next_work_item": (AGENT,),
    "get_claim": ("claim",),
    "get_work_item_conflict": ("conflict",),
    "resolve_work_item_conflict": ("conflict",),
}
READS = {name for name in CALLS if name.startswith(("get_", "can_"))}
# They name no row of their own, make it, or are shown below to find nothing.
WITHOUT_ROW = {
    "detach_agents",  # test_projects
    "detach_work_items",  # test_projects
    "AgentFilter",
    "ClaimFilter",
    "ConflictFilter",
    "WorkItemFilter",
    "create_work_item",
    "create_work_item_conflict",
    "get_fleet_settings",
    "list_agents",
    "list_claims",
    "list_tracks",
    "list_work_item_conflicts",
    "list_work_items",
    "mark_stale_agents",
    "observe_agent",
    "record_agent_heartbeats",
    "register_agent",
    "update_fleet_settings",
}


async def fill(world: World) -> dict[str, Any]:
    scope = world.scope(project_id=world.project_id)
    async with world.db(scope) as db:
        await fleet.observe_agent(scope, db, AGENT)
        for key in (ITEM, "SD-2"):
            await fleet.create_work_item(scope, db, WorkItemCreate(key=key, title=key))
        data = WorkItemConflictCreate(work_item_a=ITEM, work_item_b="SD-2", **IN_CONFLICT)
        reported = await fleet.create_work_item_conflict(scope, db, data)
        answer = await fleet.claim_work_item(scope, db, ITEM, WorkItemClaim(session_id=AGENT))
    return {"claim": answer.claim.id, "conflict": reported.conflict.id}


@pytest.fixture(scope="module")
async def worlds(database: Database, app: Any) -> Worlds:
    return await make_worlds(database, app, fill)


def test_every_function_is_walked() -> None:
    assert set(CALLS) | WITHOUT_ROW == set(fleet.__all__)


def arguments(name: str, ids: dict[str, Any]) -> list[Any]:
    return [ids.get(value, value) if isinstance(value, str) else value for value in CALLS[name]]


@pytest.mark.parametrize("name", CALLS)
async def test_another_tenants_row_does_not_exist(worlds: Worlds, name: str) -> None:
    scope = worlds.mine.scope()
    with pytest.raises(NotFound):
        async with worlds.mine.db(scope) as db:
            await getattr(fleet, name)(scope, db, *arguments(name, worlds.ids))


@pytest.mark.parametrize("name", CALLS)
async def test_another_projects_row_does_not_exist_in_a_strict_scope(
    worlds: Worlds, name: str
) -> None:
    scope = worlds.other.scope(project_id=worlds.project_id, strict=True)
    with pytest.raises(NotFound):
        async with worlds.other.db(scope) as db:
            await getattr(fleet, name)(scope, db, *arguments(name, worlds.ids))


@pytest.mark.parametrize("name", sorted(set(CALLS) - READS))
async def test_a_viewer_may_not_write(worlds: Worlds, name: str) -> None:
    scope = worlds.other.scope(Role.VIEWER)
    with pytest.raises(Forbidden):
        async with worlds.other.db(scope) as db:
            await getattr(fleet, name)(scope, db, *arguments(name, worlds.ids))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("observe_agent", ("x",)),
        ("register_agent", ("x", AgentRegister())),
        ("record_agent_heartbeats", ([AGENT],)),
        ("mark_stale_agents", ()),
        ("create_work_item", (WorkItemCreate(key="x", title="x"),)),
        ("update_fleet_settings", (FleetSettingsUpdate(),)),
    ],
)
async def test_a_viewer_may_not_create(worlds: Worlds, name: str, given: tuple[Any, ...]) -> None:
    scope = worlds.other.scope(Role.VIEWER)
    with pytest.raises(Forbidden):
        async with worlds.other.db(scope) as db:
            await getattr(fleet, name)(scope, db, *given)


async def test_lists_show_one_account(make: Callable[[], Awaitable[World]]) -> None:
    mine, other = await make(), await make()
    await fill(other)
    scope = mine.scope()
    async with mine.db() as db:
        for page in (
            await fleet.list_agents(scope, db, PAGE, fleet.AgentFilter()),
            await fleet.list_work_items(scope, db, PAGE, fleet.WorkItemFilter()),
            await fleet.list_claims(scope, db, PAGE, fleet.ClaimFilter()),
            await fleet.list_work_item_conflicts(scope, db, PAGE, fleet.ConflictFilter()),
        ):
            assert page.data == []
        assert {track.status for track in await fleet.list_tracks(scope, db)} == {"empty"}
        beats = await fleet.record_agent_heartbeats(scope, db, [AGENT])
        assert [beat.result for beat in beats] == ["not_found"]


async def test_the_same_keys_belong_to_each_account(make: Callable[[], Awaitable[World]]) -> None:
    """Agents, items and claims of one account do not affect those of another."""
    mine, other = await make(), await make()
    for world in (mine, other):
        await fill(world)
    settings = FleetSettingsUpdate(stale_after_seconds=1)
    async with mine.db() as db:
        await fleet.update_fleet_settings(mine.scope(), db, settings)
        await db.driver.execute("UPDATE claude_sessions SET heartbeat_at = now() - interval '9 s'")
    async with mine.db() as db:
        assert await fleet.mark_stale_agents(mine.scope(), db) == 1
    async with other.db() as db:
        assert await fleet.mark_stale_agents(other.scope(), db) == 0
        assert (await fleet.get_agent(other.scope(), db, AGENT)).sd_id == ITEM
        assert (await fleet.get_fleet_settings(other.scope(), db)).stale_after_seconds == 300


async def test_another_accounts_items_cannot_be_named(worlds: Worlds) -> None:
    scope = worlds.mine.scope()
    data = WorkItemConflictCreate(work_item_a=ITEM, work_item_b="SD-2", **IN_CONFLICT)
    with pytest.raises(Invalid) as refused:
        async with worlds.mine.db() as db:
            await fleet.create_work_item_conflict(scope, db, data)
    assert [error.path for error in refused.value.errors] == ["work_item_a", "work_item_b"]


async def test_a_strict_scope_learns_nothing_about_rivals(worlds: Worlds) -> None:
    """A conflict with another project's item still blocks, without naming it."""
    other = worlds.other
    scope = other.scope(project_id=worlds.project_id, strict=True)
    data = WorkItemConflictCreate(work_item_a="P", work_item_b=ITEM, **IN_CONFLICT)
    claim = WorkItemClaim(session_id="agent-2")
    async with other.db() as db:
        db.rollback_only = True
        await fleet.create_work_item(scope, db, WorkItemCreate(key="P", title="P"))
        await fleet.create_work_item_conflict(other.scope(), db, data)
        await fleet.observe_agent(scope, db, claim.session_id)
        with pytest.raises(Conflict) as refused:
            await fleet.claim_work_item(scope, db, "P", claim)
    assert refused.value.code == "conflict"
    assert ITEM not in refused.value.message
    assert refused.value.details == {
        "work_item": None,
        "session_id": None,
        "heartbeat_age_seconds": None,
    }
