"""Every rule about who may hold a work item, through the API."""

import asyncpg
import httpx
import pytest

from app.errors import Conflict
from app.jobs import mark_stale
from tests.factories import World
from tests.factories.fleet import (
    agent,
    claim,
    conflict,
    granted,
    history,
    make_agents,
    make_items,
    refused,
    silence,
)
from tests.factories.runs import post


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    """A client, with three agents and three items, x and y of which are on track A."""
    made = world.client()
    await make_agents(made, "a", "b", "c")
    await make_items(made, "x", "y", track="A")
    await make_items(made, "z")
    return made


async def test_a_claim(client: httpx.AsyncClient) -> None:
    answer = await granted(client, "x", "a")
    assert (answer["claim"]["fencing_token"], answer["warnings"]) == (1, [])
    assert answer["work_item"]["claimed_by"] == "a"
    holder = await agent(client, "a")
    assert (holder["status"], holder["sd_id"], holder["track"]) == ("active", "x", "A")
    assert holder["work_item_title"] == "Item x"
    assert holder["claimed_at"] == answer["claim"]["claimed_at"]
    assert holder["claim_duration_seconds"] >= 0
    verified = await client.get(f"/api/claims/{answer['claim']['id']}")
    assert verified.json() == answer["claim"]


async def test_a_claim_respects_if_match(client: httpx.AsyncClient) -> None:
    tag = (await client.get("/api/work-items/x")).headers["etag"]
    await client.patch("/api/work-items/x", json={"title": "Other"})
    for match, status in ((tag, 412), ('"bad"', 412), ("*", 200)):
        headers = {"If-Match": match}
        path = "/api/work-items/x/claim"
        answer = await client.post(path, json={"session_id": "a"}, headers=headers)
        assert answer.status_code == status, answer.text


async def test_an_agent_holding_an_item_of_an_invisible_project_is_refused(world: World) -> None:
    client = world.client()
    strict = world.client(**{"X-Project": str(world.project_id)})
    await make_agents(strict, "a")
    await make_items(strict, "x")
    await granted(strict, "x", "a")
    other = await post(client, "/api/projects", {"name": "O", "slug": "other"})
    await post(client, "/api/work-items/x/move", {"project_id": other["id"]}, 200)
    again = await strict.post("/api/work-items/claim-next", json={"session_id": "a"})
    assert (again.status_code, again.json()["code"]) == (409, "key_in_other_project")
    assert "Item x" not in again.text
    held = await post(client, "/api/work-items/claim-next", {"session_id": "a"}, 200)
    assert held["work_item"]["key"] == "x"
    await post(strict, "/api/agents/a/release", {}, 200)


