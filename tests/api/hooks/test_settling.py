"""Prompts, calls and waits end with whatever ends them, and with nothing else."""

from typing import Any

import httpx
import pytest

from tests.api.hooks.recordings import Event, Row, post_all, rows, session_of
from tests.factories import World

SESSION = "settling"
INTERRUPTED = "interrupted"


def event(name: str, **fields: Any) -> Event:
    return {"hook_event_name": name, "session_id": SESSION, **fields}


def prompt(text: str, prompt_id: str) -> Event:
    return event("UserPromptSubmit", prompt=text, prompt_id=prompt_id)


def stop(prompt_id: str, answer: str = "done", **fields: Any) -> Event:
    return event("Stop", prompt_id=prompt_id, last_assistant_message=answer, **fields)


def call(name: str, number: str, command: str, **fields: Any) -> Event:
    return event(
        name, tool_use_id=number, tool_name="Bash", tool_input={"command": command}, **fields
    )


async def told(client: httpx.AsyncClient, *events: Event, agent: str = "claude-code") -> list[Row]:
    await post_all(client, agent, events)
    return rows(await session_of(client, SESSION))


async def test_queued_prompt_with_the_same_id_is_a_prompt(world: World) -> None:
    first, queued = prompt("sort the mail", "p1"), prompt("by street, please", "p1")
    assert await told(world.client(), first, queued, first, stop("p1", "Sorted.")) == [
        Row("UserPrompt", "sort the mail", "ok"),
        Row("UserPrompt", "by street, please", "ok", "Sorted."),
    ]


async def test_tool_id_used_again_with_other_input_is_another_call(world: World) -> None:
    once = call("PreToolUse", "t1", "ls"), call("PostToolUse", "t1", "ls", tool_response="a")
    again = call("PreToolUse", "t1", "pwd"), call("PostToolUse", "t1", "pwd", tool_response="/")
    for _ in range(2):
        assert await told(world.client(), *once, *again) == [
            Row("Bash", "ls", "ok", "a"),
            Row("Bash", "pwd", "ok", "/"),
        ]


async def test_call_whose_input_a_hook_rewrote_is_one_call(world: World) -> None:
    rewritten = call("PostToolUse", "t1", "ls -l", tool_response="a")
    events = call("PreToolUse", "t1", "ls"), rewritten, rewritten
    assert await told(world.client(), *events) == [Row("Bash", "ls", "ok", "a")]


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        (event("SessionEnd", reason="other"), "warning", "the session has ended"),
        (event("SessionStart", source="resume"), "warning", "the agent was started anew"),
        (prompt("something else", "p2"), "warning", "another prompt followed"),
        (event("Interrupt", prompt_id="p1"), "warning", INTERRUPTED),
        (event("Interrupt"), "warning", INTERRUPTED),
    ],
    ids=["end", "restart", "next-prompt", "interrupt", "interrupt-without-id"],
)
async def test_open_prompt_and_call_end_with_what_ends_them(
    world: World, ending: Event, status: str, reason: str
) -> None:
    client = world.client()
    found = await told(
        client, prompt("build", "p1"), call("PreToolUse", "t1", "make", prompt_id="p1"), ending
    )
    assert found[:2] == [
        Row("UserPrompt", "build", status, reason),
        Row("Bash", "make", status, reason),
    ]
    # A real result that arrives late replaces the closure.
    late = call("PostToolUse", "t1", "make", tool_response="built"), stop("p1", "Built.")
    assert (await told(client, *late))[:2] == [
        Row("UserPrompt", "build", "ok", "Built."),
        Row("Bash", "make", "ok", "built"),
    ]


async def test_failed_turn_ends_its_prompt_and_calls(world: World) -> None:
    failure = event(
        "StopFailure", prompt_id="p1", error="unknown", last_assistant_message="API Error: 503"
    )
    events = prompt("build", "p1"), call("PreToolUse", "t1", "make", prompt_id="p1"), failure
    [asked, called] = await told(world.client(), *events)
    assert asked == Row("UserPrompt", "build", "error", "API Error: 503")
    assert (called.status, called.output) == ("warning", "the turn ended before the result")


async def test_failure_of_a_subagent_leaves_the_prompt_to_its_agent(world: World) -> None:
    client = world.client()
    helper = {"agent_id": "a1", "agent_type": "Explore", "prompt_id": "p1"}
    failure = event("StopFailure", error="busy", last_assistant_message="API Error", **helper)
    events = (
        prompt("build", "p1"),
        call("PreToolUse", "t1", "make", prompt_id="p1"),
        call("PreToolUse", "t2", "look", **helper),
        failure,
    )
    found = await told(client, *events)
    assert found[:3] == [
        Row("UserPrompt", "build"),
        Row("Bash", "make"),
        Row("Bash", "look", "error", "API Error"),
    ]
    assert (await told(client, stop("p1")))[0] == Row("UserPrompt", "build", "ok", "done")


