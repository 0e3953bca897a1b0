"""The context of orchestrations by itself: what one tenant has does not exist for another."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.contexts import orchestrations
from app.db import Database, Role
from app.errors import Forbidden, NotFound
from app.paging import PageRequest
from app.schemas.orchestrations import (
    ActionComplete,
    ActionCreate,
    OrchestrationCreate,
    OrchestrationFail,
    OrchestrationUpdate,
)
from app.scope import Scope
from tests.factories import World
from tests.factories.worlds import Worlds, make_worlds

PAGE = PageRequest()
SESSION, ACTION, DECISION = "session", "action", "decision"
# Which row each function is given, and what else.
CALLS: dict[str, tuple[Any, ...]] = {
    "get_orchestration": (SESSION,),
    "get_performance": (SESSION,),
    "update_orchestration": (SESSION, OrchestrationUpdate(objective="x")),
    "delete_orchestration": (SESSION,),
    "move_orchestration": (SESSION, None),
    "add_orchestration_agent": (SESSION, str(uuid4())),
    "remove_orchestration_agent": (SESSION, str(uuid4())),
    "start_orchestration": (SESSION,),
    "pause_orchestration": (SESSION,),
    "resume_orchestration": (SESSION,),
    "complete_orchestration": (SESSION,),
    "fail_orchestration": (SESSION, OrchestrationFail(message="x")),
    "cancel_orchestration": (SESSION,),
    "list_actions": (SESSION, PAGE),
    "create_action": (SESSION, ActionCreate(event_type="x")),
    "claim_next_action": (SESSION, uuid4()),
    "get_action": (SESSION, ACTION),
    "start_action": (SESSION, ACTION),
    "complete_action": (SESSION, ACTION, ActionComplete()),
    "fail_action": (SESSION, ACTION, "x"),
    "cancel_action": (SESSION, ACTION),
    "rollback_action": (SESSION, ACTION),
    "list_orchestration_decisions": (SESSION, PAGE),
    "approve_decision": (DECISION,),
    "reject_decision": (DECISION, "x"),
}
WITHOUT_ROW = {
    "detach_orchestrations",  # test_projects
    "OrchestrationFilter",
    "create_orchestration",
    "list_decisions",
    "list_orchestrations",
}
READS = {name for name in CALLS if name.startswith(("get_", "list_"))}


async def fill(world: World) -> dict[str, UUID]:
    scope = world.scope(project_id=world.project_id)
    async with world.db(scope) as db:
        data = OrchestrationCreate(session_type="venture_workflow", chairman_oversight=True)
        session = await orchestrations.create_orchestration(scope, db, data)
        critical = ActionCreate(event_type="deploy", critical=True)
        action = await orchestrations.create_action(scope, db, session.session_id, critical)
    async with world.db(scope) as db:
        [decision] = (await orchestrations.list_decisions(scope, db, PAGE)).data
    return {
        SESSION: session.session_id,
        ACTION: action.action_id,
        DECISION: decision.decision_id,
    }


def arguments(name: str, ids: dict[str, UUID]) -> list[Any]:
    return [ids.get(value, value) if isinstance(value, str) else value for value in CALLS[name]]


@pytest.fixture(scope="module")
async def worlds(database: Database, app: Any) -> Worlds:
    return await make_worlds(database, app, fill)


def test_every_function_is_walked() -> None:
    assert set(CALLS) | WITHOUT_ROW == set(orchestrations.__all__)


@pytest.mark.parametrize("name", CALLS)
async def test_another_tenants_row_does_not_exist(worlds: Worlds, name: str) -> None:
    scope = worlds.mine.scope()
    with pytest.raises(NotFound):
        async with worlds.mine.db(scope) as db:
            await getattr(orchestrations, name)(scope, db, *arguments(name, worlds.ids))


@pytest.mark.parametrize("name", CALLS)
async def test_another_projects_row_does_not_exist_in_a_strict_scope(
    worlds: Worlds, name: str
) -> None:
    scope = worlds.other.scope(project_id=worlds.project_id, strict=True)
    with pytest.raises(NotFound):
        async with worlds.other.db(scope) as db:
            await getattr(orchestrations, name)(scope, db, *arguments(name, worlds.ids))


@pytest.mark.parametrize("name", sorted(set(CALLS) - READS))
async def test_a_viewer_may_not_write(worlds: Worlds, name: str) -> None:
    scope = worlds.other.scope(Role.VIEWER)
    with pytest.raises(Forbidden):
        async with worlds.other.db(scope) as db:
            await getattr(orchestrations, name)(scope, db, *arguments(name, worlds.ids))


async def test_the_server_itself_neither_creates_nor_decides(world: World) -> None:
    ids = await fill(world)
    nobody = Scope(account_id=world.account_id, role=Role.SYSTEM)
    data = OrchestrationCreate(session_type="venture_workflow")
    with pytest.raises(Forbidden):
        async with world.db(nobody) as db:
            await orchestrations.create_orchestration(nobody, db, data)
    with pytest.raises(Forbidden):
        async with world.db(nobody) as db:
            await orchestrations.approve_decision(nobody, db, ids[DECISION])


async def test_lists_show_one_account(make: Callable[[], Awaitable[World]]) -> None:
    mine, other = await make(), await make()
    await fill(other)
    scope, filters = mine.scope(), orchestrations.OrchestrationFilter()
    async with mine.db() as db:
        assert (await orchestrations.list_orchestrations(scope, db, PAGE, filters)).data == []
        assert (await orchestrations.list_decisions(scope, db, PAGE)).data == []
