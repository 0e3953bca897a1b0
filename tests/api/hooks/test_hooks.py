"""Recorded runs of Claude Code and Codex, compared with notes that a person would take of them."""

from collections.abc import Awaitable, Callable

import pytest

from tests.api.hooks.recordings import Row, content, post_all, recorded, rows, session_of
from tests.conftest import hook_stream
from tests.factories import World

ANSWER = "done after 1 tool results"
TOUCH = "touch /home/dev/proj/made.txt && date > /home/dev/proj/made.txt"
SIMPLE = [
    Row("UserPrompt", "hi", "ok", ANSWER),
    Row("Bash", "echo hi", "ok", "hi"),
    Row("Event", "MessageDisplay", "ok"),
]
PERMISSION = [
    Row("UserPrompt", "please run it", "ok", ANSWER),
    Row("Bash", TOUCH, "ok", ""),
    Row("Event", "MessageDisplay", "ok"),
    Row("Event", "PreCompact", "ok"),
    Row("Event", "SubagentStop", "ok"),
    Row("Event", "SubagentStop", "ok"),
    Row("Event", "PostCompact", "ok"),
]
CODEX = [
    Row("UserPrompt", "say hi", "ok", "done after 2 tool results"),
    Row("Bash", "echo hi", "ok", "hi\n"),
    # Codex reports a failure in plain text only; no code is invented.
    Row(
        "Bash",
        "ls /nonexistent-dir",
        "ok",
        "ls: cannot access '/nonexistent-dir': No such file or directory\n",
    ),
]
STREAMS = [
    ("claude-code", "claude-code-simple", "e1e94077-b581-4dbc-9f1b-e3998ee4ce59", SIMPLE),
    (
        "claude-code",
        "claude-code-interactive-permission",
        "6ccf171c-4379-4d17-8157-b331b5383914",
        PERMISSION,
    ),
    ("codex", "codex", "01a1fd15-33ba-7780-b9e6-7148daf00eee", CODEX),
]
streams = pytest.mark.parametrize(("agent", "stream", "external_id", "expected"), STREAMS)


@streams
async def test_a_recorded_run_becomes_a_session(
    world: World, agent: str, stream: str, external_id: str, expected: list[Row]
) -> None:
    client = world.client()
    await post_all(client, agent, hook_stream(stream))
    session = await session_of(client, external_id)
    assert rows(session) == expected
    assert session["status"] == "complete"
    assert session["type"] == "RecordedSessions"
    assert session["environment"] is None
    assert session["state"]["cwd"] == "/home/dev/proj"
    assert session["state"]["transcript_path"].endswith(f"{external_id}.jsonl")
    assert session["title"] == expected[0].command
    assert session["client"] == agent
    if agent == "claude-code":
        assert (session["agent"], session["state"].get("agent")) == ("claude_code", None)
    else:
        assert (session["agent"], session["state"]["agent"]) == (None, agent)


async def test_clearing_the_conversation_begins_another_session(world: World) -> None:
    client = world.client()
    await post_all(client, "claude-code", hook_stream("claude-code-interactive-permission"))
    cleared = await session_of(client, "6ccf171c-4379-4d17-8157-b331b5383914")
    next_one = await session_of(client, "7a966f6c-cb98-4915-a1fb-d6ee25651800")
    assert cleared["state"]["ended"] == {"reason": "clear"}
    assert cleared["state"]["source"] == "compact"
    assert rows(next_one) == []
    assert next_one["state"]["ended"] == {"reason": "prompt_input_exit"}
    assert next_one["parent_session_id"] is None


@streams
async def test_a_replay_changes_nothing(
    world: World, agent: str, stream: str, external_id: str, expected: list[Row]
) -> None:
    client = world.client()
    await post_all(client, agent, hook_stream(stream))
    once = await session_of(client, external_id)
    await post_all(client, agent, hook_stream(stream))
    twice = await session_of(client, external_id)
    assert rows(twice) == expected
    assert content(twice) == content(once)
    assert twice["status"] == "complete"


@streams
async def test_a_run_cut_off_at_any_event_is_a_valid_session(
    world: World, agent: str, stream: str, external_id: str, expected: list[Row]
) -> None:
    """Whatever is missing before or after, what was sent is stored, and once."""
    client = world.client()
    events = hook_stream(stream)
    for cut in range(1, len(events)):
        part = [
            {**event, "session_id": f"{end}-{cut}"}
            if "session_id" in event
            else {**event, "thread-id": f"{end}-{cut}"}
            for end, kept in (("head", events[:cut]), ("tail", events[cut:]))
            for event in kept
            if event.get("session_id", event.get("thread-id")) == external_id
        ]
        await post_all(client, agent, part)
        told: list[Row] = []
        for end in ("head", "tail"):
            found = (
                await client.get("/api/sessions", params={"external_id": f"{end}-{cut}"})
            ).json()["data"]
            told += rows(await session_of(client, f"{end}-{cut}")) if found else []
        finished = [row for row in told if row.status is not None]
        assert {(row.module, row.output) for row in expected} <= {
            (row.module, row.output) for row in finished
        }, cut
        pending = [row for row in told if row.status is None]
        assert {row[:2] for row in pending} <= {row[:2] for row in expected}, cut
        for row in expected:
            beginnings = [r for r in told if r.module == row.module and r.command == row.command]
            assert beginnings, (cut, row)


async def test_two_accounts_may_use_the_same_session_id(
    world: World, make: Callable[[], Awaitable[World]]
) -> None:
    other = await make()
    ours, theirs = world.client(), other.client()
    for event in hook_stream("claude-code-simple"):
        await post_all(ours, "claude-code", [event])
        await post_all(theirs, "claude-code", [{**event, "prompt": "secret plans"}])
    session_id = "e1e94077-b581-4dbc-9f1b-e3998ee4ce59"
    assert rows(await session_of(ours, session_id)) == SIMPLE
    [prompt, *rest] = rows(await session_of(theirs, session_id))
    assert prompt == SIMPLE[0]._replace(command="secret plans")
    assert rest == SIMPLE[1:]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
async def test_events_of_concurrent_calls_may_arrive_in_any_order(world: World, first: int) -> None:
    """Each event of three calls arrives on its own connection, so in any order."""
    client = world.client()
    calls = {f"toolu_{n}": {"command": f"echo {n}"} for n in range(3)}
    begins = [
        recorded("claude-code", "PreToolUse-Bash", tool_use_id=key, tool_input=tool_input)
        for key, tool_input in calls.items()
    ]
    ends = [
        recorded(
            "claude-code",
            "PostToolUse-Bash",
            tool_use_id=key,
            tool_input=tool_input,
            tool_response={"stdout": key, "stderr": ""},
        )
        for key, tool_input in calls.items()
    ]
    order = [*begins, *ends, *ends]
    order = [order[(first + 7 * step) % len(order)] for step in range(len(order))]
    await post_all(client, "claude-code", order)
    session = await session_of(client, begins[0]["session_id"])
    assert set(rows(session)) == {Row("Bash", f"echo {n}", "ok", f"toolu_{n}") for n in range(3)}
    assert len(rows(session)) == 3
