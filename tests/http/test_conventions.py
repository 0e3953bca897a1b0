"""What every route does alike."""

import pytest

from tests.factories import World
from tests.factories.runs import make_run
from tests.http.test_bad_input import JSON, problem


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b'{"reason": "typo"}', (422, "invalid", ["reason"])),
        (b'{"a": 1, "b": 2}', (422, "invalid", ["a", "b"])),
        (b"[]", (422, "invalid", [""])),
        (b"{not json", (400, "malformed", [])),
    ],
)
async def test_a_verb_without_fields_takes_none(
    world: World, sent: bytes, expected: tuple[int, str, list[str]]
) -> None:
    client = world.client()
    await client.put("/api/agents/a", json={})
    for verb in ("heartbeat", "end"):
        verb_path = f"/api/agents/a/{verb}"
        assert problem(await client.post(verb_path, content=sent, headers=JSON)) == expected
        text = await client.post(verb_path, content=b"{}", headers={"Content-Type": "text/plain"})
        assert problem(text) == (415, "unsupported_media_type", [])
        for empty in (b"", b"{}", b"null"):
            assert (await client.post(verb_path, content=empty, headers=JSON)).is_success


async def test_times_are_answered_in_utc(world: World) -> None:
    """The first answer shows UTC, as every later one does."""
    client, given, kept = world.client(), "2030-01-01T00:00:00+02:00", "2029-12-31T22:00:00Z"
    made = {"name": "t", "scopes": ["read"], "expires_at": given}
    token = (await client.post("/api/tokens", json=made)).json()
    run = await make_run(client, orch_started_at="2020-01-01T00:00:00+02:00")
    finished = await client.post(f"/api/runs/{run}/finish", json={"orch_finished_at": given})
    instance = {"project": "p", "instance_type": "PS", "instance_id": "p-PS-abc123"}
    await client.post("/api/instances", json=instance)
    event = {"event_type": "test_passed", "timestamp": given}
    emitted = await client.post("/api/instances/p-PS-abc123/events", json=event)
    checkpoint = {"checkpoint_type": "manual", "timestamp": given}
    saved = await client.post("/api/instances/p-PS-abc123/checkpoints", json=checkpoint)
    session = (await client.post("/api/sessions", json={"type": "RecordedSessions"})).json()
    told = {"command": {"module": "Bash", "timestamp": given}}
    told["result"] = {"status": "ok", "timestamp": given}
    answer = await client.post(f"/api/sessions/{session['id']}/interactions", json=told)
    interaction = answer.json()
    assert [
        token["expires_at"],
        finished.json()["orch_finished_at"],
        emitted.json()["timestamp"],
        saved.json()["timestamp"],
        interaction["command"]["timestamp"],
        interaction["result"]["timestamp"],
    ] == [kept] * 6
    assert finished.json()["orch_started_at"] == "2019-12-31T22:00:00Z"


@pytest.mark.parametrize(
    ("made_by", "changed_by", "body", "limits"),
    [
        (
            "POST /api/sessions",
            "PATCH",
            {"type": "RecordedSessions"},
            {"title": 200},
        ),
        (
            "POST /api/work-items",
            "PATCH",
            {"key": "SD-1"},
            {"title": 200, "description": 20_000},
        ),
        ("PUT /api/agents/a", "PUT", {}, {"codebase": 1000, "hostname": 1000, "tty": 200}),
        (
            "POST /api/orchestrations",
            "PATCH",
            {"session_type": "venture_workflow"},
            {"objective": 20_000},
        ),
    ],
)
async def test_redacted_values_may_be_sent_back(
    world: World, made_by: str, changed_by: str, body: dict[str, str], limits: dict[str, int]
) -> None:
    """A marker may be longer than the secret, yet no field exceeds its limit."""
    client = world.client()
    method, path = made_by.split()
    texts = {name: ("sshpass -p x " * limit)[:limit] for name, limit in limits.items()}
    made = await client.request(method, path, json={**body, **texts})
    assert made.status_code == 201, made.text
    for _ in range(2):
        kept = {name: made.json()[name] for name in limits}
        assert {name: len(text) for name, text in kept.items()} == limits
        assert all("[REDACTED:" in text for text in kept.values())
        path = made.headers.get("location", path)
        made = await client.request(changed_by, path, json=kept)
        assert made.status_code == 200, made.text
