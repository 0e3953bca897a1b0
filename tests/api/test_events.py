"""Every write, whichever way it comes, records the events that the catalogue promises."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from app import feed, jobs
from app.schemas.events import ENTITY_IDS, EVENTS, NoPayload, SessionPayload
from tests.api.operations import BODIES, ORCHESTRATION, QUERIES, make_rows
from tests.api.stories import ELSEWHERE, STORIES
from tests.api.test_tenancy import OPERATIONS, Operation
from tests.factories import World
from tests.factories.runs import make_device, post

DOCS = Path(__file__).parents[2] / "docs"
WIDE = {"X-Project": "*"}
WRITES = [o for o in OPERATIONS if o.method != "GET" and o.name not in ELSEWHERE]
seen: set[str] = set()


async def make_more(world: World) -> dict[str, Any]:
    """Make the rows that only some operations need."""
    client, admin = world.client(), world.client(await world.token_for("admin"))
    ids = await make_rows(world)
    actions = f"/api/orchestrations/{ids['orchestration_id']}/actions"
    members = (await client.get("/api/members")).json()["data"]
    plain = await post(client, actions, {"event_type": "deploy", "is_reversible": True})
    theirs = await post(admin, "/api/orchestrations", ORCHESTRATION)
    critical = {"event_type": "deploy", "critical": True}
    await post(admin, f"/api/orchestrations/{theirs['session_id']}/actions", critical)
    decisions = (await client.get("/api/decisions", headers=WIDE)).json()["data"]
    workflow = await post(client, "/api/sessions", {"type": "ContextDesignSessions"})
    token = await post(client, "/api/tokens", {"name": "spare", "scopes": ["read"]})
    return ids | {
        "plain_action_id": plain["action_id"],
        "other_member_id": next(m["id"] for m in members if m["role"] == "admin"),
        "other_decision_id": next(
            d["decision_id"] for d in decisions if d["decision_id"] != ids["decision_id"]
        ),
        "unused_device_id": await make_device(client, name="unused"),
        "workflow_id": workflow["id"],
        "spare_token_id": token["id"],
    }


def filled(value: Any, ids: dict[str, Any]) -> Any:
    """Put ids in place of `{name}`; a text that is nothing else becomes the id itself."""
    if isinstance(value, dict):
        return {key: filled(below, ids) for key, below in value.items()}
    if not isinstance(value, str):
        return value
    name = value.removeprefix("{").removesuffix("}")
    return ids[name] if value == f"{{{name}}}" else value.format(**ids)


async def events_after(world: World, sequence: str) -> list[dict[str, Any]]:
    page = await world.client().get(f"/api/feed?after={sequence}&limit=100", headers=WIDE)
    data: list[dict[str, Any]] = page.json()["data"]
    return data


@pytest.mark.parametrize("operation", WRITES, ids=[o.name for o in WRITES])
async def test_every_writing_route_records_its_events(operation: Operation, world: World) -> None:
    story, client = STORIES[operation.name], world.client()
    ids = await make_more(world)
    for request, body in story.before:
        method, _, path = request.rpartition(" ")
        before = await client.request(method or "POST", filled(path, ids), json=filled(body, ids))
        assert before.is_success, before.text
    last = (await client.get("/api/feed?limit=100", headers=WIDE)).json()["next_cursor"]
    ids |= filled(story.ids, ids)
    body = BODIES.get(operation.name)
    if story.body:
        body = {**(body or {}), **filled(story.body, ids)}
    answer = await client.request(
        operation.method, operation.url(ids), json=body, params=QUERIES.get(operation.name)
    )
    assert answer.is_success, answer.text
    events = await events_after(world, last)
    assert [event["name"] for event in events] == story.events
    seen.update(story.events)


HOOKS: list[tuple[dict[str, Any], list[str]]] = [
    ({"hook_event_name": "SessionStart"}, ["agent.registered", "session.created"]),
    ({"hook_event_name": "PermissionRequest", "tool_name": "Bash"}, ["session.needs_input"]),
    (
        {"hook_event_name": "PreToolUse", "tool_use_id": "1", "tool_name": "Bash"},
        ["interaction.created"],
    ),
    (
        {"hook_event_name": "PostToolUse", "tool_use_id": "1", "tool_name": "Bash"},
        ["interaction.completed", "session.resumed"],
    ),
    ({"hook_event_name": "SessionEnd"}, ["agent.released", "session.completed"]),
    ({"hook_event_name": "SessionStart"}, ["session.reopened", "agent.revived"]),
]
JOBS = ["claim.released", "agent.stale", "instance.stale"]
FAILED = ["action.failed"]
NEW_ACCOUNT = ["account.created", "token.created"]


async def test_hooks_record_the_same_events_as_routes(world: World) -> None:
    client, last = world.client(), "0"
    for body, expected in HOOKS:
        page = await client.get(f"/api/feed?after={last}&limit=100", headers=WIDE)
        last = page.json()["next_cursor"]
        event = {"session_id": "agent", **body}
        assert (await client.post("/api/hooks/claude-code", json=event)).status_code == 204
        events = await events_after(world, last)
        assert [event["name"] for event in events] == expected
        session = [e["payload"] for e in events if e["entity_kind"] == "session"]
        assert all(payload.keys() == {"status", "version"} for payload in session)
        # One event of a hook is one write: whatever it changes, the version rises once.
        stored = (await client.get("/api/sessions?external_id=agent")).json()["data"][0]
        assert {payload["version"] for payload in session} <= {stored["version"]}
    assert stored["version"] == len(HOOKS)


async def test_background_jobs_record_their_events(world: World) -> None:
    await make_rows(world)
    async with world.db() as db:
        for table, column in (
            ("claude_sessions", "heartbeat_at"),
            ("supervisor_sessions", "last_heartbeat"),
        ):
            await db.driver.execute(
                f"UPDATE {table} SET {column} = now() - interval '2 hours' WHERE account_id = $1",
                world.account_id,
            )
    last = (await world.client().get("/api/feed?limit=100", headers=WIDE)).json()["next_cursor"]
    await jobs.mark_stale(world.database, world.account_id)
    names = [event["name"] for event in await events_after(world, last)]
    assert sorted(names) == sorted(JOBS)


async def test_action_fails_for_good_after_its_retries(world: World) -> None:
    client = world.client()
    made = await post(client, "/api/orchestrations", {"session_type": "venture_workflow"})
    path = f"/api/orchestrations/{made['session_id']}/actions"
    action = await post(client, path, {"event_type": "deploy", "max_retries": 0})
    one = f"{path}/{action['action_id']}"
    await post(client, f"{one}/start", None, 200)
    last = (await client.get("/api/feed?limit=100")).json()["next_cursor"]
    await post(client, f"{one}/fail", BODIES["fail_action"], 200)
    assert [event["name"] for event in await events_after(world, last)] == FAILED


async def test_new_account_starts_its_feed(world: World) -> None:
    made = await post(world.client(), "/api/accounts", BODIES["create_account"])
    headers = {"Authorization": f"Bearer {made['token']}", **WIDE}
    page = (await world.client().get("/api/feed", headers=headers)).json()
    assert [event["name"] for event in page["data"]] == NEW_ACCOUNT


def test_every_event_of_the_catalogue_is_recorded_by_one_of_these_tests() -> None:
    told = {name for story in STORIES.values() for name in story.events}
    told |= {name for _, names in HOOKS for name in names}
    assert told | {*JOBS, *FAILED, *NEW_ACCOUNT} == set(EVENTS)
    assert {name.partition(".")[0] for name in EVENTS} == set(ENTITY_IDS)
    assert {operation.name for operation in WRITES} == set(STORIES)


def test_events_outside_the_catalogue_are_refused(world: World) -> None:
    scope, payload = world.scope(), SessionPayload(status="active", version=1)
    with pytest.raises(KeyError):
        feed.event(scope, "session.exploded", 1, payload)
    with pytest.raises(TypeError):
        feed.event(scope, "session.updated", 1, NoPayload())
    assert feed.event(scope, "session.updated", 1, payload).entity_kind == "session"


def test_document_of_events_is_up_to_date() -> None:
    render = runpy.run_path(str(DOCS / "generate.py"))["events"]
    assert (DOCS / "events.md").read_text() == render(), "run `make documents`"
