"""PostgreSQL, the floor, the server and the load generator, each a process of its own."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec

from app import embedded
from bench.client import Job, Measurement
from bench.floor import SCHEMA

READY_SECONDS = 60
STOP_SECONDS = 20
USED_SEGMENTS = 40  # of 16 MB
COMMAND = (sys.executable, "-m", "app")
FLOOR = (
    *(sys.executable, "-m", "uvicorn", "bench.floor:create_app", "--factory"),
    *("--no-access-log", "--log-level", "warning"),
)
LOAD = (sys.executable, "-m", "bench.client")

Process = subprocess.Popen[bytes]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    token: str | None = None


class LoadGenerator:
    def __init__(self, process: Process) -> None:
        self._process = process

    def measure(self, job: Job) -> Measurement:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended; its message is above")
        return msgspec.json.decode(line, type=Measurement)


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that runs, and how to reach it."""

    database_url: str
    floor: Target
    server: Target
    load: LoadGenerator
    data_dir: Path

    def create_account(self, name: str) -> dict[str, Any]:
        """What `account create --json` answers: account, project, user and token."""
        options = ("--name", name, "--owner", f"{name}@bench.example", "--data-dir", self.data_dir)
        answer: dict[str, Any] = msgspec.json.decode(
            subprocess.check_output(
                [*COMMAND, "account", "create", *options, "--json"],
                env={**os.environ, "DATABASE_URL": self.database_url},
            )
        )
        return answer


@contextmanager
def started() -> Iterator[Bench]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="agent-sessions-bench-")))
        cluster = stack.enter_context(embedded.start(folder / "postgres"))
        data_dir = folder / "server"
        data_dir.mkdir()
        asyncio.run(_use_for_a_while(cluster.url))
        floor_port, server_port = free_port(), free_port()
        floor_url = asyncio.run(create_database(cluster.url, "floor", SCHEMA))
        floor = stack.enter_context(running(*FLOOR, "--port", floor_port, database_url=floor_url))
        options = ("--port", server_port, "--data-dir", data_dir)
        server = stack.enter_context(running(*COMMAND, "serve", *options, database_url=cluster.url))
        load = stack.enter_context(running(*LOAD, stdout=subprocess.PIPE))
        wait_for(floor, f"http://127.0.0.1:{floor_port}/floor/newest?session_id=0")
        wait_for(server, f"http://127.0.0.1:{server_port}/health/ready")
        token = (data_dir / "owner-token").read_text().strip()
        yield Bench(
            database_url=cluster.url,
            floor=Target(port=floor_port),
            server=Target(port=server_port, token=token),
            load=LoadGenerator(load),
            data_dir=data_dir,
        )


@contextmanager
def running(
    *command: object, database_url: str = "", stdout: int = subprocess.DEVNULL
) -> Iterator[Process]:
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        env={**os.environ, "DATABASE_URL": database_url},
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _use_for_a_while(url: str) -> None:
    """A new PostgreSQL makes the files of its write-ahead log, for 25 ms each, while everybody
    waits; one that has been used takes the old ones again. More than a run needs at a time."""
    connection = await asyncpg.connect(url)
    for _ in range(USED_SEGMENTS):
        await connection.execute("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def create_database(url: str, name: str, schema: str = "SELECT") -> str:
    """The URL of a new database of the same PostgreSQL."""
    connection = await asyncpg.connect(url)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    new_url = urlsplit(url)._replace(path=f"/{name}").geturl()
    connection = await asyncpg.connect(new_url)
    await connection.execute(schema)
    await connection.close()
    return new_url


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(process: Process, url: str) -> None:
    """Raises RuntimeError when the process ends, or does not answer this in time."""
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers {url}")
