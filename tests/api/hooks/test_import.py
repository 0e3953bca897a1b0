"""Past events, imported many at a time."""

import asyncio
import json
from typing import Any

import httpx

from tests.api.hooks.recordings import Event, recorded, rows, session_of
from tests.factories import World
from tests.histories import check_histories


def call(session: str, number: int) -> Event:
    return recorded(
        "claude-code", "PostToolUse-Bash", session_id=session, tool_use_id=f"{session}-{number}"
    )


async def test_a_batch_of_several_sessions_keeps_the_order_of_each(world: World) -> None:
    client = world.client()
    events = [
        {**call(session, number), "tool_input": {"command": f"echo {number}"}}
        for number in range(3)
        for session in ("b", "a")
    ]
    answer = await client.post("/api/hooks/claude-code/import", json=events)
    assert answer.json() == {"received": 6, "stored": 6}
    for session in ("a", "b"):
        told = rows(await session_of(client, session))
        assert [row.command for row in told] == ["echo 0", "echo 1", "echo 2"]


async def test_concurrent_imports_of_the_same_sessions_do_not_deadlock(world: World) -> None:
    """Each import keeps the sessions it has written to locked until it ends."""
    client = world.client()
    for round_number in range(8):
        forwards = [call(session, round_number) for session in "abcdef" for _ in range(3)]
        batches = [forwards, forwards[::-1]] * 2
        answers = await asyncio.gather(
            *(client.post("/api/hooks/claude-code/import", json=batch) for batch in batches)
        )
        assert [answer.status_code for answer in answers] == [200] * 4
    assert await check_histories(world) == 6 * 8


async def test_an_import_never_ends_a_call_that_a_live_hook_began(world: World) -> None:
    """It ends only calls that it has created itself, whichever comes first."""
    client = world.client()
    for round_number in range(12):
        session = f"begun-{round_number}"
        workflow = {"type": "ComponentCodingSessions", "external_id": session}
        begun, *imports = await asyncio.gather(
            client.post("/api/sessions", json=workflow),
            *(
                client.post("/api/hooks/claude-code/import", json=[call(session, number)])
                for number in range(2)
            ),
        )
        assert [answer.status_code for answer in imports] == [200, 200]
        found = await session_of(client, session)
        if begun.status_code == 201:
            assert (found["status"], found["state"].get("ended")) == ("active", None)
        else:
            assert (found["status"], found["state"]["ended"]) == (
                "complete",
                {"reason": "imported"},
            )
    events = (await client.get("/api/feed?limit=100")).json()["data"]
    created = [event["entity_id"] for event in events if event["name"] == "session.created"]
    assert len(created) == len(set(created)) == 12


async def test_an_import_does_not_deadlock_with_other_locks_on_several_sessions(
    world: World,
) -> None:
    """The sessions' names sort in another order than their ids."""
    client = world.client()

    async def new(kind: str, **fields: Any) -> int:
        answer = await client.post(f"/api/{kind}", json=fields)
        assert answer.status_code == 201, answer.text
        row_id: int = answer.json()["id"]
        return row_id

    for number in range(10):
        of_parent, of_child = f"z-{number}", f"a-{number}"
        part = await new("components", name="Part", module_name=f"Part{number}")
        session = {"type": "RecordedSessions", "component_id": part}
        parent = await new("sessions", **session, external_id=of_parent)
        await new("sessions", **session, external_id=of_child, parent_session_id=parent)
        batch = [*(call(of_child, n) for n in range(250)), call(of_parent, 0)]

        async def delete(path: str, delay: float) -> httpx.Response:
            await asyncio.sleep(delay)
            return await client.delete(path)

        delay = 0.012 + 0.003 * number
        deleted = f"/api/components/{part}" if number % 2 else f"/api/sessions/{parent}"
        imported, gone = await asyncio.gather(
            client.post("/api/hooks/claude-code/import", json=batch), delete(deleted, delay)
        )
        assert (imported.status_code, gone.status_code) == (200, 204), gone.text


async def test_what_no_column_could_hold_is_kept_as_text(world: World) -> None:
    """Holds for hooks and for transcripts."""
    client = world.client()
    deep: Any = "deepest"
    for _ in range(500):
        deep = [deep]
    event = {
        "session_id": "odd",
        "hook_event_name": "Odd",
        "large": [2**63, -(2**80)],
        "deep": deep,
    }
    for path, body in (("", event), ("/import", [event])):
        answer = await client.post(f"/api/hooks/claude-code{path}", json=body)
        assert answer.is_success, answer.text
    [interaction] = (await session_of(client, "odd"))["interactions"]
    kept = interaction["command"]["metadata"]["event"]
    assert kept["large"] == [str(2**63), str(-(2**80))]
    value, levels, texts = kept["deep"], 0, 0
    while value != "deepest":
        if isinstance(value, str):
            value, texts = json.loads(value), texts + 1
        [value] = value
        levels += 1
    assert (levels, texts) == (500, 1)