async def test_end_of_a_subagent_ends_its_calls_alone(world: World) -> None:
    helper = {"agent_id": "a1", "agent_type": "Explore"}
    events = (
        call("PreToolUse", "t1", "make"),
        call("PreToolUse", "t2", "look", **helper),
        event("SubagentStop", **helper),
    )
    found = await told(world.client(), *events)
    assert found[:2] == [
        Row("Bash", "make"),
        Row("Bash", "look", "warning", "the subagent has ended"),
    ]


async def test_compaction_leaves_the_turn_open(world: World) -> None:
    events = prompt("build", "p1"), event("SessionStart", source="compact")
    assert await told(world.client(), *events) == [Row("UserPrompt", "build")]


async def test_call_that_begins_after_the_end_of_its_session_is_closed(world: World) -> None:
    client = world.client()
    late = event("SessionEnd", reason="other"), call("PreToolUse", "t1", "make")
    [row] = await told(client, *late)
    assert (row.status, row.output) == ("warning", "the session has ended")
    assert (await session_of(client, SESSION))["status"] == "complete"


async def test_repeated_prompt_does_not_reopen_an_ended_session(world: World) -> None:
    client = world.client()
    asked = prompt("build", "p1")
    await told(client, asked, stop("p1"), event("SessionEnd", reason="other"), asked)
    assert (await session_of(client, SESSION))["status"] == "complete"
    agents = (await client.get("/api/agents")).json()["data"]
    assert [agent["status"] for agent in agents] == ["released"]
    await told(client, prompt("and test", "p2"))
    assert (await session_of(client, SESSION))["status"] == "active"


async def test_denied_call_ends_the_wait_for_it(world: World) -> None:
    client = world.client()
    tool_input = {"command": "rm -r build"}
    asked = event("PermissionRequest", tool_name="Bash", tool_input=tool_input)
    await told(client, call("PreToolUse", "t1", "rm -r build"), asked)
    assert (await session_of(client, SESSION))["needs_input"]["message"] == "Bash: rm -r build"
    denied = {"tool_use_id": "t1", "tool_name": "Bash", "tool_input": tool_input}
    [row] = await told(client, event("PostToolBatch", tool_calls=[denied]))
    assert (row.status, row.output) == ("warning", "denied or never ran")
    assert (await session_of(client, SESSION))["needs_input"] is None


async def test_event_that_is_not_quite_json_is_repaired(world: World) -> None:
    client = world.client()
    bodies = [
        b'\xef\xbb\xbf{"hook_event_name":"UserPromptSubmit","session_id":"settling",'
        b'"prompt_id":"1","prompt":"half \\ud83d of it"}',
        b'{"hook_event_name":"UserPromptSubmit","session_id":"settling","prompt_id":"1",'
        b'"prompt":"caf\xe9 \\\\ud83d \\ud83d\\ude00"}',
        '{"hook_event_name":"UserPromptSubmit","session_id":"settling","prompt_id":"1",'
        '"prompt":"sixteen"}'.encode("utf-16"),
    ]
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/api/hooks/claude-code", content=body, headers=headers)
        assert answer.status_code == 204, answer.text
    refused = await client.post("/api/hooks/claude-code", content=b"{nothing", headers=headers)
    assert refused.status_code == 400
    assert [row.command for row in rows(await session_of(client, SESSION))] == [
        "half \ufffd of it",
        "caf\ufffd \\ud83d 😀",
        "sixteen",
    ]


async def test_transcript_corrects_a_result_without_exit_code(world: World) -> None:
    client = world.client()
    seen = call("PostToolUse", "t1", "make", tool_response="no rule")
    assert await told(client, seen) == [Row("Bash", "make", "ok", "no rule")]
    response = {"stdout": "no rule", "exit_code": 3}
    known = call("PostToolUse", "t1", "make", tool_response=response, corrects=True)
    other = call("PostToolUse", "t1", "make", tool_response="else", corrects=True)
    for _ in range(2):
        sent = await client.post("/api/hooks/claude-code/import", json=[known, other])
        assert sent.status_code == 200
        assert rows(await session_of(client, SESSION)) == [
            Row("Bash", "make", "error", "no rule", 3)
        ]


async def test_model_of_the_harness_is_not_recorded(world: World) -> None:
    client = world.client()
    await told(client, event("SessionStart", model="model-k"), event("Stop", model="<synthetic>"))
    assert (await session_of(client, SESSION))["state"]["model"] == "model-k"


async def test_session_is_linked_to_its_parent(world: World) -> None:
    client = world.client()
    parent = {"type": "session.created", "properties": {"info": {"id": "ses_1"}}}
    child = {"id": SESSION, "parentID": "ses_1", "directory": "/src"}
    created = {"type": "session.created", "properties": {"info": child}}
    await post_all(client, "opencode", [parent, created])
    first, second = await session_of(client, "ses_1"), await session_of(client, SESSION)
    assert second["parent_session_id"] == first["id"]
