"""The life cycle of an orchestration: every transition, allowed or refused, and what it stamps."""

from typing import Any

import pytest

from tests.factories import World
from tests.factories.runs import post

TYPE = "venture_workflow"
AGENT = "01A1FDB6-0000-7000-8000-000000000001"
BODIES: dict[str, Any] = {"fail": {"message": "broken", "details": {"n": 1}}}
STAMPS = {
    "start": "started_at",
    "pause": "paused_at",
    "resume": "resumed_at",
    "complete": "completed_at",
    "fail": "failed_at",
    "cancel": None,
}
# The verbs that lead to each status, and the status after each verb; None when it is refused.
WAYS = {
    "active": ["start"],
    "paused": ["start", "pause"],
    "completed": ["start", "complete"],
    "failed": ["start", "fail"],
    "cancelled": ["start", "cancel"],
}
ENDS = {"complete": "completed", "fail": "failed", "cancel": "cancelled"}
TABLE: dict[str, dict[str, str | None]] = {
    "active": {"start": "active", "pause": "paused", "resume": None, **ENDS},
    "paused": {"start": None, "pause": None, "resume": "active", **ENDS},
    **{end: dict.fromkeys(STAMPS) for end in ENDS.values()},
}


async def make(client: Any, **fields: Any) -> str:
    body = {"session_type": TYPE, **fields}
    return f"/api/orchestrations/{(await post(client, '/api/orchestrations', body))['session_id']}"


@pytest.mark.parametrize(
    ("status", "verb", "after"),
    [(status, verb, after) for status, row in TABLE.items() for verb, after in row.items()],
)
async def test_transitions(world: World, status: str, verb: str, after: str | None) -> None:
    client = world.client()
    path = await make(client)
    for step in WAYS[status]:
        await post(client, f"{path}/{step}", BODIES.get(step), 200)
    before = (await client.get(path)).json()
    assert before["session_status"] == status
    response = await client.post(f"{path}/{verb}", json=BODIES.get(verb))
    found = (await client.get(path)).json()
    stamps = [name for name in STAMPS.values() if name is not None]
    if after is None:
        assert (response.status_code, response.json()["code"]) == (409, "invalid_transition")
        assert response.json()["from"] == status
        assert "to" in response.json()
        live = {"performance_summary"} if status in {"active", "paused"} else set()
        assert {k: v for k, v in found.items() if k not in live} == {
            k: v for k, v in before.items() if k not in live
        }
        return
    assert response.status_code == 200
    assert found["session_status"] == after
    changed = {name for name in stamps if found[name] != before[name]}
    # Starting it again sets no new time.
    assert changed == ({STAMPS[verb]} - {None} if verb != "start" else set())


async def test_starting_stamps_once(world: World) -> None:
    client = world.client()
    path = await make(client)
    assert (await client.get(path)).json()["started_at"] is None
    first = await post(client, f"{path}/start", None, 200)
    assert first["started_at"] is not None
    again = await post(client, f"{path}/start", {}, 200)
    assert again["started_at"] == first["started_at"]


async def test_a_failure_and_a_cancellation_are_logged(world: World) -> None:
    client = world.client()
    user = (await client.get("/api/me")).json()["user"]["uuid"]
    failed = await post(client, f"{await make(client)}/fail", BODIES["fail"], 200)
    [entry] = failed["error_log"]
    assert entry == {
        "at": failed["failed_at"],
        "by": user,
        "kind": "error",
        "message": "broken",
        "details": {"n": 1},
    }
    path = await make(client)
    cancelled = await post(client, f"{path}/cancel", {"reason": "obsolete"}, 200)
    [entry] = cancelled["error_log"]
    assert (entry["kind"], entry["by"], entry["reason"]) == ("cancelled", user, "obsolete")
    assert (await client.post(f"{await make(client)}/fail", json={})).status_code == 422


