"""The context of runs by itself: what one tenant has does not exist for another."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from app.contexts import runs
from app.db import Database, Role
from app.errors import Forbidden, NotFound
from app.paging import PageRequest
from app.schemas.evidence import (
    EntryInput,
    ExecInput,
    IssueInput,
    IssueRelationInput,
    LogInput,
    StateInput,
)
from app.schemas.runs import (
    DeviceCreate,
    DeviceUpdate,
    NatureCreate,
    NatureUpdate,
    RunCreate,
    RunFinish,
    RunUpdate,
)
from tests.factories import World
from tests.factories.runs import make_run
from tests.factories.worlds import Worlds, make_worlds

PAGE = PageRequest()
CALLS: dict[str, tuple[Any, ...]] = {
    "get_device": ("press",),
    "update_device": ("press", DeviceUpdate(boundary="x")),
    "delete_device": ("press",),
    "move_device": ("press", None),
    "get_nature": ("mine",),
    "update_nature": ("mine", NatureUpdate(nature="x")),
    "delete_nature": ("mine",),
    "get_run": ("run",),
    "update_run": ("run", RunUpdate(diagnostics_md="x")),
    "finish_run": ("run", RunFinish()),
    "delete_run": ("run",),
    "move_run": ("run", None),
    "render_run": ("run",),
}
POSTED: dict[str, Any] = {
    "entries": EntryInput(ingest_src="a"),
    "states": StateInput(from_state="INITIAL", to_state="a"),
    "execs": ExecInput(exec_nature="n", exec_code="c", exec_status=0),
    "issues": IssueInput(issue_type="t", issue_message="m"),
    "issue_relations": IssueRelationInput(
        issue_id_prime="a", issue_id_rel="b", relationship_nature="n"
    ),
    "logs": LogInput(content="c", exec_id="e"),
}
for kind in runs.EVIDENCE_KINDS:
    CALLS[f"list_run_evidence {kind.name}"] = (kind, "run", PAGE)
    CALLS[f"add_run_evidence {kind.name}"] = (kind, "run", POSTED[kind.name])
# They name no row: they list, create, or take rows that were found before.
WITHOUT_ROW = {
    "detach_devices",  # test_projects
    "detach_runs",  # test_projects
    "EVIDENCE_KINDS",
    "Kind",
    "RunFilter",
    "count_evidence",
    "create_device",
    "create_known_natures",
    "create_nature",
    "create_run",
    "get_run_report",
    "list_devices",
    "list_natures",
    "list_runs",
}
READS = {name for name in CALLS if name.startswith(("get_", "list_", "render_"))}


async def fill(world: World) -> None:
    scope = world.scope(project_id=world.project_id)
    async with world.db(scope) as db:
        await runs.create_device(scope, db, DeviceCreate(name="press", device_id="press"))
        nature = NatureCreate(orchestration_nature_id="mine", nature="Mine")
        await runs.create_nature(scope, db, nature)
        run = RunCreate(
            device_id="press",
            orchestration_nature_id="mine",
            version="1",
            orchestration_session_id="run",
        )
        await runs.create_run(scope, db, run)


@pytest.fixture(scope="module")
async def worlds(database: Database, app: Any) -> Worlds:
    return await make_worlds(database, app, fill)


def test_every_function_is_walked() -> None:
    assert {name.split()[0] for name in CALLS} | WITHOUT_ROW == set(runs.__all__)


@pytest.mark.parametrize("name", CALLS)
async def test_another_tenants_row_does_not_exist(worlds: Worlds, name: str) -> None:
    scope = worlds.mine.scope()
    with pytest.raises(NotFound):
        async with worlds.mine.db(scope) as db:
            await getattr(runs, name.split(maxsplit=1)[0])(scope, db, *CALLS[name])


@pytest.mark.parametrize("name", [name for name in CALLS if "nature" not in name])
async def test_another_projects_row_does_not_exist_in_a_strict_scope(
    worlds: Worlds, name: str
) -> None:
    scope = worlds.other.scope(project_id=worlds.project_id, strict=True)
    with pytest.raises(NotFound):
        async with worlds.other.db(scope) as db:
            await getattr(runs, name.split(maxsplit=1)[0])(scope, db, *CALLS[name])


@pytest.mark.parametrize("name", sorted(set(CALLS) - READS))
async def test_a_viewer_may_not_write(worlds: Worlds, name: str) -> None:
    scope = worlds.other.scope(Role.VIEWER)
    with pytest.raises(Forbidden):
        async with worlds.other.db(scope) as db:
            await getattr(runs, name.split(maxsplit=1)[0])(scope, db, *CALLS[name])


async def test_lists_show_one_account(make: Callable[[], Awaitable[World]]) -> None:
    mine, other = await make(), await make()
    await fill(other)
    scope = mine.scope()
    async with mine.db() as db:
        assert (await runs.list_devices(scope, db, PAGE)).data == []
        assert (await runs.list_runs(scope, db, PAGE, runs.RunFilter())).data == []
        assert (await runs.get_run_report(scope, db, "by-device", PAGE)).data == []
        natures = (await runs.list_natures(scope, db, PAGE)).data
        assert {nature.account_id for nature in natures} == {mine.account_id}
        # The names of one tenant are no obstacle for another.
    await fill(mine)


async def test_plain_sql_cannot_reach_out(make: Callable[[], Awaitable[World]]) -> None:
    mine, other = await make(), await make()
    await fill(mine)
    await fill(other)
    for table in ("device", "orchestration_nature", "orchestration_session"):
        async with mine.db() as db:
            accounts = await db.driver.fetch(f"SELECT DISTINCT account_id FROM {table}")
            assert [row["account_id"] for row in accounts] == [mine.account_id]
        with pytest.raises(asyncpg.PostgresError):
            async with mine.db() as db:
                await db.driver.execute(f"UPDATE {table} SET account_id = $1", other.account_id)


async def test_the_clock_is_set_back_while_a_run_goes_on(world: World) -> None:
    client = world.client()
    path = f"/api/runs/{await make_run(client, orch_started_at='2099-01-01T00:00:00Z')}"
    done = (await client.post(f"{path}/finish", json={})).json()
    assert done["orch_finished_at"] == done["orch_started_at"]


async def test_a_run_is_deleted_while_its_evidence_is_counted(world: World) -> None:
    await fill(world)
    scope = world.scope()
    async with world.db() as db:
        run = await runs.get_run(scope, db, "run")
        async with world.db() as meanwhile:
            await runs.delete_run(scope, meanwhile, "run")
        [counts] = await runs.count_evidence(scope, db, [run])
    assert (counts.entry_count, counts.last_state) == (0, None)
