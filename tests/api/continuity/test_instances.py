"""The document's test table and its example queries, through the API."""

import json
from typing import Any

import httpx
import pytest

from tests.factories import World

INSTANCE = {
    "instance_id": "consilio-PS-abc123",
    "project": "consilio-s",
    "instance_type": "PS",
    "context_percent": 45,
    "current_epic": "epic-001",
}
COMMAND = {
    "command_type": "task",
    "action": "spawn_subagent",
    "tool_name": "general-purpose",
    "success": True,
    "execution_time_ms": 1250,
    "parameters": {"task": "implementation"},
    "result": {"spawned_id": "task-001"},
}
EVENT = {
    "event_type": "epic_started",
    "sequence_num": 2,
    "event_data": {"epic_id": "001", "epic_name": "authentication"},
}
CHECKPOINT = {
    "checkpoint_type": "manual",
    "sequence_num": 1,
    "context_window_percent": 45,
    "work_state": {"epic": "001", "phase": "implementation", "elapsed_minutes": 30},
}
PATH = "/api/instances/consilio-PS-abc123"


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    """With the seed's instance, whose first event is `instance_registered`."""
    client = world.client()
    registered = await client.post("/api/instances", json=INSTANCE)
    assert registered.status_code == 201
    assert registered.headers["location"] == PATH
    assert INSTANCE.items() <= registered.json().items()
    assert registered.json()["status"] == "active"
    return client


