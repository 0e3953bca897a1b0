"""The feed as a list and as a stream, from real servers."""

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app import embedded, feed
from tests.factories import World
from tests.locks import until_waiting
from tests.servers import Server, start_server, stop_server

BODY = {"type": "RecordedSessions"}
# Twice: with one worker and with two.
SECONDS = 30.0
Make = Callable[[], Awaitable[World]]


def headers(server: Server, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}", **more}


async def read_stream(
    client: httpx.AsyncClient, url: str, sent: dict[str, str], **parameters: Any
) -> AsyncGenerator[tuple[int, str, dict[str, Any]]]:
    """(id, event, data) until the server ends the stream."""
    async with client.stream("GET", url, headers=sent, params=parameters) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                fields = {}


async def test_every_write_is_an_event(world: World) -> None:
    client = world.client()
    created = await client.post("/api/sessions", json=BODY)
    path = created.headers["location"]
    await client.post(f"{path}/interactions", json={"command": {"module": "Bash"}})
    await client.patch(path, json={"title": "secret plans"})
    await client.post(f"{path}/complete")
    page = (await client.get("/api/feed?after=0")).json()
    names = [event["name"] for event in page["data"]]
    assert names == [
        "session.created",
        "interaction.created",
        "session.updated",
        "session.completed",
    ]
    sequences = [event["sequence"] for event in page["data"]]
    assert sequences == list(range(sequences[0], sequences[0] + 4))
    assert page["next_cursor"] == str(sequences[-1])
    assert "secret plans" not in json.dumps(page)
    last = page["data"][-1]
    assert last == {
        "sequence": sequences[-1],
        "name": "session.completed",
        "entity_kind": "session",
        "entity_id": str(created.json()["id"]),
        "account_id": world.account_id,
        "project_id": world.project_id,
        "user_id": world.user_id,
        "token_id": last["token_id"],
        "payload": {"status": "complete", "version": 4},
        "at": last["at"],
    }
    rest = (await client.get(f"/api/feed?after={page['next_cursor']}")).json()
    assert rest == {"data": [], "next_cursor": page["next_cursor"]}
    wide = (await client.get("/api/feed", headers={"X-Project": "*"})).json()["data"]
    assert [e["name"] for e in wide][:2] == ["account.created", "token.created"]


async def test_a_refused_write_is_no_event(world: World) -> None:
    client = world.client()
    await client.post("/api/sessions", json={**BODY, "external_id": "x"})
    before = (await client.get("/api/feed")).json()
    assert (await client.post("/api/sessions", json={**BODY, "external_id": "x"})).is_error
    assert (await client.get("/api/feed")).json() == before


async def test_events_of_one_session_and_of_one_project(world: World) -> None:
    client = world.client()
    one, two = [(await client.post("/api/sessions", json=BODY)).json()["id"] for _ in range(2)]
    await client.post(f"/api/sessions/{one}/interactions", json={"command": {"module": "Bash"}})
    mine = (await client.get(f"/api/feed?session_id={one}")).json()["data"]
    assert [e["name"] for e in mine] == ["session.created", "interaction.created"]
    assert len((await client.get(f"/api/feed?session_id={two}")).json()["data"]) == 1
    await client.post("/api/projects", json={"name": "Other", "slug": "other"})
    other = (await client.get("/api/feed", headers={"X-Project": "other"})).json()["data"]
    assert [e["name"] for e in other] == ["project.created"]


async def test_another_account_receives_no_events(make: Make) -> None:
    mine, other = await make(), await make()
    await other.client().post("/api/sessions", json=BODY)
    events = (await mine.client().get("/api/feed", headers={"X-Project": "*"})).json()["data"]
    assert {event["account_id"] for event in events} == {mine.account_id}
    async with mine.db() as db:
        found = await feed.list_feed_events(mine.scope(), db, after=0, limit=100)
    assert {event.account_id for event in found} == {mine.account_id}


async def test_a_stream_resumes_reports_gaps_and_ends(server: Server) -> None:
    url = f"{server.url}/api/feed/stream"
    async with httpx.AsyncClient(timeout=20) as client:

        async def create(title: str) -> None:
            body = {**BODY, "title": title}
            made = await client.post(
                f"{server.url}/api/sessions", json=body, headers=headers(server)
            )
            assert made.status_code == 201

        await create("first")
        page = await client.get(f"{server.url}/api/feed", headers=headers(server))
        position = int(page.json()["next_cursor"])

        now = read_stream(client, url, headers(server))
        waiting = asyncio.ensure_future(anext(now))
        await asyncio.sleep(0.5)
        await create("second")
        started = time.monotonic()
        sequence, name, event = await waiting
        assert time.monotonic() - started < 5
        assert (sequence, name, event["sequence"]) == (position + 1, "session.created", sequence)
        await now.aclose()

        ahead = headers(server, **{"Last-Event-ID": "9" * 5000})
        async with client.stream("GET", url, headers=ahead) as response:
            assert response.status_code == 200, "as behind the newest: a database may be restored"

        sent = headers(server, **{"Last-Event-ID": str(position - 1)})
        resumed = read_stream(client, url, sent)
        assert [(await anext(resumed))[0] for _ in range(2)] == [position, position + 1]
        await resumed.aclose()

        database = server.json("db", "url", "--data-dir", str(server.data_dir))["url"]
        connection = await asyncpg.connect(database)
        await connection.execute("DELETE FROM feed_events WHERE sequence < $1", position)
        await connection.close()
        behind = read_stream(client, url, headers(server, **{"Last-Event-ID": "1"}))
        gap = await anext(behind)
        assert gap == (position - 1, "gap", {"from": 2, "to": position - 1})
        assert (await anext(behind))[0] == position
        await behind.aclose()


