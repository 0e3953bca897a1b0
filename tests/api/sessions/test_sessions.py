"""A session's life over HTTP."""

import json
from typing import Any

import httpx
import pytest

from tests.factories import World

BODY = {"type": "RecordedSessions"}


async def new(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await http.post("/api/sessions", json={**BODY, **fields})
    assert response.status_code == 201, response.text
    session: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/sessions/{session['id']}"
    return session


async def test_a_new_session_has_its_defaults(world: World) -> None:
    session = await new(world.client(), title="Fix it", agent="claude_code", environment="local")
    times = {name: session.pop(name) for name in ("inserted_at", "updated_at")}
    assert all(value.endswith("Z") for value in times.values())
    assert session == {
        "id": session["id"],
        "type": "RecordedSessions",
        "agent": "claude_code",
        "client": None,
        "environment": "local",
        "status": "active",
        "title": "Fix it",
        "state": {},
        "account_id": world.account_id,
        "project_id": world.project_id,
        "component_id": None,
        "user_id": world.user_id,
        "parent_session_id": None,
        "external_id": None,
        "needs_input": None,
        "interaction_count": 0,
        "last_interaction": None,
        "version": 1,
        "ended_at": None,
        "interactions": [],
    }


@pytest.mark.parametrize(
    ("verb", "body", "status", "ended"),
    [
        ("complete", None, "complete", None),
        ("fail", {"reason": "out of ideas"}, "failed", {"reason": "out of ideas"}),
        ("cancel", None, "failed", {"reason": "cancelled"}),
        ("cancel", {"reason": "enough"}, "failed", {"reason": "cancelled", "message": "enough"}),
    ],
)
async def test_a_session_ends_once(
    world: World, verb: str, body: Any, status: str, ended: Any
) -> None:
    client = world.client()
    session = await new(client)
    path = f"/api/sessions/{session['id']}"
    response = await client.post(f"{path}/{verb}", json=body)
    assert response.status_code == 200
    after = response.json()
    assert (after["status"], after["state"].get("ended")) == (status, ended)
    assert after["ended_at"] is not None
    assert after["version"] == 2
    for again, reason in (("complete", None), ("fail", {"reason": "x"}), ("cancel", None)):
        refused = await client.post(f"{path}/{again}", json=reason)
        assert (refused.status_code, refused.json()["code"]) == (409, "session_ended")
        assert refused.json()["session_status"] == status
    reopened = (await client.post(f"{path}/reopen")).json()
    assert (reopened["status"], reopened["ended_at"], reopened["state"]) == ("active", None, {})


async def test_only_recorded_sessions_reopen(world: World) -> None:
    client = world.client()
    session = await new(client, type="ComponentCodingSessions")
    await client.post(f"/api/sessions/{session['id']}/complete")
    response = await client.post(f"/api/sessions/{session['id']}/reopen")
    assert (response.status_code, response.json()["code"]) == (409, "has_workflow")


async def test_state_is_merge_patched(world: World) -> None:
    client = world.client()
    session = await new(client, state={"a": 1, "b": {"c": 2, "d": 3}, "e": [1]})
    patch = {"state": {"a": None, "b": {"c": None, "x": {"y": None}}, "e": {"f": 1}, "g": "h"}}
    response = await client.patch(f"/api/sessions/{session['id']}", json=patch)
    assert response.json()["state"] == {"b": {"d": 3, "x": {}}, "e": {"f": 1}, "g": "h"}


@pytest.mark.parametrize(("before", "after"), [(1, True), (False, 0), ([[1]], [[True]])])
async def test_true_and_one_are_not_the_same(world: World, before: Any, after: Any) -> None:
    """Python calls them equal, so a change between them could be answered and never stored."""
    client = world.client()
    session = await new(client, state={"done": before})
    path = f"/api/sessions/{session['id']}"
    assert (await client.patch(path, json={"state": {"done": after}})).status_code == 200
    state = (await client.get(path)).json()["state"]
    assert json.dumps(state) == json.dumps({"done": after})


async def test_a_state_can_be_sent_back_as_received(world: World) -> None:
    """Even one with a large number that was never an integer, after an event has changed it."""
    client = world.client()
    state = {"large": 1e22, "listed": [[-1.5e300]]}
    session = await new(client, external_id="large", state=state)
    path = f"/api/sessions/{session['id']}"
    await client.post("/api/hooks/claude-code", json={"session_id": "large", "cwd": "/tmp"})
    answered = (await client.get(path)).json()["state"]
    assert answered == {**state, "cwd": "/tmp"}
    again = await client.patch(path, json={"state": answered})
    assert (again.status_code, again.json()["state"]) == (200, answered)


async def test_a_patch_changes_only_the_fields_it_names(world: World) -> None:
    client = world.client()
    session = await new(client, title="before", environment="local")
    path = f"/api/sessions/{session['id']}"
    changed = (await client.patch(path, json={"title": None})).json()
    assert (changed["title"], changed["environment"], changed["version"]) == (None, "local", 2)
    refused = await client.patch(path, json={"status": "complete"})
    assert [e["path"] for e in refused.json()["errors"]] == ["status"]


async def test_secrets_are_not_stored(world: World) -> None:
    client = world.client()
    secret = "sk-ant-" + "api03-" + "A1b2C3d4" * 11
    session = await new(client, title=f"use {secret}", state={"password": "hunter2hunter2"})
    path = f"/api/sessions/{session['id']}"
    await client.post(
        f"{path}/interactions",
        json={
            "command": {
                "module": "Bash",
                "command": f"export KEY={secret}",
                "pipe": secret,
                "metadata": {"deep": [{"note": secret}]},
            },
            "result": {
                "status": "error",
                "stdout": secret,
                "stderr": secret,
                "error_message": secret,
                "data": {"x": secret},
            },
        },
    )
    async with world.db() as db:
        rows = await db.driver.fetch("SELECT to_jsonb(s)::text AS text FROM sessions s")
    assert len(rows) == 1
    assert secret not in rows[0]["text"]
    assert "hunter2" not in rows[0]["text"]
    assert rows[0]["text"].count("[REDACTED:") >= 8


async def test_long_output_is_cut_in_the_middle(world: World) -> None:
    client = world.client()
    session = await new(client)
    text = "a" * 200_000 + "é" * 200_000
    response = await client.post(
        f"/api/sessions/{session['id']}/interactions",
        json={"command": {"module": "Bash"}, "result": {"status": "ok", "stdout": text}},
    )
    stdout = response.json()["result"]["stdout"]
    assert len(stdout.encode()) <= 256 * 1024
    head, marker, tail = stdout.split("\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    missing = len(text.encode()) - len(head.encode()) - len(tail.encode())
    assert marker == f"[… {missing} bytes truncated …]"


async def test_an_external_id_is_taken_once(world: World) -> None:
    client = world.client()
    session = await new(client, external_id="conversation-1")
    again = await client.post("/api/sessions", json={**BODY, "external_id": "conversation-1"})
    assert (again.status_code, again.json()["code"]) == (409, "external_id_taken")
    found = (await client.get("/api/sessions?external_id=conversation-1")).json()["data"]
    assert [row["id"] for row in found] == [session["id"]]
    project = await client.post("/api/projects", json={"name": "Other", "slug": "other"})
    elsewhere = world.client(**{"X-Project": str(project.json()["id"])})
    hidden = await elsewhere.post("/api/sessions", json={**BODY, "external_id": "conversation-1"})
    assert (hidden.status_code, hidden.json()["code"]) == (409, "key_in_other_project")


async def test_filters_and_pages(world: World) -> None:
    client = world.client()
    made = [
        await new(
            client, title=f"task {n} 100%", environment="local" if n % 2 else "vscode", **extra
        )
        for n, extra in enumerate([{}] * 5 + [{"client": "aider"}, {}])
    ]
    ids = [session["id"] for session in made]
    await client.post(f"/api/sessions/{ids[0]}/complete")

    async def listed(query: str) -> list[int]:
        found: list[int] = []
        cursor = ""
        while True:
            response = await client.get(f"/api/sessions?limit=2&{query}{cursor}")
            page = response.json()
            found += [row["id"] for row in page["data"]]
            if page["next_cursor"] is None:
                return found
            assert len(page["data"]) == 2
            cursor = f"&cursor={page['next_cursor']}"

    assert await listed("") == [ids[0], *ids[:0:-1]]
    assert await listed("sort=id") == ids[::-1]
    assert await listed("status=complete") == [ids[0]]
    assert sorted(await listed("status=complete&status=active")) == ids
    assert await listed("environment=vscode&status=active") == [ids[6], ids[4], ids[2]]
    assert await listed("q=TASK 3") == [ids[3]]
    assert len(await listed("q=100%25")) == 7
    assert await listed("q=0_0") == []
    assert await listed("needs_input=true") == []
    assert await listed("client=aider") == [ids[5]]
    assert await listed("type=ComponentCodingSessions") == []
    after = made[4]["updated_at"].replace("+", "%2B")
    assert await listed(f"updated_after={after}") == [ids[0], ids[6], ids[5]]
    narrowed = await client.get(f"/api/sessions?project_id={world.project_id}")
    assert narrowed.status_code == 422
    wide = await client.get(
        f"/api/sessions?project_id={world.project_id}", headers={"X-Project": "*"}
    )
    assert len(wide.json()["data"]) == 7


async def test_lists_summarise(world: World) -> None:
    client = world.client()
    session = await new(client)
    path = f"/api/sessions/{session['id']}/interactions"
    await client.post(path, json={"command": {"module": "Bash", "command": "x" * 500}})
    [row] = (await client.get("/api/sessions")).json()["data"]
    assert "interactions" not in row
    assert row["interaction_count"] == 1
    assert row["last_interaction"] == {
        "seq": 1,
        "module": "Bash",
        "command": "x" * 200,
        "step_name": None,
        "status": None,
    }


async def test_moving_is_for_administrators(world: World) -> None:
    client = world.client()
    other = (await client.post("/api/projects", json={"name": "Other", "slug": "other"})).json()
    session = await new(client)
    path = f"/api/sessions/{session['id']}/move"
    editor = world.client(await world.token_for("editor"))
    assert (await editor.post(path, json={"project_id": None})).status_code == 403
    moved = await client.post(path, json={"project_id": other["id"]})
    assert moved.json()["project_id"] == other["id"]
    missing = await client.post(path, json={"project_id": 2**40})
    assert [e["path"] for e in missing.json()["errors"]] == ["project_id"]


async def test_deleting_takes_the_history_and_spares_the_children(world: World) -> None:
    client = world.client()
    parent = await new(client)
    child = await new(client, parent_session_id=parent["id"])
    path = f"/api/sessions/{parent['id']}"
    await client.post(f"{path}/interactions", json=[{"command": {"module": "Bash"}}] * 30)
    editor = world.client(await world.token_for("editor"))
    assert (await editor.delete(path)).status_code == 403
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    kept = (await client.get(f"/api/sessions/{child['id']}")).json()
    assert kept["parent_session_id"] is None
    async with world.db() as db:
        for table in ("interaction_pages", "interaction_keys"):
            assert await db.driver.fetchval(f"SELECT count(*) FROM {table}") == 0
