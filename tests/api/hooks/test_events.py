"""The meaning of single events, for documented shapes beyond the recorded runs."""

from typing import Any

import pytest

from tests.api.hooks.recordings import (
    HOOKS,
    Event,
    Row,
    agent_of,
    content,
    post_all,
    recorded,
    rows,
    session_of,
)
from tests.factories import World
from tests.histories import check_histories

CALL = "toolu_11becbe5f82b46ebb8685d58"
SESSION = "e1e94077-b581-4dbc-9f1b-e3998ee4ce59"
FILES = sorted(
    (path.parent.name, path.stem)
    for path in HOOKS.glob("*/*.json")
    if path.parent.name in {"claude-code", "codex", "gemini", "opencode"}
)


def claude(name: str, **changes: Any) -> Event:
    return recorded("claude-code", name, session_id=SESSION, **changes)


def batch(response: Any) -> Event:
    call = {"tool_name": "Bash", "tool_input": {"command": "echo hi"}, "tool_use_id": CALL}
    return claude("PostToolBatch", tool_calls=[{**call, "tool_response": response}])


@pytest.mark.parametrize(("agent", "name"), FILES)
async def test_every_recorded_event_is_taken_twice(world: World, agent: str, name: str) -> None:
    client = world.client()
    event = recorded(agent, name)
    await post_all(client, agent, [event])
    once = (await client.get("/api/sessions")).json()["data"]
    await post_all(client, agent, [event])
    twice = (await client.get("/api/sessions")).json()["data"]
    assert [s["interaction_count"] for s in twice] == [s["interaction_count"] for s in once]
    belongs_to_none = {"oc-init", "oc-event-reference.updated", "oc-event-integration.updated"}
    assert len(once) == (0 if name in belongs_to_none | {"oc-event-message.part.delta"} else 1)
    agents = (await client.get("/api/agents")).json()["data"]
    assert [a["session_id"] for a in agents] == [s["external_id"] for s in once]


async def test_a_denied_call_is_closed_and_a_late_result_still_counts(world: World) -> None:
    client = world.client()
    await post_all(client, "claude-code", [claude("PreToolUse-Bash"), batch(None)])
    assert rows(await session_of(client, SESSION)) == [
        Row("Bash", "echo hi", "warning", "denied or never ran")
    ]
    await post_all(client, "claude-code", [batch("The user said no")])
    assert rows(await session_of(client, SESSION))[0].output == "denied or never ran"
    await post_all(client, "claude-code", [claude("PostToolUse-Bash", tool_use_id=CALL), batch("")])
    assert rows(await session_of(client, SESSION)) == [Row("Bash", "echo hi", "ok", "hi")]


async def test_a_failure_keeps_its_exit_code(world: World) -> None:
    client = world.client()
    failure = claude("PostToolUseFailure-Bash", error="Exit code 127\nno such command")
    await post_all(client, "claude-code", [failure])
    [row] = rows(await session_of(client, SESSION))
    assert (row.status, row.output, row.code) == ("error", "Exit code 127\nno such command", 127)


async def test_what_the_later_event_knows_is_kept_in_either_order(world: World) -> None:
    before = claude("PreToolUse-Bash", tool_use_id=CALL, planned=True)
    after = claude("PostToolUse-Bash", tool_use_id=CALL, billed=7)
    contents = []
    for number, order in enumerate(([before, after], [after, before])):
        client = world.client()
        session_id = f"either-{number}"
        await post_all(client, "claude-code", [{**e, "session_id": session_id} for e in order])
        session = await session_of(client, session_id)
        assert session["interactions"][0]["command"]["metadata"]["event"] == {
            "planned": True,
            "billed": 7,
        }
        contents.append(content(session))
    assert contents[0] == contents[1]


async def test_an_agent_waits_until_its_call_ends(world: World) -> None:
    client = world.client()
    request = claude("PermissionRequest-Bash")
    await post_all(client, "claude-code", [request])
    waiting = (await session_of(client, SESSION))["needs_input"]
    assert waiting["kind"] == "permission_request"
    await post_all(client, "claude-code", [claude("Notification-permission_prompt")])
    still = (await session_of(client, SESSION))["needs_input"]
    assert still["since"] == waiting["since"]
    assert (await agent_of(client, SESSION))["needs_input"] == still
    stuck = (await client.get("/api/sessions?needs_input=true")).json()["data"]
    assert [s["external_id"] for s in stuck] == [SESSION]
    helper = {**claude("PostToolUse-Bash-subagent"), "session_id": SESSION}
    await post_all(client, "claude-code", [helper, claude("PostToolUse-Bash")])
    assert (await session_of(client, SESSION))["needs_input"] == still
    allowed = claude("PostToolUse-Bash", tool_use_id=CALL, tool_input=request["tool_input"])
    await post_all(client, "claude-code", [allowed])
    assert (await session_of(client, SESSION))["needs_input"] is None


