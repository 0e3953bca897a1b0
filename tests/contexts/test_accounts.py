"""Members and tokens, and what they may do to each other."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.contexts import accounts
from app.contexts.accounts.tokens import parse_token
from app.db import Role
from app.errors import AppError, Conflict, Forbidden, NotFound
from app.paging import PageRequest
from app.schemas.accounts import MemberCreate, MemberUpdate, TokenCreate, TokenUpdate
from tests.factories import World

Make = Callable[[], Awaitable[World]]


async def add_member(world: World, role: Any = "owner") -> int:
    async with world.db() as db:
        data = MemberCreate(email=f"{role}-{id(object())}@example.test", role=role)
        return (await accounts.create_member(world.scope(), db, data)).id


async def first_member(world: World) -> int:
    async with world.db() as db:
        page = await accounts.list_members(world.scope(), db, PageRequest())
        return page.data[-1].id


async def demote(world: World, member_id: int) -> str:
    try:
        async with world.db() as db:
            await accounts.update_member(world.scope(), db, member_id, MemberUpdate(role="admin"))
    except Conflict as conflict:
        return conflict.code
    return "demoted"


async def test_the_last_active_owner_stays(world: World) -> None:
    client = world.client()
    path = f"/api/members/{await first_member(world)}"
    for response in (
        await client.delete(path),
        await client.patch(path, json={"role": "editor"}),
        await client.patch(path, json={"is_active": False}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "last_owner")
    second = await add_member(world)
    await client.patch(f"/api/members/{second}", json={"is_active": False})
    assert (await client.delete(path)).status_code == 409, "an inactive owner does not count"


async def test_two_owners_cannot_demote_each_other_at_once(world: World) -> None:
    for _ in range(5):
        members = await first_member(world), await add_member(world)
        outcomes = await asyncio.gather(*(demote(world, member) for member in members))
        assert sorted(outcomes) == ["demoted", "last_owner"]
        async with world.db() as db:
            await db.driver.execute("UPDATE members SET role = 'owner' WHERE id = $1", members[0])
            await db.driver.execute("DELETE FROM members WHERE id = $1", members[1])


async def test_an_admin_may_not_change_an_owner(world: World) -> None:
    admin = world.client(await world.token_for("admin"))
    owner = f"/api/members/{await first_member(world)}"
    second = f"/api/members/{await add_member(world)}"
    for response in (
        await admin.delete(second),
        await admin.patch(owner, json={"role": "viewer"}),
        await admin.post("/api/members", json={"email": "x@example.test", "role": "owner"}),
    ):
        assert response.status_code == 403
    editor = f"/api/members/{await add_member(world, 'editor')}"
    assert (await admin.patch(editor, json={"role": "owner"})).status_code == 403
    assert (await admin.patch(editor, json={"role": "viewer"})).status_code == 200
    assert (await admin.delete(editor)).status_code == 204


async def test_the_same_address_is_the_same_user(make: Make) -> None:
    one, two = await make(), await make()
    body = {"email": "Somebody@Example.test", "role": "viewer"}
    first = await one.client().post("/api/members", json=body)
    second = await two.client().post(
        "/api/members", json={**body, "email": "somebody@example.TEST"}
    )
    assert first.json()["user"]["id"] == second.json()["user"]["id"]
    again = await one.client().post("/api/members", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already_member")


async def test_a_removed_member_is_out_at_once(world: World) -> None:
    token = await world.token_for("editor")
    client, owner = world.client(token), world.client()
    assert (await client.get("/api/me")).status_code == 200
    members = (await owner.get("/api/members")).json()["data"]
    assert (await owner.delete(f"/api/members/{members[0]['id']}")).status_code == 204
    assert (await client.get("/api/me")).status_code == 401


async def test_a_token_never_makes_one_that_outlives_it(world: World) -> None:
    now = datetime.datetime.now(datetime.UTC)
    soon, later = (now + datetime.timedelta(hours=hours) for hours in (1, 2))
    client = world.client(await world.token_for("owner", expires_at=soon))
    made = (await client.post("/api/tokens", json={"name": "t"})).json()
    assert datetime.datetime.fromisoformat(made["expires_at"]) == soon
    for expires_at, status in ((soon, 201), (later, 403)):
        body = {"name": "t", "expires_at": expires_at.isoformat()}
        assert (await client.post("/api/tokens", json=body)).status_code == status
    unlimited = await world.client().post("/api/tokens", json={"name": "t"})
    assert unlimited.json()["expires_at"] is None


async def test_a_project_token_never_leaves_its_project(world: World) -> None:
    owner = world.client()
    other = (await owner.post("/api/projects", json={"name": "Other", "slug": "other"})).json()
    theirs = await owner.post(
        "/api/sessions", json={"type": "RecordedSessions"}, headers={"X-Project": "other"}
    )
    assert theirs.json()["project_id"] == other["id"]
    client = world.client(await world.token_for("owner", project_id=world.project_id))
    assert (await client.get(theirs.headers["location"])).status_code == 404
    for project in ("other", str(other["id"]), "*", "none"):
        response = await client.get("/api/sessions", headers={"X-Project": project})
        assert response.status_code == 404
    assert (await client.get("/api/sessions")).json()["data"] == []
    made = await client.post("/api/tokens", json={"name": "t", "scopes": ["read"]})
    assert made.json()["project_id"] == world.project_id
    wider = {"name": "t", "scopes": ["read"], "project_id": other["id"]}
    assert (await client.post("/api/tokens", json=wider)).status_code == 404
    new = {"name": "New", "slug": "new"}
    assert (await client.post("/api/projects", json=new)).status_code == 403
    assert [p["id"] for p in (await client.get("/api/projects")).json()["data"]] == [
        world.project_id
    ]


async def test_the_active_project_stamps_but_hides_nothing(world: World) -> None:
    client = world.client()
    body = {"type": "RecordedSessions"}
    other = (await client.post("/api/projects", json={"name": "Other", "slug": "other"})).json()
    first = (await client.post("/api/sessions", json=body)).json()
    assert first["project_id"] == world.project_id
    await client.put("/api/me/active-project", json={"project_id": other["id"]})
    assert (await client.get("/api/me")).json()["project"]["slug"] == "other"
    second = (await client.post("/api/sessions", json=body)).json()
    assert second["project_id"] == other["id"]
    assert (await client.get(f"/api/sessions/{first['id']}")).status_code == 200

    async def listed(**headers: str) -> list[int]:
        page = await client.get("/api/sessions", params={"sort": "id"}, headers=headers)
        return [row["id"] for row in page.json()["data"]]

    assert await listed() == [second["id"]]
    assert await listed(**{"X-Project": "*"}) == [second["id"], first["id"]]
    strict = {"X-Project": "other"}
    hidden = await client.get(f"/api/sessions/{first['id']}", headers=strict)
    assert hidden.status_code == 404
    await client.put("/api/me/active-project", json={"project_id": None})
    assert (await client.post("/api/sessions", json=body)).json()["project_id"] is None


async def test_an_account_with_history_stays(world: World) -> None:
    client = world.client()
    path = f"/api/accounts/{world.account_id}"
    for url, body in (
        ("/api/sessions", {"type": "RecordedSessions"}),
        ("/api/devices", {"name": "press"}),
        ("/api/orchestrations", {"session_type": "venture_workflow"}),
    ):
        created = await client.post(url, json=body)
        refused = await client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "account_has_history")
        assert (await client.get("/api/me")).status_code == 200
        await client.delete(created.headers["location"])
    editor = world.client(await world.token_for("admin"))
    assert (await editor.delete(path)).status_code == 403
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/api/me")).status_code == 401


async def test_a_new_account_comes_with_its_only_token(world: World) -> None:
    body = {"name": "Second", "slug": f"second-{world.account_id}"}
    created = await world.client().post("/api/accounts", json=body)
    assert created.status_code == 201
    second = world.client(created.json()["token"])
    me = (await second.get("/api/me")).json()
    assert (me["account"]["slug"], me["role"], me["project"]["slug"]) == (
        body["slug"],
        "owner",
        "default",
    )
    mine = (await world.client().get("/api/accounts")).json()["data"]
    assert {a["id"] for a in mine} == {world.account_id, me["account"]["id"]}
    path = f"/api/accounts/{me['account']['id']}"
    assert (await world.client().delete(path)).status_code == 403
    again = await world.client().post("/api/accounts", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")
    reserved = await world.client().post("/api/accounts", json={"name": "x", "slug": "admin"})
    assert [e["path"] for e in reserved.json()["errors"]] == ["slug"]


async def test_last_used_at_is_written_once_a_minute(world: World) -> None:
    client = world.client()
    await client.get("/api/me")
    first = (await client.get("/api/tokens")).json()["data"][0]["last_used_at"]
    assert first is not None
    await asyncio.sleep(2.1)  # past what the authenticator remembers
    assert (await client.get("/api/tokens")).json()["data"][0]["last_used_at"] == first
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE api_tokens SET last_used_at = now() - interval '61 seconds'"
        )
    await asyncio.sleep(2.1)
    await client.get("/api/me")
    assert (await client.get("/api/tokens")).json()["data"][0]["last_used_at"] > first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "as_",
        "as_0-1_" + "a" * 43,
        "as_1-1_" + "a" * 42,
        f"as_{2**63}-1_" + "a" * 43,
        "as_\u0661-1_" + "a" * 43,  # a digit, but not an ASCII one
        "AS_1-1_" + "a" * 43,
    ],
)
def test_malformed_tokens_are_refused(text: str) -> None:
    assert parse_token(text) is None


async def test_another_accounts_members_and_tokens_do_not_exist(make: Make) -> None:
    mine, other = await make(), await make()
    member_id = await first_member(other)
    token = parse_token(other.token)
    assert token is not None
    scope = mine.scope()

    async def refused(action: Callable[[Any], Awaitable[object]], error: type[AppError]) -> None:
        with pytest.raises(error):
            async with mine.db() as db:
                await action(db)

    for action in (
        lambda db: accounts.get_member(scope, db, member_id),
        lambda db: accounts.update_member(scope, db, member_id, MemberUpdate(role="viewer")),
        lambda db: accounts.delete_member(scope, db, member_id),
        lambda db: accounts.get_token(scope, db, token.token_id),
        lambda db: accounts.update_token(scope, db, token.token_id, TokenUpdate(name="x")),
        lambda db: accounts.revoke_token(scope, db, token.token_id),
        lambda db: accounts.set_active_project(scope, db, other.project_id),
        lambda db: accounts.create_token(
            scope, db, TokenCreate(name="x", scopes=["read"], project_id=other.project_id)
        ),
        lambda db: accounts.get_account(scope, db, other.account_id),
        lambda db: accounts.delete_account(scope, db, other.account_id),
    ):
        await refused(action, NotFound)
    await refused(
        lambda db: accounts.create_member(
            mine.scope(Role.EDITOR), db, MemberCreate(email="e@example.test", role="viewer")
        ),
        Forbidden,
    )