def paths(response: httpx.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [error["path"] for error in response.json()["errors"]]


async def test_the_four_inserts(client: httpx.AsyncClient) -> None:
    event = await client.post(f"{PATH}/events", json=EVENT)
    assert event.status_code == 201
    assert EVENT.items() <= event.json().items()
    assert len(event.json()["event_id"]) == 36
    first = await client.post(f"{PATH}/commands", json=COMMAND)
    second = await client.post(f"{PATH}/commands", json=COMMAND)
    assert first.status_code == 201
    assert COMMAND.items() <= first.json().items()
    assert (first.json()["source"], first.json()["tags"]) == ("auto", [])
    assert second.json()["id"] > first.json()["id"]
    checkpoint = await client.post(f"{PATH}/checkpoints", json=CHECKPOINT)
    assert checkpoint.status_code == 201
    assert CHECKPOINT.items() <= checkpoint.json().items()
    stored = await client.get(checkpoint.headers["location"])
    assert stored.json() == checkpoint.json()
    again = await client.post(f"{PATH}/checkpoints", json=CHECKPOINT)
    assert (again.status_code, again.json()) == (200, checkpoint.json())


async def test_foreign_keys_and_cascade(client: httpx.AsyncClient, world: World) -> None:
    for log, body in (("events", EVENT), ("commands", COMMAND), ("checkpoints", CHECKPOINT)):
        missing = await client.post(f"/api/instances/nobody-PS-000000/{log}", json=body)
        assert missing.status_code == 404
        assert (await client.post(f"{PATH}/{log}", json=body)).status_code == 201
    timeline = (await client.get(f"{PATH}/timeline")).json()["data"]
    assert {entry["kind"] for entry in timeline} == {"event", "command", "checkpoint"}
    editor = world.client(await world.token_for("editor"))
    assert (await editor.delete(PATH)).status_code == 403
    assert (await client.delete(PATH)).status_code == 204
    async with world.db() as db:
        for table in ("command_log", "event_store", "checkpoints", "supervisor_sessions"):
            assert await db.driver.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize(
    "number", ["1e23", "12345678901234567890.0", "-1234567890123456789.0", "1.7976931348623157e308"]
)
async def test_a_large_number_is_the_same_when_it_is_repeated(
    client: httpx.AsyncClient, number: str
) -> None:
    """PostgreSQL spells the number out, yet it must not come back as an integer."""
    numbers = f'{{"plain": {number}, "listed": [{number}], "small": 1e-9, "text": ":1e23"}}'
    for log, body, field in (
        ("events", EVENT, "event_data"),
        ("checkpoints", CHECKPOINT, "work_state"),
    ):
        document = json.dumps({**body, field: "…"}).replace(json.dumps("…"), numbers)
        path = f"{PATH}/{log}"
        first = await client.post(path, content=document)
        again = await client.post(path, content=document)
        assert (first.status_code, again.status_code) == (201, 200), again.text
        stored = (await client.get(path)).json()["data"][-1][field]
        assert stored == first.json()[field] == again.json()[field] == json.loads(numbers)
        assert isinstance(stored["plain"], float)


async def test_true_and_one_are_different_events(client: httpx.AsyncClient) -> None:
    logs = ("events", EVENT, "event_data"), ("checkpoints", CHECKPOINT, "work_state")
    for log, body, field in logs:
        path = f"{PATH}/{log}"
        for status in (201, 200):
            answer = await client.post(path, json={**body, field: {"listed": [1]}})
            assert answer.status_code == status
        other = await client.post(path, json={**body, field: {"listed": [True]}})
        assert (other.status_code, other.json()["code"]) == (409, "sequence_taken")


async def test_sequence_numbers_are_unique(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{PATH}/events", json=EVENT)).status_code == 201
    repeated = await client.post(f"{PATH}/events", json=EVENT)
    assert repeated.status_code == 200
    other = await client.post(f"{PATH}/events", json={**EVENT, "event_type": "epic_failed"})
    assert (other.status_code, other.json()["code"]) == (409, "sequence_taken")
    gap = await client.post(f"{PATH}/events", json={**EVENT, "sequence_num": 9})
    assert (gap.status_code, gap.json()["code"]) == (409, "sequence_gap")
    assert gap.json()["next_sequence_num"] == 3
    batch = [{"event_type": "test_started"}, {"event_type": "test_passed", "sequence_num": 7}]
    assert (await client.post(f"{PATH}/events", json=batch)).status_code == 409
    events = (await client.get(f"{PATH}/events")).json()["data"]
    assert [e["sequence_num"] for e in events] == [1, 2]
    wrong = await client.post(f"{PATH}/events", json=[batch[0], {"event_type": "party"}])
    assert paths(wrong) == ["1.event_type"]
    gap = await client.post(f"{PATH}/checkpoints", json={**CHECKPOINT, "sequence_num": 2})
    assert gap.json()["code"] == "sequence_gap"


@pytest.mark.parametrize(
    "instance_id",
    [
        "consilio-XX-abc123",
        "consilio-MS-abc123",
        "consilio-PS-abc12",
        "consilio-PS-ABC123",
        "Consilio-PS-abc123",
        "-PS-abc123"[1:],
        "consilio-PS-abc123\n",
        f"{'a' * 91}-PS-abc123",
    ],
)
async def test_instance_id_format(world: World, instance_id: str) -> None:
    body = {**INSTANCE, "instance_id": instance_id}
    assert paths(await world.client().post("/api/instances", json=body)) == ["instance_id"]


@pytest.mark.parametrize("percent", [-1, 101])
async def test_context_percent_range(client: httpx.AsyncClient, percent: int) -> None:
    body = {**INSTANCE, "instance_id": "consilio-PS-abc124", "context_percent": percent}
    assert paths(await client.post("/api/instances", json=body)) == ["context_percent"]
    beat = await client.post(f"{PATH}/heartbeat", json={"context_percent": percent})
    assert paths(beat) == ["context_percent"]
    checkpoint = {**CHECKPOINT, "context_window_percent": percent}
    response = await client.post(f"{PATH}/checkpoints", json=checkpoint)
    assert paths(response) == ["context_window_percent"]


async def test_instance_type_and_unknown_fields(world: World) -> None:
    body = {"project": "p", "instance_type": "XS", "statsu": "active"}
    found = paths(await world.client().post("/api/instances", json=body))
    assert sorted(found) == ["instance_type", "statsu"]


async def test_example_queries(client: httpx.AsyncClient, world: World) -> None:
    failed = {**COMMAND, "action": "deploy", "success": False, "tags": ["prod", "night"]}
    await client.post(f"{PATH}/commands", json=[COMMAND, failed])
    completed = {"event_type": "epic_completed", "metadata": {"by": "Needle 100%"}}
    await client.post(f"{PATH}/events", json=[EVENT, completed])
    for kind in ("manual", "automatic"):
        await client.post(f"{PATH}/checkpoints", json={"checkpoint_type": kind})

    async def data(path: str) -> list[dict[str, Any]]:
        response = await client.get(path)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["data"]
        return rows

    active = await data("/api/instances?project=consilio-s&status=active")
    assert [i["instance_id"] for i in active] == [INSTANCE["instance_id"]]
    assert await data("/api/instances?silent_seconds=1800&status=active") == []
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE supervisor_sessions SET last_heartbeat = now() - interval '31 minutes'"
        )
    assert len(await data("/api/instances?silent_seconds=1800&status=active")) == 1
    assert [c["action"] for c in await data(f"{PATH}/commands")] == ["deploy", "spawn_subagent"]
    for query in ("success=false&limit=10", "action=deploy", "tag=prod&tag=night"):
        assert [c["action"] for c in await data(f"/api/commands?{query}")] == ["deploy"]
    assert await data("/api/commands?tag=prod&tag=day") == []
    history = await data(f"{PATH}/events")
    assert [e["sequence_num"] for e in history] == [1, 2, 3, 4, 5]
    [found] = await data("/api/events?event_type=epic_completed")
    assert found["metadata"] == {"by": "Needle 100%"}
    for query in ("q=needle 100%25", "event_type=epic_completed&event_type=epic_failed"):
        assert [e["event_id"] for e in await data(f"{PATH}/events?{query}")] == [found["event_id"]]
    assert await data("/api/events?since=2100-01-01T00:00:00Z") == []
    assert paths(await client.get("/api/events?since=2100-01-01T00:00:00")) == ["since"]
    latest = (await client.get(f"{PATH}/checkpoints/latest")).json()
    assert (latest["sequence_num"], latest["checkpoint_type"]) == (2, "automatic")
    [automatic] = await data("/api/checkpoints?checkpoint_type=automatic&limit=10")
    assert automatic == latest
    assert [c["sequence_num"] for c in await data(f"{PATH}/checkpoints")] == [2, 1]
    types = await data("/api/instances/event-types")
    assert len(types) == 23
    assert {t["category"] for t in types} >= {"epic", "git", "deployment"}


async def test_a_search_finds_text_as_it_was_written(client: httpx.AsyncClient) -> None:
    text = 'He said "no":\n\tC:\\temp\x1b é'
    found = await client.post(f"{PATH}/events", json={**EVENT, "event_data": {"epic_id": text}})
    for keyword in (text, 'said "NO"', ":\n", "\tC:\\t", "\x1b É"):
        for path in (f"{PATH}/events", "/api/events"):
            listed = (await client.get(path, params={"q": keyword})).json()["data"]
            assert [e["event_id"] for e in listed] == [found.json()["event_id"]], keyword


async def test_registering_again_changes_nothing(client: httpx.AsyncClient, world: World) -> None:
    again = await client.post("/api/instances", json=INSTANCE)
    assert (again.status_code, again.json()["event_count"]) == (200, 1)
    other = await client.post("/api/instances", json={**INSTANCE, "project": "other"})
    assert (other.status_code, other.json()["code"]) == (409, "instance_exists")
    await client.post("/api/projects", json={"name": "Other", "slug": "other"})
    outside = await client.post("/api/instances", json=INSTANCE, headers={"X-Project": "other"})
    assert (outside.status_code, outside.json()["code"]) == (409, "key_in_other_project")
    assert (await client.get(PATH, headers={"X-Project": "other"})).status_code == 404
    logs = await client.get("/api/events", headers={"X-Project": "other"})
    assert logs.json()["data"] == []
    made = await client.post("/api/instances", json={"project": "My App!", "instance_type": "MS"})
    assert made.json()["instance_id"].startswith("my-app-MS-")


async def test_details_by_prefix(client: httpx.AsyncClient) -> None:
    for number in range(12):
        body = {**INSTANCE, "instance_id": f"consilio-PS-abd{number:03}"}
        assert (await client.post("/api/instances", json=body)).status_code == 201
    found = await client.get("/api/instances/consilio-PS-abc")
    assert found.json()["instance_id"] == INSTANCE["instance_id"]
    several = await client.get("/api/instances/consilio-PS-ab")
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous_instance")
    assert len(several.json()["matches"]) == 10
    assert (await client.get("/api/instances/consilio%25")).status_code == 404


async def test_secrets_are_not_stored(client: httpx.AsyncClient) -> None:
    secret = {"password": "hunter2hunter2", "max_tokens": 5}
    body = {**COMMAND, "parameters": secret, "error_message": "password=hunter2hunter2"}
    stored = (await client.post(f"{PATH}/commands", json=body)).json()
    assert stored["parameters"] == {"password": "[REDACTED:password]", "max_tokens": 5}
    assert "hunter2" not in stored["error_message"]
    event = {**EVENT, "event_data": secret}
    first = await client.post(f"{PATH}/events", json=event)
    assert first.json()["event_data"]["password"] == "[REDACTED:password]"
    assert (await client.post(f"{PATH}/events", json=event)).status_code == 200
    checkpoint = await client.post(f"{PATH}/checkpoints", json={"work_state": secret})
    assert "hunter2" not in checkpoint.text


async def test_deleting_a_project_keeps_its_instances(
    client: httpx.AsyncClient, world: World
) -> None:
    assert (await client.get(PATH)).json()["project_id"] == world.project_id
    assert (await client.delete(f"/api/projects/{world.project_id}")).status_code == 204
    assert (await client.get(PATH)).json()["project_id"] is None
    refused = await client.delete(f"/api/accounts/{world.account_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "account_has_history")


async def test_the_timeline_lists_each_entry_once(client: httpx.AsyncClient) -> None:
    await client.post(f"{PATH}/commands", json=[COMMAND] * 7)
    await client.post(f"{PATH}/events", json=[{"event_type": "test_passed"}] * 5)
    await client.post(f"{PATH}/checkpoints", json=CHECKPOINT)
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        parameters: dict[str, str] = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = (await client.get(f"{PATH}/timeline", params=parameters)).json()
        seen += page["data"]
        cursor = page["next_cursor"]
    whole = (await client.get(f"{PATH}/timeline?limit=100")).json()["data"]
    assert seen == whole
    assert len(seen) == 7 + 5 + 1 + 2  # registered and checkpoint_created are events
    assert [e["at"] for e in seen] == sorted((e["at"] for e in seen), reverse=True)
    assert paths(await client.get(f"{PATH}/timeline?cursor=abc")) == ["cursor"]
