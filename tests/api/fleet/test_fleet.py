"""Agents, work items and tracks, through the API."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.factories import World
from tests.factories.fleet import conflict, granted, history, make_agents, make_items, silence
from tests.factories.runs import post


async def keys(client: httpx.AsyncClient, path: str, key: str = "key", **params: Any) -> list[str]:
    rows = (await client.get(path, params=params)).json()["data"]
    return [row[key] for row in rows]


async def claim_next(client: httpx.AsyncClient, session_id: str, **fields: Any) -> Any:
    body = {"session_id": session_id, **fields}
    response = await client.post("/api/work-items/claim-next", json=body)
    assert response.status_code in {200, 204}, response.text
    return response.json() if response.content else None


async def test_agents(world: World) -> None:
    client = world.client()
    made = await client.put("/api/agents/a%20b", json={"pid": 7, "codebase": "/src"})
    assert (made.status_code, made.headers["location"]) == (201, "/api/agents/a%20b")
    assert "etag" not in made.headers
    again = await client.put("/api/agents/a%20b")
    assert (again.status_code, again.json()["pid"]) == (200, 7)
    bad = await client.put("/api/agents/c", json={"pid": -1, "hostname": 5, "host": "x"})
    assert {e["path"] for e in bad.json()["errors"]} == {"pid", "hostname", "host"}
    assert (await client.put(f"/api/agents/{'c' * 201}")).status_code == 422
    for length, status in ((201, 422), (200, 200)):
        long = {"tty": "".join(chr(0x10000 + n) for n in range(length))}
        assert (await client.put("/api/agents/a%20b", json=long)).status_code == status
    await make_agents(client, "c", "d")
    await make_items(client, "x", track="B")
    await granted(client, "x", "c")
    await silence(world, "d")
    for params, expected in (
        ({}, ["d", "c", "a b"]),
        ({"status": "active"}, ["c"]),
        ({"status": ["idle", "stale"]}, ["d", "a b"]),
        ({"stale": "true"}, ["d"]),
        ({"stale": "false"}, ["c", "a b"]),
        ({"holding": "true"}, ["c"]),
        ({"holding": "false"}, ["d", "a b"]),
        ({"track": "B"}, ["c"]),
        ({"codebase": "/src"}, ["a b"]),
        ({"hostname": "box"}, ["d", "c"]),
        ({"needs_input": "true"}, []),
    ):
        assert await keys(client, "/api/agents", "session_id", **params) == expected, params
    page = (await client.get("/api/agents?limit=2")).json()
    rest = await keys(client, "/api/agents", "session_id", cursor=page["next_cursor"])
    assert rest == ["a b"]


async def test_work_items(world: World) -> None:
    client = world.client()
    await make_items(client, "x")
    taken = await client.post("/api/work-items", json={"key": "x", "title": "Again"})
    assert (taken.status_code, taken.json()["code"]) == (409, "key_taken")
    for key in ("claim-next", "a/b", "..", "", "k" * 101):
        bad = await client.post("/api/work-items", json={"key": key, "title": "", "track": "D"})
        assert {e["path"] for e in bad.json()["errors"]} == {"key", "title", "track"}
    read = await client.get("/api/work-items/x")
    tag = read.headers["etag"]
    changed = await client.patch(
        "/api/work-items/x",
        json={"title": "Better", "sequence_rank": -3},
        headers={"If-Match": tag},
    )
    assert (changed.json()["title"], changed.json()["sequence_rank"]) == ("Better", -3)
    late = await client.patch("/api/work-items/x", json={}, headers={"If-Match": tag})
    assert late.status_code == 412
    # A claim changes the item, and with it the ETag.
    tag = changed.headers["etag"]
    await make_agents(client, "a")
    await granted(client, "x", "a")
    read = await client.get("/api/work-items/x", headers={"If-None-Match": tag})
    assert (read.status_code, read.json()["claimed_by"]) == (200, "a")
    held = await client.delete("/api/work-items/x")
    assert (held.status_code, held.json()["code"]) == (409, "already_claimed")
    await post(client, "/api/agents/a/release", None, 200)
    editor = world.client(await world.token_for("editor"))
    assert (await editor.delete("/api/work-items/x")).status_code == 403
    assert (await client.delete("/api/work-items/x")).status_code == 204
    assert (await client.get("/api/work-items/x")).status_code == 404
    assert await history(client, "x") == []


async def test_a_key_of_another_project(world: World) -> None:
    client = world.client()
    other = await post(client, "/api/projects", {"name": "Other", "slug": "other"})
    there = world.client(**{"X-Project": "other"})
    await make_items(there, "x")
    await make_agents(there, "a")
    here = world.client(**{"X-Project": str(world.project_id)})
    taken = await here.post("/api/work-items", json={"key": "x", "title": "Mine"})
    assert (taken.status_code, taken.json()["code"]) == (409, "key_in_other_project")
    taken = await here.put("/api/agents/a")
    assert (taken.status_code, taken.json()["code"]) == (409, "key_in_other_project")
    await make_agents(here, "b")
    assert (await here.get("/api/work-items/x")).status_code == 404
    assert await claim_next(here, "b") is None
    for path in ("/api/agents/a", "/api/work-items/x"):
        moved = await post(client, f"{path}/move", {"project_id": None}, 200)
        assert moved["project_id"] is None
        moved = await post(client, f"{path}/move", {"project_id": other["id"]}, 200)
        assert moved["project_id"] == other["id"]
        bad = await client.post(f"{path}/move", json={"project_id": 2**40})
        assert [e["path"] for e in bad.json()["errors"]] == ["project_id"]
    await granted(there, "x", "a")
    assert len((await there.get("/api/claims")).json()["data"]) == 1
    assert (await here.get("/api/claims")).json()["data"] == []
    assert (await client.delete(f"/api/projects/{other['id']}")).status_code == 204
    for path in ("/api/agents/a", "/api/work-items/x"):
        assert (await client.get(path)).json()["project_id"] is None


@pytest.fixture
async def board(world: World) -> httpx.AsyncClient:
    client = world.client()
    await make_agents(client, "a", "b")
    await make_items(client, "a1", "a2", track="A")
    await make_items(client, "b1", track="B", sequence_rank=5)
    await make_items(client, "b2", track="B", sequence_rank=1)
    await make_items(client, "c1", track="C", is_ready=False)
    await make_items(client, "x", "z")
    return client


async def test_availability(board: httpx.AsyncClient, world: World) -> None:
    await conflict(board, "blocking")
    path = "/api/work-items"
    assert await keys(board, path) == ["a1", "a2", "b2", "b1", "x", "z", "c1"]
    await granted(board, "a1", "a")
    await granted(board, "x", "b")
    rows = (await board.get(path)).json()["data"]
    assert [(row["key"], row["availability"], row["claimed_by"]) for row in rows] == [
        ("b2", "available", None),
        ("b1", "available", None),
        ("a2", "track_busy", None),
        ("c1", "blocked", None),
        ("z", "blocked", None),
        ("a1", "claimed", "a"),
        ("x", "claimed", "b"),
    ]
    assert await keys(board, path, availability=["track_busy", "claimed"]) == ["a2", "a1", "x"]
    page = (await board.get(path, params={"limit": 4})).json()
    assert await keys(board, path, cursor=page["next_cursor"]) == ["z", "a1", "x"]
    await post(board, "/api/work-items/a1/complete", None, 200)
    assert await keys(board, path, availability="done") == ["a1"]
    assert await keys(board, path, availability="available", track="A") == ["a2"]
    # A stale agent's item is available.
    await silence(world, "b")
    assert await keys(board, path, availability="available", track="STANDALONE") == ["x", "z"]


async def test_tracks(board: httpx.AsyncClient) -> None:
    await granted(board, "a1", "a")
    await granted(board, "x", "b")
    for key in ("b1", "b2"):
        await post(board, f"/api/work-items/{key}/complete", None, 200)
    tracks = {row["track"]: row for row in (await board.get("/api/tracks")).json()["data"]}
    assert {track: row["status"] for track, row in tracks.items()} == {
        "A": "occupied",
        "B": "empty",
        "C": "blocked",
        "STANDALONE": "open",
    }
    a = tracks["A"]
    assert (a["session_id"], a["work_item"], a["next_item"]) == ("a", "a1", "a2")
    assert (a["open_count"], a["claimed_count"], a["available_count"]) == (2, 1, 1)
    assert (tracks["B"]["done_count"], tracks["C"]["blocked_count"]) == (2, 1)
    assert tracks["STANDALONE"]["next_item"] == "z"


async def test_the_next_item(board: httpx.AsyncClient, world: World) -> None:
    first = await claim_next(board, "a")
    assert (first["claim"]["work_item"], first["warnings"]) == ("a1", [])
    assert (await claim_next(board, "a"))["claim"] == first["claim"]
    assert (await claim_next(board, "b"))["claim"]["work_item"] == "b2"
    await make_agents(board, "c", "d", "e")
    busy = await claim_next(board, "c", track="A")
    assert busy["claim"]["work_item"] == "a2"
    assert [warning["code"] for warning in busy["warnings"]] == ["track_busy"]
    assert await claim_next(board, "d", track="C") is None
    # A stale agent's item is taken over.
    await silence(world, "a")
    taken = await claim_next(board, "d", track="A")
    assert taken["claim"]["work_item"] == "a1"
    assert await history(board, "a1") == [("a", "timeout"), ("d", None)]
    missing = await board.post("/api/work-items/claim-next", json={"session_id": "nobody"})
    assert missing.status_code == 404


async def test_the_next_item_is_the_first_of_the_list(
    board: httpx.AsyncClient, world: World
) -> None:
    await conflict(board, "blocking")
    await make_items(board, "a3", "c2", track="A", sequence_rank=-1)
    await granted(board, "b2", "b")
    await silence(world, "b")
    for number in range(20):
        await make_agents(board, f"agent-{number}")
        claimable: dict[str, Any] = {"availability": ["available", "track_busy"], "limit": 1}
        first = await keys(board, "/api/work-items", **claimable)
        answer = await claim_next(board, f"agent-{number}")
        assert ([] if answer is None else [answer["claim"]["work_item"]]) == first
    held = await keys(board, "/api/work-items", availability="claimed")
    assert held == ["a3", "c2", "a1", "a2", "b2", "b1", "x"]


async def test_the_next_item_is_not_in_conflict(board: httpx.AsyncClient) -> None:
    await conflict(board, "blocking")
    assert (await claim_next(board, "a", track="STANDALONE"))["claim"]["work_item"] == "x"
    assert await claim_next(board, "b", track="STANDALONE") is None
    await post(board, "/api/agents/a/release", None, 200)
    answers = await asyncio.gather(
        *(claim_next(board, name, track="STANDALONE") for name in ("a", "b"))
    )
    assert [answer is None for answer in answers].count(True) == 1


async def test_conflicts(board: httpx.AsyncClient) -> None:
    path = "/api/work-item-conflicts"
    made = await conflict(board, "blocking", affected_areas=["src/app.py"])
    await post(board, f"{path}/{made['id']}/resolve", {"resolution_notes": "split"}, 200)
    again = await conflict(board, "warning")
    assert (again["id"], again["severity"], again["resolved_at"]) == (made["id"], "warning", None)
    assert (await board.get(f"{path}/{made['id']}")).json() == again
    for params, expected in (
        ({"work_item": "z"}, 1),
        ({"work_item": "a1"}, 0),
        ({"severity": "warning", "resolved": "false"}, 1),
        ({"resolved": "true"}, 0),
    ):
        assert len((await board.get(path, params=params)).json()["data"]) == expected
    body = {"conflict_type": "file_overlap", "severity": "info"}
    bad = await board.post(path, json={"work_item_a": "no", "work_item_b": "nor", **body})
    assert [e["path"] for e in bad.json()["errors"]] == ["work_item_a", "work_item_b"]
    bad = await board.post(path, json={"work_item_a": "x", "work_item_b": "x", **body})
    assert [e["path"] for e in bad.json()["errors"]] == ["work_item_b"]


async def test_fifty_agents_at_once_get_fifty_items(world: World) -> None:
    client = world.client()
    names = [f"agent-{n}" for n in range(50)]
    await make_agents(client, *names)
    for n in range(50):
        await make_items(client, f"item-{n}", track="ABC"[n % 3])
    answers = await asyncio.gather(*(claim_next(client, name) for name in names))
    assert {answer["claim"]["session_id"] for answer in answers} == set(names)
    assert len({answer["claim"]["work_item"] for answer in answers}) == 50
    await make_agents(client, "late")
    assert await claim_next(client, "late") is None


async def test_an_agent_called_like_a_session_has_no_part_in_its_feed(world: World) -> None:
    client = world.client()
    session = await post(client, "/api/sessions", {"type": "RecordedSessions"})
    await make_agents(client, str(session["id"]))
    await make_items(client, "x")
    await granted(client, "x", str(session["id"]))
    events = (await client.get(f"/api/feed?session_id={session['id']}")).json()["data"]
    assert [event["name"] for event in events] == ["session.created"]


async def test_a_page_may_end_at_the_lowest_rank(world: World) -> None:
    client = world.client()
    await make_items(client, "a", "b", track="A", sequence_rank=-(2**31))
    page = (await client.get("/api/work-items?limit=1")).json()
    rest = await keys(client, "/api/work-items", cursor=page["next_cursor"])
    assert ([item["key"] for item in page["data"]], rest) == (["a"], ["b"])
