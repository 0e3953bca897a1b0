"""Clients that hardly read or send: they cost little, and nobody else notices."""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.servers import Victim

LIMIT_SECONDS = 120.0
# More of each kind than the server has connections to PostgreSQL.
SLOW = 30
EVENTS = 3000
GROWTH_BYTES = 160 * 1024 * 1024
# Not a measurement: beyond it the server is taken to hang.
STOP_SECONDS = 20.0
BODY = {"type": "RecordedSessions"}
DRIBBLE_SECONDS = 0.1


class Connection:
    """A socket with a small buffer, so that the server feels at once that nobody reads."""

    def __init__(self, url: str, token: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._host = host
        self._token = token
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)

    async def send_head(self, method: str, path: str, *headers: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._address)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"Authorization: Bearer {self._token}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode())

    async def send(self, content: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, content)

    async def receive(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, size)

    def close(self) -> None:
        self._socket.close()


async def send_slowly(connection: Connection, path: str, *headers: str) -> None:
    await connection.send_head(
        "POST", path, "Content-Type: application/json", "Content-Length: 1000000", *headers
    )
    with contextlib.suppress(OSError):
        while True:
            await connection.send(b" ")
            await asyncio.sleep(DRIBBLE_SECONDS)


async def read_slowly(connection: Connection, path: str) -> None:
    await connection.send_head("GET", path)
    with contextlib.suppress(OSError):
        while await connection.receive(8):  # noqa: ASYNC110 - it is slow on purpose
            await asyncio.sleep(DRIBBLE_SECONDS)


def memory(pid: int) -> int:
    """Resident, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@asynccontextmanager
async def running(*tasks: Any) -> AsyncIterator[list["asyncio.Task[None]"]]:
    started = [asyncio.create_task(task) for task in tasks]
    yield started
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def test_slow_clients_hold_up_nobody(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(Victim, tmp_path) as victim:
            url, token, pid = victim.url, victim.server.token, victim.server.process.pid
            headers = {"Authorization": f"Bearer {token}"}
            connections = [Connection(url, token) for _ in range(4 * SLOW)]
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
                path = await _big_history(client)
                before = memory(pid)
                senders = [
                    send_slowly(connection, "/api/sessions", *key)
                    for n, connection in enumerate(connections[: 2 * SLOW])
                    for key in [[f"Idempotency-Key: slow-{n}"] if n % 2 else []]
                ]
                readers = [read_slowly(c, path) for c in connections[2 * SLOW : 3 * SLOW]]
                streams = connections[3 * SLOW :]
                async with running(*senders, *readers) as slow:
                    for stream in streams:
                        await stream.send_head("GET", "/api/feed/stream?after=0", "X-Project: *")
                    await asyncio.sleep(1)
                    for _ in range(EVENTS // 100):
                        made = await asyncio.gather(
                            *(client.post("/api/sessions", json=BODY) for _ in range(100))
                        )
                        assert {answer.status_code for answer in made} == {201}
                    assert (await client.get("/api/sessions")).status_code == 200
                    growth = memory(pid) - before
                    assert growth < GROWTH_BYTES
                    feed = await client.get("/api/feed", params={"after": 0, "limit": 1})
                    assert feed.status_code == 200
                    # The streams that nobody read were not dropped, and have missed nothing.
                    await asyncio.gather(*(_require_gapless(stream) for stream in streams))
                    assert not any(task.done() for task in slow), "they were meant to be slow"
                    began = time.monotonic()
                    victim.server.process.terminate()
                    code = await asyncio.to_thread(victim.server.process.wait, STOP_SECONDS)
                    seconds = time.monotonic() - began
                    print(f"{growth / 2**20:.0f} MiB more, stopped in {seconds:.1f} s")  # noqa: T201
                    assert code == 0, victim.log
            for connection in connections:
                connection.close()


async def _big_history(client: httpx.AsyncClient) -> str:
    made = await client.post("/api/sessions", json=BODY)
    path = f"{made.headers['location']}/interactions"
    filler = {"metadata": {"filler": "x" * 20_000}}
    batch = [{"command": {"module": "Bash", "command": "true", **filler}} for _ in range(100)]
    assert (await client.post(path, json=batch)).status_code == 201
    return f"{path}?limit=100"


async def _require_gapless(stream: Connection) -> None:
    received, expected = b"", 1
    while expected <= EVENTS:
        chunk = await stream.receive(65536)
        assert chunk, "the stream has ended"
        received += chunk
        for number in re.findall(rb"\nid: (\d+)\n", received[: received.rfind(b"\n\n") + 1]):
            assert int(number) == expected
            expected += 1
        received = received[received.rfind(b"\n\n") + 1 :]
