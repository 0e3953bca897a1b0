"""Clients that take their time keep nobody else waiting: one connection to PostgreSQL is enough."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers import Server, start_server, stop_server

SLOW = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = {"AGENT_SESSIONS_POOL_SIZE": "1", "AGENT_SESSIONS_POOL_TIMEOUT": "2"}
    started = start_server(tmp_path_factory.mktemp("slow"), **variables)
    yield started
    stop_server(started)


async def send(server: Server, stack: AsyncExitStack, request: str) -> asyncio.StreamReader:
    """Opens a connection from which nothing is read."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1024)
    stack.enter_context(closing(writer))
    writer.write(request.encode())
    await writer.drain()
    return reader


def head(server: Server, method: str, path: str, *headers: str) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {server.token}"]
    return "\r\n".join([*lines, *headers, "", ""])


@pytest.mark.parametrize("headers", [(), ("Idempotency-Key: one",)])
async def test_a_body_that_does_not_come(server: Server, headers: tuple[str, ...]) -> None:
    auth = {"Authorization": f"Bearer {server.token}"}
    async with AsyncExitStack() as stack, httpx.AsyncClient(headers=auth) as client:
        for path in ("/api/sessions", "/api/hooks/claude-code"):
            begun = head(server, "POST", path, "Content-Length: 1000", *headers) + '{"type":'
            for _ in range(SLOW):
                await send(server, stack, begun)
        for _ in range(3):
            answer = await client.get(f"{server.url}/api/me")
            assert answer.status_code == 200, answer.text


async def test_a_body_that_has_no_end(server: Server) -> None:
    """The body is refused once it is too long, not once it has arrived."""
    chunk = "10000\r\n" + " " * 0x10000 + "\r\n"
    begun = head(server, "POST", "/api/sessions", "Transfer-Encoding: chunked")
    async with AsyncExitStack() as stack:
        reader = await send(server, stack, begun + chunk * 150)
        assert await reader.read(12) == b"HTTP/1.1 413"


async def test_an_answer_that_is_not_read_holds_nothing_up(server: Server) -> None:
    """Requests that wait behind it on the same connection hold no transaction either."""
    auth = {"Authorization": f"Bearer {server.token}"}
    async with AsyncExitStack() as stack, httpx.AsyncClient(headers=auth, timeout=30) as client:
        made = await client.post(f"{server.url}/api/sessions", json={"type": "RecordedSessions"})
        path = f"/api/sessions/{made.json()['id']}"
        large = [{"command": {"module": "Bash", "command": "x" * 200_000}}] * 30
        stored = await client.post(f"{server.url}{path}/interactions", json=large)
        assert stored.status_code == 201, stored.text
        await send(server, stack, head(server, "GET", f"{path}?interactions=all") * 4)
        await asyncio.sleep(1)
        for _ in range(3):
            answer = await client.get(f"{server.url}/api/me")
            assert answer.status_code == 200, answer.text
