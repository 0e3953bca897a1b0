"""Oversight: a critical action needs the approval of another user."""

from typing import Any

import httpx
import pytest

from tests.api.orchestrations.test_orchestrations import AGENT, make
from tests.factories import World
from tests.factories.runs import post

CRITICAL = {"event_type": "deploy", "critical": True}


async def watched(client: httpx.AsyncClient) -> tuple[str, str, str]:
    """The paths of an orchestration, of its critical action, and of the decision about it."""
    path = await make(client, chairman_oversight=True)
    action = await post(client, f"{path}/actions", CRITICAL)
    [decision] = (await client.get(f"{path}/decisions")).json()["data"]
    return (
        path,
        f"{path}/actions/{action['action_id']}",
        f"/api/decisions/{decision['decision_id']}",
    )


@pytest.fixture
async def admin(world: World) -> httpx.AsyncClient:
    return world.client(await world.token_for("admin"))


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_an_approval(world: World, admin: httpx.AsyncClient) -> None:
    client = world.client()
    path, action, decision = await watched(client)
    [waiting] = (await admin.get("/api/decisions?status=pending")).json()["data"]
    assert waiting["action"]["event_type"] == "deploy"
    refused(await client.post(f"{action}/start"), 409, "approval_required")
    nothing = await client.post(f"{path}/actions/claim-next", json={"agent_id": AGENT})
    assert (nothing.status_code, nothing.content) == (204, b"")
    approved = await post(admin, f"{decision}/approve", {"note": "go"}, 200)
    assert (approved["status"], approved["note"]) == ("approved", "go")
    refused(await admin.post(f"{decision}/reject", json={"note": "x"}), 409, "already_decided")
    claimed = await post(client, f"{path}/actions/claim-next", {"agent_id": AGENT}, 200)
    assert claimed["status"] == "in_progress"
    assert (await admin.get("/api/decisions?status=pending")).json()["data"] == []


async def test_a_rejection(world: World, admin: httpx.AsyncClient) -> None:
    client = world.client()
    _, action, decision = await watched(client)
    for body in ({}, {"note": ""}, {"note": None}):
        response = await admin.post(f"{decision}/reject", json=body)
        assert [e["path"] for e in response.json()["errors"]] == ["note"]
    rejected = await post(admin, f"{decision}/reject", {"note": "too risky"}, 200)
    assert rejected["status"] == "rejected"
    found = (await client.get(action)).json()
    assert (found["status"], found["cancelled_at"]) == ("cancelled", rejected["decided_at"])
    async with world.db() as db:
        payload = await db.driver.fetchval(
            "SELECT payload FROM feed_events WHERE account_id = $1 AND name = 'decision.rejected'",
            world.account_id,
        )
    assert (payload["decided_by"], payload["note"]) == (rejected["decided_by"], "too risky")


async def test_requesters_and_editors_may_not_decide(world: World) -> None:
    client = world.client()
    _, _, decision = await watched(client)
    for verb in ("approve", "reject"):
        for role in ("editor", "viewer"):
            other = world.client(await world.token_for(role))
            refused(await other.post(f"{decision}/{verb}", json={"note": "n"}), 403, "forbidden")
        # The owner requested it.
        answer = await client.post(f"{decision}/{verb}", json={"note": "n"})
        refused(answer, 403, "forbidden")
    writer = world.client(await world.token_for("owner", scopes=["write"]))
    refused(await writer.post(f"{decision}/approve"), 403, "forbidden")


async def test_a_pending_decision_blocks_completion_and_switching_oversight_off(
    world: World, admin: httpx.AsyncClient
) -> None:
    client = world.client()
    path, _, decision = await watched(client)
    refused(await client.post(f"{path}/complete"), 409, "decisions_pending")
    off = {"chairman_oversight": False}
    refused(await client.patch(path, json=off), 409, "decisions_pending")
    await post(admin, f"{decision}/approve", None, 200)
    assert (await client.patch(path, json=off)).json()["chairman_oversight"] is False
    await post(client, f"{path}/complete", None, 200)


async def test_switching_oversight_on_requests_missing_decisions(world: World) -> None:
    client = world.client()
    path = await make(client)
    await post(client, f"{path}/actions", CRITICAL)
    await post(client, f"{path}/actions", {"event_type": "look"})
    assert (await client.get(f"{path}/decisions")).json()["data"] == []
    for _ in range(2):
        assert (await client.patch(path, json={"chairman_oversight": True})).status_code == 200
    assert len((await client.get(f"{path}/decisions")).json()["data"]) == 1


@pytest.mark.parametrize("end", ["action", "session"])
async def test_decisions_about_cancelled_actions_are_withdrawn(
    world: World, admin: httpx.AsyncClient, end: str
) -> None:
    client = world.client()
    path, action, decision = await watched(client)
    await post(client, f"{action if end == 'action' else path}/cancel", None, 200)
    [row] = (await client.get(f"{path}/decisions")).json()["data"]
    assert row["status"] == "withdrawn"
    refused(await admin.post(f"{decision}/approve"), 409, "already_decided")
    assert (await client.get(action)).json()["status"] == "cancelled"


async def test_decisions_stay_in_a_project(world: World) -> None:
    client = world.client()
    _, _, decision = await watched(client)
    other: dict[str, Any] = await post(client, "/api/projects", {"name": "O", "slug": "other"})
    strict = world.client(**{"X-Project": str(other["id"])})
    assert (await strict.get("/api/decisions")).json()["data"] == []
    assert (await strict.post(f"{decision}/approve")).status_code == 404


async def test_an_action_running_when_oversight_began_needs_approval_for_a_retry(
    world: World, admin: httpx.AsyncClient
) -> None:
    client = world.client()
    path = await make(client)
    action = f"{path}/actions/{(await post(client, f'{path}/actions', CRITICAL))['action_id']}"
    await post(client, f"{action}/start", None, 200)
    assert (await client.patch(path, json={"chairman_oversight": True})).status_code == 200
    assert (await client.get(f"{path}/decisions")).json()["data"] == []
    await post(client, f"{action}/fail", {"error_message": "no network"}, 200)
    refused(await client.post(f"{action}/start"), 409, "approval_required")
    [decision] = (await client.get(f"{path}/decisions")).json()["data"]
    await post(admin, f"/api/decisions/{decision['decision_id']}/approve", None, 200)
    # An approved action may be retried.
    for _ in range(2):
        await post(client, f"{action}/start", None, 200)
        await post(client, f"{action}/fail", {"error_message": "no network"}, 200)
    assert len((await client.get(f"{path}/decisions")).json()["data"]) == 1