async def test_a_revoked_token_loses_its_stream(server: Server) -> None:
    async with httpx.AsyncClient(timeout=20, base_url=server.url) as client:
        body = {"name": "short", "scopes": ["read"]}
        made = await client.post("/api/tokens", json=body, headers=headers(server))
        sent = {"Authorization": f"Bearer {made.json()['token']}"}
        stream = read_stream(client, "/api/feed/stream", sent, session_id=10**6)
        ended = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0.5)
        await client.delete(made.headers["location"], headers=headers(server))
        assert await asyncio.wait_for(ended, 10) is None


async def test_a_server_stops_with_open_streams(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    async with httpx.AsyncClient(timeout=20) as client:
        url = f"{server.url}/api/feed/stream"
        streams = [read_stream(client, url, headers(server)) for _ in range(20)]
        ended = [asyncio.ensure_future(anext(stream, None)) for stream in streams]
        await asyncio.sleep(1)
        started = time.monotonic()
        assert await asyncio.to_thread(stop_server, server) == 0
        assert time.monotonic() - started < 5
        assert await asyncio.gather(*ended) == [None] * 20


async def test_a_stopping_server_finishes_its_requests(tmp_path: Path) -> None:
    """A write that waits for a row lock when the server is told to stop is answered and kept."""
    server = start_server(tmp_path)
    with embedded.start(server.data_dir) as cluster:
        async with httpx.AsyncClient(timeout=20, headers=headers(server)) as client:
            made = await client.post(f"{server.url}/api/sessions", json=BODY)
            path = f"{server.url}{made.headers['location']}"
            holder = await asyncpg.connect(cluster.url)
            async with holder.transaction():
                await holder.execute("SELECT FROM sessions FOR UPDATE")
                body = {"command": {"module": "Bash", "command": "true"}}
                write = asyncio.create_task(client.post(f"{path}/interactions", json=body))
                await until_waiting(holder)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                assert not write.done()
            await holder.close()
            assert (await write).status_code == 201
        assert await asyncio.to_thread(server.process.wait, 30) == 0
    restarted = await asyncio.to_thread(start_server, tmp_path)
    listed = await asyncio.to_thread(restarted.json, "sessions", "list")
    [session] = listed["data"]
    assert session["interaction_count"] == 1
    await asyncio.to_thread(stop_server, restarted)


class Crowd:
    """Writers that never stop, and readers that disconnect at random and resume."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.deadline = time.monotonic() + SECONDS
        self.written = 0
        self.last = -1
        """The final sequence, once it is known."""

    async def write(self, client: httpx.AsyncClient) -> None:
        while time.monotonic() < self.deadline:
            with contextlib.suppress(httpx.TransportError):
                response = await client.post(
                    f"{self.server.url}/api/sessions", json=BODY, headers=headers(self.server)
                )
                self.written += response.status_code == 201
            await asyncio.sleep(random.uniform(0, 0.05))

    async def read(self, client: httpx.AsyncClient) -> list[int]:
        seen: list[int] = []
        while not seen or seen[-1] != self.last:
            patience = random.uniform(0.05, 2)
            sent = headers(self.server, **{"Last-Event-ID": str(seen[-1] if seen else 0)})
            with contextlib.suppress(httpx.TransportError, TimeoutError, AssertionError):
                async with asyncio.timeout(patience):
                    stream = read_stream(client, f"{self.server.url}/api/feed/stream", sent)
                    async for sequence, name, _ in stream:
                        assert name != "gap"
                        seen.append(sequence)
            await asyncio.sleep(random.uniform(0, 0.05))
        return seen

    async def all_sequences(self, client: httpx.AsyncClient) -> list[int]:
        found: list[int] = []
        while True:
            parameters = {"after": found[-1] if found else 0, "limit": 100}
            sent = headers(self.server, **{"X-Project": "*"})
            response = await client.get(
                f"{self.server.url}/api/feed", params=parameters, headers=sent
            )
            page = response.json()["data"]
            found += [event["sequence"] for event in page]
            if len(page) < 100:
                return found


def kill_postgres(server: Server) -> None:
    pids = (server.data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()
    os.kill(int(pids[0]), signal.SIGKILL)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_every_stream_gets_every_event_once_through_failures(
    tmp_path: Path, workers: str
) -> None:
    server = start_server(tmp_path, "--workers", workers)
    port = server.url.rpartition(":")[2]
    crowd = Crowd(server)
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(timeout=10, limits=limits) as client:
        writers = [asyncio.create_task(crowd.write(client)) for _ in range(8)]
        client_headers = {"X-Project": "*"}
        client.headers.update(client_headers)
        readers = [asyncio.create_task(crowd.read(client)) for _ in range(20)]
        await asyncio.sleep(SECONDS / 3)
        kill_postgres(server)
        await asyncio.sleep(SECONDS / 3)
        await asyncio.to_thread(stop_server, server)
        restarted = await asyncio.to_thread(
            start_server, tmp_path, "--workers", workers, "--port", port
        )
        await asyncio.gather(*writers)
        everything = await crowd.all_sequences(client)
        crowd.last = everything[-1]
        assert everything == list(range(1, crowd.last + 1))
        assert crowd.written > 20
        for seen in await asyncio.wait_for(asyncio.gather(*readers), 60):
            assert seen == everything
    await asyncio.to_thread(stop_server, restarted)
