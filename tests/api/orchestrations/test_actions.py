"""Actions: claimed once, retried, rolled back, and summed up."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from tests.api.orchestrations.test_orchestrations import AGENT, make
from tests.factories import World
from tests.factories.runs import post


async def add(client: httpx.AsyncClient, path: str, **fields: Any) -> str:
    action = await post(client, f"{path}/actions", {"event_type": "work", **fields})
    return f"{path}/actions/{action['action_id']}"


async def claim(client: httpx.AsyncClient, path: str, agent: str = AGENT) -> Any:
    response = await client.post(f"{path}/actions/claim-next", json={"agent_id": agent})
    assert response.status_code in {200, 204}, response.text
    return response.json() if response.content else None


async def test_twenty_agents_claim_twenty_actions(world: World) -> None:
    client = world.client()
    path = await make(client)
    actions = {(await add(client, path)).rpartition("/")[2] for _ in range(20)}
    claims = await asyncio.gather(*(claim(client, path, str(uuid4())) for _ in range(20)))
    assert {found["action_id"] for found in claims} == actions
    assert len({found["assigned_agent_id"] for found in claims}) == 20
    assert await claim(client, path) is None
    started = (await client.get(path)).json()["started_at"]
    assert started == min(found["started_at"] for found in claims)


async def test_the_order_of_claims(world: World) -> None:
    client = world.client()
    path = await make(client)
    mine, other = AGENT.lower(), str(uuid4())
    low, first, second, high, theirs = [
        await add(client, path, **fields)
        for fields in (
            {"priority_level": 1},
            {},
            {},
            {"priority_level": 10},
            {"priority_level": 10, "assigned_agent_id": other},
        )
    ]
    await add(client, path, priority_level=10, scheduled_for="2100-01-01T00:00:00Z")
    order = [f"{path}/actions/{(await claim(client, path, mine))['action_id']}" for _ in range(4)]
    assert order == [high, first, second, low]
    assert await claim(client, path, mine) is None
    assert f"{path}/actions/{(await claim(client, path, other))['action_id']}" == theirs


async def test_retries_until_failed(world: World) -> None:
    client = world.client()
    path = await make(client)
    action = await add(client, path, max_retries=2)
    wrong = await client.post(f"{action}/fail", json={"error_message": "not begun"})
    assert wrong.json()["code"] == "invalid_transition"
    for retry in (1, 2):
        await post(client, f"{action}/start", None, 200)
        failed = await post(client, f"{action}/fail", {"error_message": "no"}, 200)
        assert (failed["status"], failed["retry_count"]) == ("pending", retry)
        assert failed["failed_at"] is None
    await claim(client, path)
    failed = await post(client, f"{action}/fail", {"error_message": "never"}, 200)
    assert (failed["status"], failed["retry_count"], failed["error_message"]) == (
        "failed",
        2,
        "never",
    )
    assert failed["failed_at"] is not None
    assert (await client.post(f"{action}/start")).json()["code"] == "invalid_transition"


async def test_nothing_starts_while_paused_or_after_the_end(world: World) -> None:
    client = world.client()
    path = await make(client)
    running, waiting = await add(client, path), await add(client, path)
    await post(client, f"{running}/start", None, 200)
    await post(client, f"{path}/pause", None, 200)
    for end in (None, "complete"):
        if end:
            await post(client, f"{path}/{end}", None, 200)
        for url, body in (
            (f"{waiting}/start", None),
            (f"{path}/actions/claim-next", {"agent_id": AGENT}),
        ):
            response = await client.post(url, json=body)
            assert (response.status_code, response.json()["code"]) == (
                409,
                "orchestration_not_active",
            )
        if not end:
            await post(client, f"{running}/complete", {"result": 1}, 200)
    late = await client.post(f"{path}/actions", json={"event_type": "late"})
    assert (late.status_code, late.json()["code"]) == (409, "orchestration_ended")
    assert (await client.get(waiting)).json()["status"] == "cancelled"


async def test_rolling_back(world: World) -> None:
    client = world.client()
    path = await make(client)
    reversible, final = await add(client, path, is_reversible=True), await add(client, path)
    early = await client.post(f"{reversible}/rollback")
    assert early.json()["code"] == "invalid_transition"
    for action in (reversible, final):
        await post(client, f"{action}/start", None, 200)
        await post(client, f"{action}/complete", {"rollback_data": {"undo": 1}}, 200)
    assert (await client.post(f"{final}/rollback")).json()["code"] == "not_reversible"
    await post(client, f"{path}/fail", {"message": "broken"}, 200)
    undone = await post(client, f"{reversible}/rollback", None, 200)
    assert (undone["status"], undone["rollback_data"]) == ("rolled_back", {"undo": 1})
    assert undone["rolled_back_at"] is not None
    summary = (await client.get(path)).json()["performance_summary"]
    assert (summary["actions"]["completed"], summary["actions"]["rolled_back"]) == (1, 1)


async def test_the_summary_counts_the_actions(world: World) -> None:
    client = world.client()
    admin = world.client(await world.token_for("admin"))
    path = await make(client, chairman_oversight=True)
    done, failed, _ = [await add(client, path, max_retries=1) for _ in range(3)]
    for verb in ("approve", "reject"):
        await add(client, path, critical=True, is_reversible=True)
        [decision] = (await admin.get("/api/decisions?status=pending")).json()["data"]
        note = {"note": "because"}
        await post(admin, f"/api/decisions/{decision['decision_id']}/{verb}", note, 200)
    for action, ending, body in (
        (done, "complete", None),
        (failed, "fail", {"error_message": "one"}),
        (failed, "fail", {"error_message": "two"}),
    ):
        await post(client, f"{action}/start", None, 200)
        await post(client, f"{action}/{ending}", body, 200)
    claimed = await claim(client, path)
    live = (await client.get(path)).json()["performance_summary"]
    assert (live["actions"]["in_progress"], live["actions"]["pending"]) == (1, 1)
    ended = await post(client, f"{path}/complete", None, 200)
    rows = (await client.get(f"{path}/actions")).json()["data"]
    by_status = {name: 0 for name in live["actions"] if name != "total"}
    for row in rows:
        by_status[row["status"]] += 1
    assert ended["performance_summary"]["actions"] == {"total": len(rows), **by_status}
    assert by_status == {
        "pending": 0,
        "in_progress": 0,
        "completed": 1,
        "failed": 1,
        "cancelled": 3,
        "rolled_back": 0,
    }
    summary = ended["performance_summary"]
    assert summary["error_rate"] == 0.5
    assert summary["agents"] == len({r["assigned_agent_id"] for r in rows} - {None}) == 1
    assert claimed["assigned_agent_id"] == AGENT.lower()
    assert summary["retries"] == sum(row["retry_count"] for row in rows) == 1
    assert (summary["approvals"], summary["rejections"]) == (1, 1)
    assert summary["duration_seconds"] > 0
    async with world.db() as db:
        stored = await db.driver.fetchval(
            "SELECT performance_summary FROM eva_orchestration_sessions WHERE account_id = $1",
            world.account_id,
        )
    assert stored == summary
