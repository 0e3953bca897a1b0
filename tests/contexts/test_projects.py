"""Projects and trees of components."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.contexts import (
    accounts,
    continuity,
    fleet,
    orchestrations,
    projects,
    runs,
    sessions,
)
from app.db import Db, Role
from app.errors import Forbidden, Invalid, NotFound
from app.paging import PageRequest
from app.schemas.projects import ComponentCreate, ComponentUpdate, ProjectUpdate
from app.scope import Scope
from tests.api.operations import make_rows
from tests.factories import World

Make = Callable[[], Awaitable[World]]


async def component(client: httpx.AsyncClient, name: str, **fields: Any) -> int:
    body = {"name": name, "module_name": name, **fields}
    response = await client.post("/api/components", json=body)
    assert response.status_code == 201, response.text
    component_id: int = response.json()["id"]
    return component_id


async def test_a_project_from_beginning_to_end(world: World) -> None:
    client = world.client()
    body = {"name": "Shop", "slug": "shop", "settings": {"toolchain": "python"}}
    created = await client.post("/api/projects", json=body)
    assert created.status_code == 201
    project = created.json()
    assert project["status"] == "created"
    again = await client.post("/api/projects", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")
    path = created.headers["location"]
    changed = await client.patch(path, json={"status": "active", "description": "Sells."})
    assert changed.json() == {
        **project,
        "status": "active",
        "description": "Sells.",
        "updated_at": changed.json()["updated_at"],
    }
    assert changed.json()["updated_at"] > project["updated_at"]
    cleared = await client.patch(path, json={"description": None})
    assert cleared.json()["description"] is None
    assert (await client.patch(path, json={"slug": "default"})).json()["code"] == "slug_taken"
    active = (await client.get("/api/projects?status=active")).json()["data"]
    assert {p["slug"] for p in active} == {"default", "shop"}
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_deleting_a_project_keeps_its_sessions(world: World) -> None:
    client = world.client()
    part = await component(client, "Part")
    body = {"type": "RecordedSessions", "component_id": part}
    session = (await client.post("/api/sessions", json=body)).json()
    assert (session["project_id"], session["component_id"]) == (world.project_id, part)
    assert (await client.delete(f"/api/projects/{world.project_id}")).status_code == 204
    kept = (await client.get(f"/api/sessions/{session['id']}")).json()
    assert (kept["project_id"], kept["component_id"]) == (None, None)
    assert kept["version"] > session["version"]
    assert (await client.get(f"/api/components/{part}")).status_code == 404
    assert (await client.get("/api/me")).json()["project"] is None


async def test_a_component_family(world: World) -> None:
    client = world.client()
    parent = await component(client, "Parent")
    child = await component(client, "Child", parent_component_id=parent)
    grandchild = await component(client, "Grandchild", parent_component_id=child)
    for ancestor in (parent, child, grandchild):
        path = f"/api/components/{parent}"
        response = await client.patch(path, json={"parent_component_id": ancestor})
        assert response.status_code == 422
        assert [e["path"] for e in response.json()["errors"]] == ["parent_component_id"]
    listed = await client.get(f"/api/components?parent_component_id={parent}")
    assert [c["id"] for c in listed.json()["data"]] == [child]
    assert (await client.delete(f"/api/components/{child}")).status_code == 204
    orphan = (await client.get(f"/api/components/{grandchild}")).json()
    assert orphan["parent_component_id"] is None
    taken = await client.post("/api/components", json={"name": "x", "module_name": "Parent"})
    assert (taken.status_code, taken.json()["code"]) == (409, "module_name_taken")


async def test_two_moves_do_not_close_a_circle(world: World) -> None:
    client = world.client()
    for attempt in range(5):
        one = await component(client, f"One{attempt}")
        two = await component(client, f"Two{attempt}")
        answers = await asyncio.gather(
            client.patch(f"/api/components/{one}", json={"parent_component_id": two}),
            client.patch(f"/api/components/{two}", json={"parent_component_id": one}),
        )
        assert sorted(a.status_code for a in answers) == [200, 422]


async def test_a_parent_lives_in_the_same_project(world: World) -> None:
    client = world.client()
    other = (await client.post("/api/projects", json={"name": "Other", "slug": "other"})).json()
    parent = await component(client, "Parent")
    body = {"name": "Child", "module_name": "Child", "parent_component_id": parent}
    response = await client.post("/api/components", json=body, headers={"X-Project": "other"})
    assert [e["path"] for e in response.json()["errors"]] == ["parent_component_id"]
    mismatch = await client.post("/api/components", json={**body, "project_id": other["id"]})
    assert [e["path"] for e in mismatch.json()["errors"]] == ["project_id"]
    wide = {"X-Project": "*"}
    nowhere = await client.post(
        "/api/components", json={"name": "N", "module_name": "N"}, headers=wide
    )
    assert [e["path"] for e in nowhere.json()["errors"]] == ["project_id"]
    named = await client.post(
        "/api/components",
        json={"name": "N", "module_name": "N", "project_id": other["id"]},
        headers=wide,
    )
    assert named.json()["project_id"] == other["id"]


async def test_another_accounts_projects_do_not_exist(make: Make) -> None:
    mine, other = await make(), await make()
    theirs = await component(other.client(), "Part")
    scope = mine.scope()
    calls: list[Callable[[Any], Awaitable[object]]] = [
        lambda db: projects.get_project(scope, db, other.project_id),
        lambda db: projects.update_project(scope, db, other.project_id, ProjectUpdate(name="x")),
        lambda db: projects.delete_project(scope, db, other.project_id),
        lambda db: projects.get_component(scope, db, theirs),
        lambda db: projects.update_component(scope, db, theirs, ComponentUpdate(name="x")),
        lambda db: projects.delete_component(scope, db, theirs),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            async with mine.db() as db:
                await call(db)
    data = ComponentCreate(name="x", module_name="x", project_id=other.project_id)
    with pytest.raises(Invalid):
        async with mine.db() as db:
            await projects.create_component(scope, db, data)
    wanted = projects.ComponentFilter(project_id=other.project_id)
    async with mine.db() as db:
        page = await projects.list_components(scope, db, PageRequest(), wanted)
        assert page.data == []
        listed = await projects.list_projects(scope, db, PageRequest())
        assert [p.id for p in listed.data] == [mine.project_id]


DETACH = [
    fleet.detach_agents,
    fleet.detach_work_items,
    runs.detach_devices,
    runs.detach_runs,
    orchestrations.detach_orchestrations,
    continuity.detach_instances,
    sessions.detach_project,
    sessions.detach_component,
    accounts.delete_project_tokens,
]


@pytest.mark.parametrize("detach", DETACH, ids=[function.__name__ for function in DETACH])
async def test_deleting_a_project_leaves_other_accounts_alone(
    detach: Callable[[Scope, Db, int], Awaitable[None]], make: Callable[[], Awaitable[World]]
) -> None:
    mine, other = await make(), await make()
    ids = await make_rows(other)
    row_id = ids["component_id"] if detach is sessions.detach_component else other.project_id
    feed = "/api/feed?limit=100"
    before = (await other.client().get(feed, headers={"X-Project": "*"})).json()
    async with mine.db() as db:
        await detach(mine.scope(), db, row_id)
        assert db.events == []
    for path in ("sessions", "agents", "work-items", "devices", "runs", "orchestrations"):
        rows = (await other.client().get(f"/api/{path}")).json()["data"]
        assert {row["project_id"] for row in rows} == {other.project_id}, path
    assert (await other.client().get(feed, headers={"X-Project": "*"})).json() == before


async def test_viewers_detach_nothing(world: World) -> None:
    for detach in DETACH:
        with pytest.raises(Forbidden):
            async with world.db() as db:
                await detach(world.scope(role=Role.VIEWER), db, world.project_id)