async def test_fields_set_by_the_server_are_refused_in_a_body(world: World) -> None:
    client = world.client()
    for field in ("company_id", "created_by", "session_status", "session_id", "error_log"):
        body = {"session_type": TYPE, field: AGENT}
        response = await client.post("/api/orchestrations", json=body)
        assert [e["path"] for e in response.json()["errors"]] == [field]
    created = (await client.get(await make(client))).json()
    me = (await client.get("/api/me")).json()
    assert created["company_id"] == me["account"]["uuid"]
    assert created["created_by"] == me["user"]["uuid"]
    bad = await client.post("/api/orchestrations", json={"session_type": "party"})
    assert [e["path"] for e in bad.json()["errors"]] == ["session_type"]


async def test_agents_are_a_set(world: World) -> None:
    client = world.client()
    path = await make(client)
    for agent in (AGENT, AGENT.lower()):
        response = await client.put(f"{path}/agents/{agent}")
        assert response.json()["active_agents"] == [AGENT.lower()]
    bad = await client.put(f"{path}/agents/me")
    assert (bad.status_code, bad.json()["errors"][0]["path"]) == (422, "agent_id")
    listed = (await client.get("/api/orchestrations", params={"agent": AGENT})).json()["data"]
    assert len(listed) == 1
    for _ in range(2):
        assert (await client.delete(f"{path}/agents/{AGENT}")).status_code == 204
    assert (await client.get(path)).json()["active_agents"] == []
    await post(client, f"{path}/cancel", None, 200)
    late = await client.put(f"{path}/agents/{AGENT}")
    assert (late.status_code, late.json()["code"]) == (409, "orchestration_ended")


async def test_the_context_is_patched(world: World) -> None:
    client = world.client()
    path = await make(client, orchestration_context={"stage": 1, "goal": {"a": 1, "b": 2}})
    patch = {"orchestration_context": {"stage": None, "goal": {"b": 3}}, "objective": "ship"}
    changed = (await client.patch(path, json=patch)).json()
    assert changed["orchestration_context"] == {"goal": {"a": 1, "b": 3}}
    assert changed["objective"] == "ship"
    await post(client, f"{path}/complete", None, 200)
    assert (await client.patch(path, json=patch)).json()["code"] == "orchestration_ended"


async def test_lists(world: World) -> None:
    client = world.client()
    first = await make(client)
    second = await make(client, session_type="strategic_analysis")
    await post(client, f"{first}/pause", None, 200)
    me = (await client.get("/api/me")).json()["user"]["uuid"]
    for parameters, expected in (
        ({}, [second, first]),
        ({"status": "paused"}, [first]),
        ({"type": "strategic_analysis"}, [second]),
        ({"created_by": me}, [second, first]),
        ({"created_by": AGENT}, []),
        ({"created_after": "2100-01-01T00:00:00Z"}, []),
    ):
        rows = (await client.get("/api/orchestrations", params=parameters)).json()["data"]
        assert [f"/api/orchestrations/{row['session_id']}" for row in rows] == expected
    assert (await client.get("/api/orchestrations?status=gone")).status_code == 422
    page = (await client.get("/api/orchestrations?limit=1")).json()
    rest = await client.get("/api/orchestrations", params={"cursor": page["next_cursor"]})
    assert len(rest.json()["data"]) == 1


async def test_moving_and_deleting(world: World) -> None:
    client = world.client()
    path = await make(client)
    other = await post(client, "/api/projects", {"name": "Other", "slug": "other"})
    moved = await post(client, f"{path}/move", {"project_id": other["id"]}, 200)
    assert moved["project_id"] == other["id"]
    strict = world.client(**{"X-Project": str(world.project_id)})
    assert (await strict.get(path)).status_code == 404
    assert (await client.delete(f"/api/projects/{other['id']}")).status_code == 204
    assert (await client.get(path)).json()["project_id"] is None
    await post(client, f"{path}/actions", {"event_type": "deploy"})
    editor = world.client(await world.token_for("editor"))
    assert (await editor.delete(path)).status_code == 403
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
