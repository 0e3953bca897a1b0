"""Requests that lock the same rows do not deadlock."""

import asyncio
from typing import Any

import httpx

from app.contexts import sessions
from app.schemas.sessions import SessionCreate, SessionUpdate
from tests.factories import World
from tests.factories.runs import post
from tests.locks import until_waiting

_OWNER = "SELECT FROM members WHERE account_id = $1 AND id = $2"
_DEMOTE = "UPDATE members SET role = 'admin' WHERE account_id = $1 AND id = $2"
NEW_SESSION = SessionCreate(type="RecordedSessions")


async def statuses(*requests: Any) -> set[int]:
    answers: list[httpx.Response] = await asyncio.gather(*requests)
    return {answer.status_code for answer in answers}


async def test_changes_of_the_same_owner(world: World) -> None:
    """One change began while the member was an owner, the other after."""
    client = world.client(await world.token_for("owner"))
    owners = (await client.get("/api/members")).json()["data"]
    first = min(owner["id"] for owner in owners)
    path, change = f"/api/members/{first}", {"role": "editor"}
    release = asyncio.Event()

    async def hold() -> None:
        async with world.db() as db:
            await db.driver.execute(f"{_OWNER} FOR NO KEY UPDATE", world.account_id, first)
            await release.wait()

    async with world.db() as db:
        await db.driver.execute(_DEMOTE, world.account_id, first)
        holding = asyncio.create_task(hold())
        await until_waiting(db.driver)
        early = asyncio.create_task(client.patch(path, json=change))
        await until_waiting(db.driver, 2)
    late = asyncio.create_task(client.patch(path, json=change))
    async with world.db() as db:
        await until_waiting(db.driver, 2)
    release.set()
    await holding
    assert await statuses(early, late) == {200}


async def test_deleting_an_account_that_is_written_to(world: World) -> None:
    client = world.client()
    path = f"/api/accounts/{world.account_id}"
    async with world.db() as db:
        session = await sessions.create_session(world.scope(), db, NEW_SESSION)
        await db.session.flush()
        deleting = asyncio.create_task(client.delete(path))
        await until_waiting(db.driver)  # for this transaction, which still has to write its events
    assert (await deleting).json()["code"] == "account_has_history"
    async with world.db() as db:
        await sessions.update_session(world.scope(), db, session.id, SessionUpdate(title="a"))
        await db.write_events()  # now it waits for the account's counter
        refused = await client.delete(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        await sessions.update_session(world.scope(), db, session.id, SessionUpdate(title="b"))
    assert (await client.get(f"/api/sessions/{session.id}")).json()["title"] == "b"


async def test_changing_the_components_of_a_project_that_is_deleted(world: World) -> None:
    client = world.client()
    for number in range(6):
        project = await post(client, "/api/projects", {"name": "P", "slug": f"gone-{number}"})
        body = {"project_id": project["id"], "name": "c"}
        wide = world.client(**{"X-Project": "*"})
        parts = [
            (await post(wide, "/api/components", {**body, "module_name": f"C{n}"}))["id"]
            for n in range(8)
        ]
        changing = (
            wide.patch(f"/api/components/{part}", json={"parent_component_id": parts[0]})
            for part in parts[1:]
        )
        deleting = wide.delete(f"/api/projects/{project['id']}")
        assert await statuses(*changing, deleting) <= {200, 204, 404}