async def test_a_background_task_is_not_recorded_as_a_prompt(world: World) -> None:
    client = world.client()
    event = claude("UserPromptSubmit-task-notification")
    stop = claude("Stop", prompt_id=event["prompt_id"], last_assistant_message="seen")
    await post_all(client, "claude-code", [stop, event])
    session = await session_of(client, SESSION)
    [row] = rows(session)
    assert (row.module, row.status, row.output) == ("TaskNotification", "ok", "seen")
    assert row.command.startswith("<task-notification>")
    assert session["title"] is None


async def test_prompts_without_ids_are_told_apart_by_the_events_number(world: World) -> None:
    client = world.client()
    prompt, stop = claude("UserPromptSubmit", prompt="go on"), claude("Stop")
    del prompt["prompt_id"], stop["prompt_id"]
    run = [
        prompt,
        {**stop, "last_assistant_message": "half"},
        prompt,
        {**stop, "last_assistant_message": "whole"},
    ]
    for _ in range(2):
        for number, event in enumerate(run):
            numbered = {
                "X-Agent-Event-Id": f"1-{number}",
                "X-Agent-Event-Time": f"2026-11-21T08:00:0{number}Z",
            }
            sent = await client.post("/api/hooks/claude-code", json=event, headers=numbered)
            assert sent.status_code == 204
        session = await session_of(client, SESSION)
        assert rows(session) == [
            Row("UserPrompt", "go on", "ok", "half"),
            Row("UserPrompt", "go on", "ok", "whole"),
        ]
    assert session["interactions"][1]["command"]["timestamp"] == "2026-11-21T08:00:02Z"
    await post_all(client, "claude-code", run)
    assert len(rows(await session_of(client, SESSION))) == 4, "without numbers they are said anew"


@pytest.mark.parametrize("at_once", [False, True])
async def test_the_same_stop_before_and_after_a_prompt(world: World, *, at_once: bool) -> None:
    """Without prompt ids an event is recognised by its content, which may be an interaction of its
    own once and the end of another the next time, even after both have been sealed."""
    client = world.client()
    prompt, stop = claude("UserPromptSubmit"), claude("Stop")
    del prompt["prompt_id"], stop["prompt_id"]
    for order in ([stop, prompt, stop], [prompt, stop, stop]):
        session = f"{SESSION}-{order.index(prompt)}"
        events = [{**event, "session_id": session} for event in order]
        if at_once:
            await client.post("/api/hooks/claude-code/import", json=events)
        else:
            await post_all(client, "claude-code", events)
        calls = [claude("PostToolUse-Bash", tool_use_id=f"toolu_{n}") for n in range(20)]
        await post_all(client, "claude-code", [{**call, "session_id": session} for call in calls])
        told = rows(await session_of(client, session))
        assert [row.module for row in told].count("Bash") == 20
    await check_histories(world)


async def test_an_ended_session_comes_back(world: World) -> None:
    client = world.client()
    await post_all(client, "claude-code", [claude("SessionEnd-other")])
    assert (await session_of(client, SESSION))["status"] == "complete"
    assert (await agent_of(client, SESSION))["status"] == "released"
    await post_all(client, "claude-code", [claude("SessionStart-resume")])
    session = await session_of(client, SESSION)
    assert (session["status"], session["state"].get("ended")) == ("active", None)
    assert session["ended_at"] is None
    assert (await agent_of(client, SESSION))["status"] == "idle"