async def test_a_live_holder_is_named(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    await silence(world, "a", 100)
    problem = await refused(client, "x", "b", "already_claimed")
    assert (problem["session_id"], problem["work_item"]) == ("a", "x")
    assert 100 <= problem["heartbeat_age_seconds"] < 200
    assert "a" in problem["detail"]
    assert "s ago" in problem["detail"]


async def test_claiming_again(client: httpx.AsyncClient) -> None:
    first = await granted(client, "x", "a")
    assert (await granted(client, "x", "a"))["claim"] == first["claim"]
    assert await history(client, "x") == [("a", None)]
    asked = (await client.get("/api/work-items/x/can-claim?session_id=a")).json()
    assert asked["can_claim"]
    assert [notice["code"] for notice in asked["info"]] == ["already_held"]


async def test_another_item_is_released_first(client: httpx.AsyncClient) -> None:
    await granted(client, "x", "a")
    await granted(client, "z", "a")
    assert await history(client, "x") == [("a", "manual")]
    assert (await agent(client, "a"))["sd_id"] == "z"
    assert (await granted(client, "x", "b"))["claim"]["fencing_token"] == 2


async def test_a_refusal_releases_nothing(client: httpx.AsyncClient) -> None:
    await granted(client, "x", "a")
    await granted(client, "z", "b")
    await refused(client, "x", "b", "already_claimed")
    assert (await agent(client, "b"))["sd_id"] == "z"
    assert await history(client, "z") == [("b", None)]


async def test_a_blocking_conflict(client: httpx.AsyncClient) -> None:
    made = await conflict(client, "blocking")
    assert (made["work_item_a"], made["work_item_b"]) == ("x", "z")
    await granted(client, "x", "a")
    problem = await refused(client, "z", "b", "conflict")
    assert (problem["work_item"], problem["session_id"]) == ("x", "a")
    assert problem["detail"].startswith("z is in conflict with x (file_overlap)")
    # Not with the agent's own item, which would be released.
    assert (await granted(client, "z", "a"))["warnings"] == []
    await refused(client, "x", "b", "conflict")
    path = f"/api/work-item-conflicts/{made['id']}/resolve"
    resolved = await post(client, path, {"resolution_notes": "split"}, 200)
    assert await post(client, path, None, 200) == resolved
    await granted(client, "x", "b")


async def test_a_conflict_with_what_a_stale_agent_holds(
    client: httpx.AsyncClient, world: World
) -> None:
    await conflict(client, "blocking")
    await granted(client, "x", "a")
    await silence(world, "a")
    await granted(client, "z", "b")


async def test_warnings(client: httpx.AsyncClient) -> None:
    await conflict(client, "warning")
    await conflict(client, "info", conflict_type="resource_conflict")
    await granted(client, "x", "a")
    asked = (await client.get("/api/work-items/z/can-claim?session_id=b")).json()
    assert [notice["code"] for notice in asked["info"]] == ["conflict"]
    answer = await granted(client, "z", "b")
    assert [(w["code"], w["work_item"]) for w in answer["warnings"]] == [("conflict", "x")]
    answer = await granted(client, "y", "c")
    assert [(w["code"], w["session_id"]) for w in answer["warnings"]] == [("track_busy", "a")]


async def test_a_standalone_track_is_never_busy(client: httpx.AsyncClient) -> None:
    await make_items(client, "zz")
    await granted(client, "z", "a")
    assert (await granted(client, "zz", "b"))["warnings"] == []


async def test_a_stale_holder_is_taken_over(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    await silence(world, "a")
    before = await agent(client, "a")
    assert (await granted(client, "x", "b"))["claim"]["fencing_token"] == 2
    assert await history(client, "x") == [("a", "timeout"), ("b", None)]
    loser = await agent(client, "a")
    assert (loser["status"], loser["sd_id"], loser["claimed_at"]) == ("stale", None, None)
    assert loser["heartbeat_at"] == before["heartbeat_at"]
    # The agent that comes back holds nothing, and takes nothing from the new holder.
    alive = await post(client, "/api/agents/a/heartbeat", None, 200)
    assert (alive["status"], alive["sd_id"]) == ("idle", None)
    await post(client, "/api/agents/a/end", None, 200)
    assert await history(client, "x") == [("a", "timeout"), ("b", None)]


async def test_a_holder_that_comes_back_in_time(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    await silence(world, "a")
    assert (await agent(client, "a"))["computed_status"] == "stale"
    alive = await post(client, "/api/agents/a/heartbeat", None, 200)
    assert (alive["status"], alive["sd_id"]) == ("active", "x")
    await refused(client, "x", "b", "already_claimed")


@pytest.mark.parametrize("status", ["done", "cancelled"])
async def test_a_closed_item(client: httpx.AsyncClient, status: str) -> None:
    await granted(client, "x", "a")
    assert (await client.patch("/api/work-items/x", json={"status": status})).is_success
    reason = "completed" if status == "done" else "manual"
    assert await history(client, "x") == [("a", reason)]
    assert (await agent(client, "a"))["status"] == "idle"
    await refused(client, "x", "b", "work_item_closed")
    assert (await client.patch("/api/work-items/x", json={"status": "open"})).is_success
    await granted(client, "x", "b")


async def test_force(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    editor = world.client(await world.token_for("editor"))
    assert (await claim(editor, "x", "b", force=True)).status_code == 403
    admin = world.client(await world.token_for("admin"))
    await granted(admin, "x", "b", force=True)
    assert await history(client, "x") == [("a", "takeover"), ("b", None)]
    loser = await agent(client, "a")
    assert (loser["status"], loser["sd_id"]) == ("idle", None)


async def test_a_claim_needs_an_existing_item_and_agent(client: httpx.AsyncClient) -> None:
    assert (await claim(client, "nothing", "a")).status_code == 404
    assert (await claim(client, "x", "nobody")).status_code == 404
    path = "/api/work-items/x/can-claim"
    assert (await client.get(path, params={"session_id": "nobody"})).status_code == 404
    assert [e["path"] for e in (await client.get(path)).json()["errors"]] == ["session_id"]
    await post(client, "/api/agents/a/end", None, 200)
    await refused(client, "x", "a", "agent_released")
    next_ = await client.post("/api/work-items/claim-next", json={"session_id": "a"})
    assert (next_.status_code, next_.json()["code"]) == (409, "agent_released")


async def test_release(client: httpx.AsyncClient) -> None:
    nothing = await client.post("/api/agents/a/release")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no_claim")
    await granted(client, "x", "a")
    idle = await post(client, "/api/agents/a/release", {"reason": "conflict"}, 200)
    assert (idle["status"], idle["sd_id"], idle["track"]) == ("idle", None, None)
    assert await history(client, "x") == [("a", "conflict")]
    bad = await client.post("/api/agents/a/release", json={"reason": "timeout"})
    assert [e["path"] for e in bad.json()["errors"]] == ["reason"]


async def test_end(client: httpx.AsyncClient) -> None:
    await granted(client, "x", "a")
    for _ in range(2):
        ended = await post(client, "/api/agents/a/end", None, 200)
        assert (ended["status"], ended["computed_status"]) == ("released", "released")
    assert await history(client, "x") == [("a", "session_ended")]
    beat = await client.post("/api/agents/a/heartbeat")
    assert (beat.status_code, beat.json()["code"]) == (409, "agent_released")
    assert (await client.post("/api/agents/nobody/heartbeat")).status_code == 404
    batch = {"session_ids": ["b", "a", "nobody"]}
    results = (await post(client, "/api/agents/heartbeats", batch, 200))["data"]
    assert [(row["session_id"], row["result"]) for row in results] == [
        ("b", "ok"),
        ("a", "agent_released"),
        ("nobody", "not_found"),
    ]


async def test_complete(client: httpx.AsyncClient) -> None:
    first = (await granted(client, "x", "a"))["claim"]
    await post(client, "/api/agents/a/release", None, 200)
    second = (await granted(client, "x", "b"))["claim"]
    lost = {"fencing_token": first["fencing_token"]}
    late = await client.post("/api/work-items/x/complete", json=lost)
    assert (late.status_code, late.json()["code"]) == (409, "claim_lost")
    own = {"fencing_token": second["fencing_token"]}
    done = await post(client, "/api/work-items/x/complete", own, 200)
    assert (done["status"], done["claimed_by"]) == ("done", None)
    assert await post(client, "/api/work-items/x/complete", None, 200) == done
    assert await history(client, "x") == [("a", "manual"), ("b", "completed")]
    assert (await agent(client, "b"))["status"] == "idle"


async def test_the_sweeper(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    await granted(client, "z", "b")
    await silence(world, "a")
    before = await agent(client, "a")
    for _ in range(2):
        await mark_stale(world.database, world.account_id)
    swept = await agent(client, "a")
    assert (swept["status"], swept["sd_id"]) == ("stale", None)
    assert swept["heartbeat_at"] == before["heartbeat_at"]
    assert await history(client, "x") == [("a", "timeout")]
    assert await history(client, "z") == [("b", None)]
    names = [event["name"] for event in (await client.get("/api/feed?limit=100")).json()["data"]]
    assert (names.count("agent.stale"), names.count("claim.released")) == (1, 1)


async def test_stale_after_is_a_setting(client: httpx.AsyncClient, world: World) -> None:
    await granted(client, "x", "a")
    await silence(world, "a", 100)
    await refused(client, "x", "b", "already_claimed")
    path = "/api/fleet/settings"
    assert (await client.get(path)).json() == {"stale_after_seconds": 300}
    assert (await client.patch(path, json={"stale_after_seconds": 60})).is_success
    assert (await agent(client, "a"))["computed_status"] == "stale"
    assert 50 < (await agent(client, "b"))["seconds_until_stale"] <= 60
    await granted(client, "x", "b")


async def test_two_live_claims_are_impossible_in_sql(
    client: httpx.AsyncClient, world: World
) -> None:
    await granted(client, "x", "a")
    insert = (
        "INSERT INTO claims (account_id, work_item, session_id, track, fencing_token)"
        " VALUES ($1, $2, $3, 'A', 99)"
    )
    for key, session_id, index in (
        ("x", "b", "uq_claims_live_work_item"),
        ("y", "a", "uq_claims_live_agent"),
    ):
        with pytest.raises(Conflict) as caught:
            async with world.db() as db:
                await db.driver.execute(insert, world.account_id, key, session_id)
        cause = caught.value.__cause__
        assert isinstance(cause, asyncpg.UniqueViolationError)
        assert cause.constraint_name == index
