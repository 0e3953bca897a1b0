"""What every route does alike."""

import pytest

from tests.factories import World
from tests.factories.runs import make_run
from tests.web.test_bad_input import JSON, problem


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
    """In the first answer as in every later one."""
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