@pytest.mark.parametrize(
    ("verb", "body", "ended"),
    [("cancel", None, {"reason": "cancelled"}), ("fail", {"reason": "stuck"}, {"reason": "stuck"})],
)
async def test_the_end_of_its_agent_leaves_an_ended_session_as_it_is(
    world: World, verb: str, body: Any, ended: dict[str, str]
) -> None:
    client = world.client()
    await post_all(client, "claude-code", [claude("SessionStart-startup")])
    session = await session_of(client, SESSION)
    await client.post(f"/api/sessions/{session['id']}/{verb}", json=body)
    for _ in range(2):
        await post_all(client, "claude-code", [claude("SessionEnd-other")])
        session = await session_of(client, SESSION)
        assert (session["status"], session["state"]["ended"]) == ("failed", ended)
    assert (await agent_of(client, SESSION))["status"] == "released"
    events = (await client.get("/api/feed")).json()["data"]
    assert "session.completed" not in [event["name"] for event in events]
    await post_all(client, "claude-code", [claude("UserPromptSubmit")])
    assert (await session_of(client, SESSION))["status"] == "active"


async def test_the_fleet_knows_the_agent_from_any_event(world: World) -> None:
    client = world.client(**{"X-Agent-Hostname": "b%C3%BCro-7"})
    await post_all(client, "claude-code", [claude("PreToolUse-Bash")])
    agent = await agent_of(client, SESSION)
    assert (agent["codebase"], agent["hostname"]) == ("/home/dev/proj", "büro-7")
    assert agent["metadata"]["agent"] == "claude-code"
    assert agent["computed_status"] == "idle"


async def test_a_session_in_another_project_is_left_alone(world: World) -> None:
    """An account-wide token finds it; a token made for one project changes nothing and learns
    nothing. Only a metric counts the event."""
    account_wide = world.client(**{"X-Project": "*"})
    await post_all(account_wide, "claude-code", [claude("SessionStart-startup")])
    strict = world.client(await world.token_for(project_id=world.project_id))
    before = await session_of(account_wide, SESSION)
    assert before["project_id"] is None
    counted = _outside()
    await post_all(strict, "claude-code", [claude("UserPromptSubmit"), claude("SessionEnd-other")])
    assert _outside() == counted + 2
    assert await session_of(account_wide, SESSION) == before
    assert (await agent_of(account_wide, SESSION))["status"] == "idle"
    await post_all(account_wide, "claude-code", [claude("UserPromptSubmit")])
    assert len(rows(await session_of(account_wide, SESSION))) == 1


async def test_an_agent_of_another_project_is_left_alone(world: World) -> None:
    """The session's events are kept in the project of the token; the agent is not changed."""
    account_wide = world.client(**{"X-Project": "*"})
    await account_wide.put(f"/api/agents/{SESSION}", json={})
    before = await agent_of(account_wide, SESSION)
    strict = world.client(await world.token_for(project_id=world.project_id))
    counted = _outside()
    await post_all(strict, "claude-code", [claude("UserPromptSubmit"), claude("SessionEnd-other")])
    session = await session_of(strict, SESSION)
    assert (session["project_id"], session["status"]) == (world.project_id, "complete")
    assert [row.module for row in rows(session)] == ["UserPrompt"]
    assert _outside() == counted
    after = await agent_of(account_wide, SESSION)
    stored = ("project_id", "status", "heartbeat_at", "codebase", "metadata", "updated_at")
    assert [after[name] for name in stored] == [before[name] for name in stored]
    assert (await strict.get(f"/api/agents/{SESSION}")).status_code == 404


async def test_a_moved_session_takes_events_in_its_new_project(world: World) -> None:
    """Its agent stays in the old project, which a token made for the new one cannot see."""
    client = world.client()
    await post_all(client, "claude-code", [claude("SessionStart-startup")])
    other = (await client.post("/api/projects", json={"name": "Other", "slug": "other"})).json()
    session = await session_of(client, SESSION)
    await client.post(f"/api/sessions/{session['id']}/move", json={"project_id": other["id"]})
    there = world.client(await world.token_for(project_id=other["id"]))
    await post_all(there, "claude-code", [claude("PostToolUse-Bash"), claude("SessionEnd-other")])
    session = await session_of(there, SESSION)
    assert (rows(session), session["status"]) == ([Row("Bash", "echo hi", "ok", "hi")], "complete")
    left_behind = await agent_of(client, SESSION)
    assert (left_behind["project_id"], left_behind["status"]) == (world.project_id, "idle")


def _outside() -> float:
    from prometheus_client import REGISTRY  # noqa: PLC0415 - only here

    name = "agent_sessions_hook_events_outside_project_total"
    return REGISTRY.get_sample_value(name, {"agent": "claude-code"}) or 0.0
