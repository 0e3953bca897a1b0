"""What a token lets its holder do, and for how long."""

import asyncio
import datetime
from typing import Any

from app.contexts import accounts
from tests.factories import World
from tests.locks import count_waiting, until_waiting


async def test_a_revoked_token_is_out_at_once(world: World) -> None:
    created = await world.client().post("/api/tokens", json={"name": "t", "scopes": ["admin"]})
    client = world.client(created.json()["token"])
    assert (await client.get("/api/me")).status_code == 200
    assert (await world.client().delete(created.headers["location"])).status_code == 204
    assert (await client.get("/api/me")).status_code == 401
    kept = (await world.client().get(created.headers["location"])).json()
    assert kept["revoked_at"] is not None
    assert "token" not in kept


async def test_a_token_read_just_before_its_revocation_is_not_cached(world: World) -> None:
    """The identity is read and waits to note its use while the token is revoked."""
    created = await world.client().post("/api/tokens", json={"name": "t", "scopes": ["admin"]})
    client = world.client(created.json()["token"])
    async with world.db() as db:
        await accounts.revoke_token(world.scope(), db, created.json()["id"])
        await db.session.flush()
        before = asyncio.create_task(client.get("/api/me"))
        await until_waiting(db.driver)
    await before
    assert (await client.get("/api/me")).status_code == 401


async def test_concurrent_requests_with_one_token_read_it_once(world: World) -> None:
    """Otherwise they would take every connection at once whenever the cache expires."""
    client = world.client(await world.token_for("editor"))
    async with world.db() as db:
        await db.driver.execute("SELECT FROM api_tokens FOR UPDATE")
        crowd = [asyncio.create_task(client.get("/api/me")) for _ in range(20)]
        await until_waiting(db.driver)
        await asyncio.sleep(0.3)  # for more of them, if they did not join who came first
        crowd[0].cancel()  # it leaves the others waiting
        waiting = await count_waiting(db.driver)
    answers = await asyncio.gather(*crowd[1:])
    assert waiting == 1
    assert {answer.status_code for answer in answers} == {200}


async def test_a_request_after_a_revocation_reads_the_token_again(world: World) -> None:
    created = await world.client().post("/api/tokens", json={"name": "t", "scopes": ["admin"]})
    client, released = world.client(created.json()["token"]), asyncio.Event()

    async def hold() -> None:
        async with world.db() as db:
            await db.driver.execute("SELECT FROM api_tokens FOR UPDATE")
            await released.wait()

    async with world.db() as db:
        await accounts.revoke_token(world.scope(), db, created.json()["id"])
        await db.session.flush()
        holding = asyncio.create_task(hold())  # next in the queue for the token's row
        await until_waiting(db.driver)
        before = asyncio.create_task(client.get("/api/me"))
        await until_waiting(db.driver, 2)
    try:
        async with asyncio.timeout(5):
            after = await client.get("/api/me")
        assert not before.done()
    finally:
        released.set()
        await holding
    assert ((await before).status_code, after.status_code) == (200, 401)


async def test_a_token_for_one_project_touches_nothing_of_the_account(world: World) -> None:
    owner = world.client()
    body = {"name": "p", "scopes": ["admin"], "project_id": world.project_id}
    created = (await owner.post("/api/tokens", json=body)).json()
    client = world.client(created["token"])
    [member] = (await owner.get("/api/members")).json()["data"]
    for method, path, sent in (
        ("POST", "/api/accounts", {"name": "Out", "slug": "out-of-it"}),
        ("PATCH", f"/api/accounts/{world.account_id}", {"name": "Other"}),
        ("DELETE", f"/api/accounts/{world.account_id}", None),
        ("POST", "/api/projects", {"name": "Other", "slug": "other"}),
        ("POST", "/api/members", {"email": "in@example.com", "role": "owner"}),
        ("PATCH", f"/api/members/{member['id']}", {"role": "viewer"}),
        ("DELETE", f"/api/members/{member['id']}", None),
        ("PATCH", "/api/fleet/settings", {"stale_after_seconds": 60}),
        ("PATCH", "/api/continuity/settings", {"stale_minutes": 5}),
        ("PUT", "/api/me/active-project", {"project_id": None}),
    ):
        refused = await client.request(method, path, json=sent)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
    [seen] = (await client.get("/api/tokens")).json()["data"]
    assert seen["id"] == created["id"]
    tokens = (await owner.get("/api/tokens")).json()["data"]
    for other in (token["id"] for token in tokens if token["id"] != created["id"]):
        assert (await client.get(f"/api/tokens/{other}")).status_code == 404
        assert (await client.delete(f"/api/tokens/{other}")).status_code == 404


async def test_a_token_never_makes_a_stronger_one(world: World) -> None:
    body: dict[str, Any] = {"name": "more", "scopes": ["admin"]}
    for role, scopes, allowed in (
        ("owner", ["read"], set()),
        ("owner", ["write"], {"read", "write"}),
        ("viewer", ["admin"], {"read"}),
        ("editor", ["admin"], {"read", "write"}),
        ("owner", ["admin"], {"read", "write", "admin"}),
    ):
        client = world.client(await world.token_for(role, scopes=scopes))
        for wanted in ("read", "write", "admin"):
            response = await client.post("/api/tokens", json={**body, "scopes": [wanted]})
            assert (response.status_code == 201) == (wanted in allowed), (role, scopes, wanted)


async def test_new_account_needs_a_token_that_could_have_made_its_first_one(world: World) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
    for fields in (
        {"scopes": ["write"]},
        {"scopes": ["admin"], "expires_at": soon},
        {"scopes": ["write"], "expires_at": soon},
        {"scopes": ["admin"], "project_id": world.project_id},
    ):
        client = world.client(await world.token_for("owner", **fields))
        body = {"name": "Out", "slug": "out-of-it"}
        refused = await client.post("/api/accounts", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), fields
        detail = refused.json()["detail"]
        assert "admin" in detail or "one project" in detail
