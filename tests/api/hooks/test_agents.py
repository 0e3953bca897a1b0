"""Agents that do not name their calls, or whose events only the body tells apart."""

import itertools
from typing import Any

from tests.api.hooks.recordings import Event, Row, content, post_all, recorded, rows, session_of
from tests.factories import World

GEMINI = "af8d5378-1e1a-4f78-b868-674265283530"
OPENCODE = "ses_e02e76b9dffe1NNitsU8L1HqEj"
ANSWER = "done after 2 tool results"


def gemini_run() -> list[Event]:
    names = "SessionStart BeforeAgent PreCompress BeforeTool AfterTool AfterAgent SessionEnd"
    return [recorded("gemini", name) for name in names.split()]


def gemini_call(name: str, second: int, **changes: Any) -> Event:
    return recorded("gemini", name, timestamp=f"2026-11-21T08:06:{second:02}.000Z", **changes)


def opencode_run() -> list[Event]:
    names = (
        "init event-session.created event-session.updated chat.message event-message.updated "
        "event-message.part.updated event-session.status tool.execute.before tool.execute.after "
        "event-message.part.delta event-session.diff event-reference.updated "
        "event-integration.updated event-session.idle"
    )
    return [recorded("opencode", f"oc-{name}") for name in names.split()]


async def test_a_run_of_gemini(world: World) -> None:
    client = world.client()
    expected = [
        Row("UserPrompt", "say hi", "ok", ANSWER),
        Row("run_shell_command", "echo hi", "ok", "hi"),
    ]
    for _ in range(2):
        await post_all(client, "gemini", gemini_run())
        session = await session_of(client, GEMINI)
        assert rows(session) == expected
        assert session["state"]["agent"] == "gemini"
        assert (session["agent"], session["status"]) == (None, "complete")
        assert session["state"]["ended"] == {"reason": "exit"}
    told = session["interactions"][1]
    assert told["command"]["timestamp"] == "2026-11-21T08:05:00.232000Z"
    assert told["result"]["timestamp"] == "2026-11-21T08:05:00.421000Z"


async def test_a_time_outside_utc_is_ignored(world: World) -> None:
    """In the year 0 or 10000 of UTC: the interaction is kept with the server's time."""
    client = world.client()
    times = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-21T09:00:00+01:00"]
    for number, time in enumerate(times):
        changes = {"timestamp": time, "tool_input": {"command": f"echo {number}"}}
        await post_all(client, "gemini", [recorded("gemini", "BeforeTool", **changes)])
    session = await session_of(client, GEMINI)
    told = [one["command"]["timestamp"] for one in session["interactions"]]
    assert session["inserted_at"] <= min(told[:2]) <= max(told[:2]) <= session["updated_at"]
    assert told[2] == "2026-11-21T08:00:00Z"


async def test_a_change_from_true_to_one_is_stored(world: World) -> None:
    client = world.client()
    for told in (1, True):
        await post_all(client, "gemini", [recorded("gemini", "SessionStart", extra=told)])
        session = await session_of(client, GEMINI)
        assert session["state"]["start"]["extra"] is told


async def test_equal_calls_of_gemini_end_oldest_first(world: World) -> None:
    client = world.client()
    shown = [{"returnDisplay": text} for text in ("one", "two")]
    events = [
        gemini_call("BeforeTool", 1),
        gemini_call("BeforeTool", 2),
        gemini_call("AfterTool", 3, tool_response=shown[0]),
        gemini_call("AfterTool", 4, tool_response=shown[1]),
    ]
    once = None
    for _ in range(3):
        await post_all(client, "gemini", events)
        session = await session_of(client, GEMINI)
        assert rows(session) == [
            Row("run_shell_command", "echo hi", "ok", "one"),
            Row("run_shell_command", "echo hi", "ok", "two"),
        ]
        once = once or content(session)
        assert content(session) == once


async def test_calls_of_gemini_whose_events_overtake_each_other(world: World) -> None:
    """Two different calls at once, with their four events in every order."""
    client = world.client()
    events = [
        gemini_call("BeforeTool", 1, tool_input={"command": "a"}),
        gemini_call("AfterTool", 3, tool_input={"command": "a"}, tool_response={"stdout": "A"}),
        gemini_call("BeforeTool", 1, tool_input={"command": "b"}),
        gemini_call("AfterTool", 3, tool_input={"command": "b"}, tool_response={"stdout": "B"}),
    ]
    contents = []
    for number, order in enumerate(itertools.permutations(events)):
        session_id = f"gemini-{number}"
        for _ in range(2):
            await post_all(client, "gemini", [{**e, "session_id": session_id} for e in order])
        session = await session_of(client, session_id)
        assert sorted(rows(session)) == [
            Row("run_shell_command", "a", "ok", "A"),
            Row("run_shell_command", "b", "ok", "B"),
        ]
        contents.append(content(session))
    assert all(found == contents[0] for found in contents)


