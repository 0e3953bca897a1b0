"""Bad input is a 4xx problem that names the field; nothing is written."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.factories import World

JSON = {"Content-Type": "application/json"}
SESSION = '{"type": "RecordedSessions"'


@pytest.fixture
async def path(world: World) -> str:
    """The path of the interactions of a new session."""
    created = await world.client().post("/api/sessions", json={"type": "RecordedSessions"})
    return f"/api/sessions/{created.json()['id']}/interactions"


def problem(response: httpx.Response) -> tuple[int, str, list[str]]:
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert {"type", "title", "detail", "code", "request_id"} <= set(body)
    return response.status_code, body["code"], [e["path"] for e in body.get("errors", [])]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", (400, "malformed", [])),
        ("{", (400, "malformed", [])),
        (b'{"type": "\xff"}', (400, "malformed", [])),
        (b'{"type": "\\ud800"}', (400, "malformed", [])),
        (f'{SESSION}, "state": {{"x": NaN}}}}', (400, "malformed", [])),
        (f'{SESSION}, "state": {{"x": Infinity}}}}', (400, "malformed", [])),
        ("null", (422, "invalid", [""])),
        ("[]", (422, "invalid", [""])),
        ('"text"', (422, "invalid", [""])),
        ("{}", (422, "invalid", ["type"])),
        ('{"type": 7}', (422, "invalid", ["type"])),
        ('{"type": "Unknown"}', (422, "invalid", ["type"])),
        (f'{SESSION}, "agnet": null}}', (422, "invalid", ["agnet"])),
        (f'{SESSION}, "agent": "codex"}}', (422, "invalid", ["agent"])),
        (f'{SESSION}, "component_id": 12345678}}', (422, "invalid", ["component_id"])),
        (f'{SESSION}, "component_id": "1"}}', (422, "invalid", ["component_id"])),
        (f'{SESSION}, "component_id": 0}}', (422, "invalid", ["component_id"])),
        (f'{SESSION}, "component_id": {2**63}}}', (422, "invalid", ["component_id"])),
        (f'{SESSION}, "state": {{"x": {2**64}}}}}', (422, "invalid", ["state.x"])),
        (f'{SESSION}, "state": {{"x": "\\u0000"}}}}', (422, "invalid", ["state.x"])),
        (f'{SESSION}, "state": {{"\\u0000": 1}}}}', (422, "invalid", ["state.(key)"])),
        (f'{SESSION}, "title": "a\\u0000b"}}', (422, "invalid", ["title"])),
        (f'{SESSION}, "title": "{"x" * 201}"}}', (422, "invalid", ["title"])),
        (f'{SESSION}, "state": {{"x": {deep(100)}}}}}', (422, "invalid", ["state.x.0.0.0.0.0.0"])),
        (f'{SESSION}, "title": 1, "agent": 2}}', (422, "invalid", ["agent", "title"])),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_bad_session(
    world: World, body: str | bytes, expected: tuple[int, str, list[str]]
) -> None:
    client = world.client()
    response = await client.post("/api/sessions", content=body, headers=JSON)
    assert problem(response) == expected
    assert (await client.get("/api/sessions")).json()["data"] == []


async def test_an_unknown_type_lists_the_known_ones(world: World) -> None:
    response = await world.client().post("/api/sessions", json={"type": "Unknown"})
    assert "ComponentCodingSessions" in response.json()["errors"][0]["message"]


async def test_deep_but_not_too_deep(world: World) -> None:
    """Brackets inside strings do not count as nesting."""
    for state in (f'{{"x": {deep(60)}}}', '{"x": "' + "[{(" * 500 + '"}'):
        response = await world.client().post(
            "/api/sessions", content=f'{SESSION}, "state": {state}}}', headers=JSON
        )
        assert response.status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"command": {}}, ["command.module"]),
        ({"command": {"module": ""}}, ["command.module"]),
        ({"command": {"module": "Bash", "comand": "ls"}}, ["command.comand"]),
        (
            {"command": {"module": "Bash", "timestamp": "2026-01-01T00:00:00"}},
            ["command.timestamp"],
        ),
        ({"command": {"module": "Bash"}, "id": "7"}, ["id"]),
        ({"command": {"module": "Bash"}, "result": {"status": "fine"}}, ["result.status"]),
        (
            {"command": {"module": "Bash"}, "result": {"status": "ok", "duration_ms": -1}},
            ["result.duration_ms"],
        ),
        ({"command": {"module": "a\0b"}}, ["command.module"]),
        ([], [""]),
        (
            [{"command": {"module": "Bash"}}, {"command": {"module": 1}}, {}],
            ["1.command.module", "2.command"],
        ),
        ([{"command": {"module": "Bash"}}] * 501, [""]),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_bad_interaction(world: World, path: str, body: Any, expected: list[str]) -> None:
    client = world.client()
    response = await client.post(path, json=body)
    status, code, fields = problem(response)
    assert (status, code) == (422, "invalid")
    assert fields == expected
    session = (await client.get(path.removesuffix("/interactions"))).json()
    assert (session["interaction_count"], session["version"]) == (0, 1)


async def test_agent_output_survives_a_nul_byte(world: World, path: str) -> None:
    body = {"command": {"module": "Bash"}, "result": {"status": "ok", "stdout": "a\0b\\u0000"}}
    response = await world.client().post(path, json=body)
    assert response.json()["result"]["stdout"] == "a\ufffdb\\u0000"


@pytest.mark.parametrize(
    ("path", "field", "text"),
    [
        ("/api/accounts", "slug", "another"),
        ("/api/projects", "slug", "another"),
        ("/api/members", "email", "a@example.test"),
        ("/api/work-items", "key", "SD-1"),
        ("/api/devices", "device_id", "press-1"),
    ],
)
async def test_a_name_may_not_end_in_a_line_break(
    world: World, path: str, field: str, text: str
) -> None:
    """`$` in a pattern also matches before a final line break."""
    name = "title" if path == "/api/work-items" else "name"
    body = {name: "Another", field: f"{text}\n"}
    if field == "email":
        body["role"] = "viewer"
    answer = await world.client().post(path, json=body)
    assert problem(answer) == (422, "invalid", [field])
    assert (await world.client().post(path, json={**body, field: text})).status_code == 201


async def test_times_outside_utc_are_refused(world: World, path: str) -> None:
    client = world.client()
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        token = await client.post("/api/tokens", json={"name": "t", "expires_at": moment})
        assert problem(token) == (422, "invalid", ["expires_at"])
        told = {"command": {"module": "Bash", "timestamp": moment, "command": moment}}
        batch = await client.post(path, json=[{"command": {"module": "Bash"}}, told])
        assert problem(batch) == (422, "invalid", ["1.command.timestamp"])
        told["command"]["timestamp"] = "9999-12-31T23:59:59Z"
        assert (await client.post(path, json=told)).status_code == 201
        spelled_out = json.dumps({"name": "t", "expires_at": moment}).replace("9", r"\u0039")
        spelled_out = spelled_out.replace('"0', r'"\u0030')
        json_type = {"Content-Type": "application/json"}
        token = await client.post("/api/tokens", content=spelled_out, headers=json_type)
        assert problem(token) == (422, "invalid", ["expires_at"])


ITEM_KEYS = ("availability_rank", "track", "sequence_rank", "key")


async def test_a_forged_cursor_is_refused(world: World) -> None:
    instance = {"project": "p", "instance_type": "PS", "instance_id": "p-PS-abc123"}
    await world.client().post("/api/instances", json=instance)
    timeline = "instances/p-PS-abc123/timeline"
    for path, keys in (
        (timeline, {"at": "9999-12-31T23:59:59-14:00", "log": 1, "key": 1}),
        (timeline, {"at": "2026-11-21T00:00:00Z", "log": 1, "key": 2**63}),
        ("sessions", {"updated_at": "9999-12-31T23:59:59-14:00", "id": 1}),
        ("sessions", {"updated_at": "2026-11-21T00:00:00", "id": 1}),
        ("sessions", {"updated_at": "2026-11-21T00:00:00Z", "id": 2**63}),
        ("work-items", dict(zip(ITEM_KEYS, (2**40, "A", 1, "x"), strict=True))),
        ("work-items", dict(zip(ITEM_KEYS, (0, "A", 2**31, "x"), strict=True))),
        ("work-items", dict(zip(ITEM_KEYS, (0, "A", -(2**31) - 1, "x"), strict=True))),
        ("devices", {"inserted_at": "2026-11-21T00:00:00Z", "device_id": "\0"}),
    ):
        cursor = base64.urlsafe_b64encode(json.dumps(keys).encode()).decode()
        answer = await world.client().get(f"/api/{path}", params={"cursor": cursor})
        assert problem(answer) == (422, "invalid", ["cursor"]), keys


async def test_a_project_number_of_many_digits_is_not_found(world: World) -> None:
    answer = await world.client(**{"X-Project": "9" * 5000}).get("/api/sessions")
    assert problem(answer)[:2] == (404, "not_found")


async def test_wrong_content_type(world: World) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = await world.client().post(
            "/api/sessions",
            content='{"type": "RecordedSessions"}',
            headers={"Content-Type": content_type},
        )
        assert problem(response)[:2] == (415, "unsupported_media_type")


async def test_a_body_that_is_too_large(world: World) -> None:
    body = b'{"type": "RecordedSessions", "title": "' + b"x" * (9 * 1024 * 1024) + b'"}'
    client = world.client()
    response = await client.post("/api/sessions", content=body, headers=JSON)
    assert problem(response)[:2] == (413, "too_large")

    async def chunks() -> Any:
        for start in range(0, len(body), 1024 * 1024):
            yield body[start : start + 1024 * 1024]

    response = await client.post("/api/sessions", content=chunks(), headers=JSON)
    assert problem(response)[:2] == (413, "too_large")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=eyJpZCI6MX0", "cursor"),
        ("status=done", "status"),
        ("component_id=-1", "component_id"),
        ("sort=name", "sort"),
        ("updated_after=yesterday", "updated_after"),
        ("updated_after=2026-01-01T00:00:00", "updated_after"),
        ("updated_after=0001-01-01T00:00:00%2B14:00", "updated_after"),
        ("updated_after=9999-12-31T23:59:59-14:00", "updated_after"),
        ("q=%00", "q"),
        ("type=%00", "type"),
    ],
)
async def test_a_bad_query(world: World, query: str, field: str) -> None:
    status, code, fields = problem(await world.client().get(f"/api/sessions?{query}"))
    assert (status, code, fields) == (422, "invalid", [field])


async def test_methods_and_paths_that_do_not_exist(world: World) -> None:
    client = world.client()
    response = await client.put("/api/sessions", json={})
    assert problem(response)[:2] == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))
    assert problem(await client.get("/api/nothing"))[:2] == (404, "not_found")


@pytest.mark.parametrize("interactions", ["0", "1001", "-1", "many", "1.5", "all\n"])
async def test_how_many_interactions(world: World, path: str, interactions: str) -> None:
    session = path.removesuffix("/interactions")
    response = await world.client().get(session, params={"interactions": interactions})
    assert problem(response) == (422, "invalid", ["interactions"])


async def test_hooks_take_any_object_and_nothing_else(world: World) -> None:
    client = world.client()
    url = "/api/hooks/claude-code"
    for event in ({}, {"session_id": 7}, {"session_id": "s", "x": "\0", "tool_input": []}):
        assert (await client.post(url, json=event)).status_code == 204
    for body in ("", "[]", "7", "{"):
        response = await client.post(url, content=body, headers=JSON)
        assert problem(response)[0] in {400, 422}
    assert (await client.post("/api/hooks/unknown-agent", json={})).status_code == 404