async def test_a_replay_of_gemini_long_after(world: World) -> None:
    """A sealed interaction is recognised by the key of the event that ended it."""
    client = world.client()
    events = []
    for second in range(30):
        call = {"tool_input": {"command": f"echo {second % 3}"}}
        events += [
            gemini_call("BeforeTool", second, **call),
            gemini_call("AfterTool", second, **call, tool_response={"stdout": str(second)}),
        ]
    await post_all(client, "gemini", events)
    before = await session_of(client, GEMINI)
    await post_all(client, "gemini", events)
    after = await session_of(client, GEMINI)
    assert [row.output for row in rows(after)] == [str(second) for second in range(30)]
    assert content(after) == content(before)


async def test_a_failure_of_gemini_is_an_error(world: World) -> None:
    client = world.client()
    failures: list[dict[str, Any]] = [
        {"llmContent": "Output: (empty)\nExit Code: 3\nProcess Group PGID: 1"},
        {"llmContent": "no", "error": {"message": "not found", "type": "x"}},
    ]
    for second, response in enumerate(failures):
        call = {"tool_input": {"command": str(second)}}
        await post_all(
            client,
            "gemini",
            [
                gemini_call("BeforeTool", second, **call),
                gemini_call("AfterTool", second, **call, tool_response=response),
            ],
        )
    assert rows(await session_of(client, GEMINI)) == [
        Row("run_shell_command", "0", "error", None, 3),
        Row("run_shell_command", "1", "error", "not found"),
    ]


async def test_a_run_of_opencode(world: World) -> None:
    client = world.client()
    for _ in range(2):
        await post_all(client, "opencode", opencode_run())
        session = await session_of(client, OPENCODE)
        assert rows(session) == [
            Row("UserPrompt", '"say hi"', "ok"),
            Row("bash", "echo hi", "ok", "hi\n", 0),
        ]
        assert session["status"] == "active"
        assert session["state"]["agent"] == "opencode"
        assert (session["state"]["cwd"], session["state"]["model"]) == (
            "/home/dev/proj",
            "fake-model",
        )
    listed = (await client.get("/api/sessions")).json()["data"]
    assert len(listed) == 1, "what belongs to no session creates none"


async def test_prompts_of_opencode_end_one_by_one(world: World) -> None:
    client = world.client()
    message = recorded("opencode", "oc-chat.message")
    idle = recorded("opencode", "oc-event-session.idle")

    def prompt(number: int) -> Event:
        output = {**message["output"], "message": {"id": f"msg_{number}"}}
        return {**message, "output": output}

    failed = {
        **recorded("opencode", "oc-event-session.idle", id="evt_2"),
        "type": "session.error",
        "properties": {
            "sessionID": OPENCODE,
            "error": {"name": "ProviderError", "data": {"message": "out of credit"}},
        },
    }
    events = [prompt(1), {**idle, "id": "evt_1"}, prompt(2), failed, prompt(3)]
    for _ in range(2):
        await post_all(client, "opencode", events)
        assert [row.status for row in rows(await session_of(client, OPENCODE))] == [
            "ok",
            "error",
            None,
        ]


async def test_a_failing_tool_of_opencode_and_a_question(world: World) -> None:
    client = world.client()
    after = recorded("opencode", "oc-tool.execute.after")
    output = {"title": "false", "metadata": {"exit": 1}, "output": ""}
    asked = {
        "id": "evt_p",
        "type": "permission.asked",
        "properties": {"sessionID": OPENCODE, "permission": "bash", "patterns": ["rm *"]},
    }
    await post_all(client, "opencode", [{**after, "output": output}, asked])
    session = await session_of(client, OPENCODE)
    assert rows(session) == [Row("bash", "echo hi", "error", "", 1)]
    assert session["needs_input"]["kind"] == "permission_request"
    assert session["needs_input"]["message"] == "bash"


async def test_codex_with_its_notify_program_alone(world: World) -> None:
    client = world.client()
    for _ in range(2):
        await post_all(client, "codex", [recorded("codex", "codex-notify")])
        session = await session_of(client, "01a1fd15-33ba-7780-b9e6-7148daf00eee")
        assert rows(session) == [Row("UserPrompt", "say hi", "ok", ANSWER)]
        assert session["title"] == "say hi"


async def test_codex_tells_an_exit_code_when_it_has_one(world: World) -> None:
    client = world.client()
    response = {"stdout": "", "stderr": "no", "exit_code": 2}
    await post_all(client, "codex", [recorded("codex", "PostToolUse", tool_response=response)])
    [row] = rows(await session_of(client, recorded("codex", "PostToolUse")["session_id"]))
    assert (row.status, row.code) == ("error", 2)
