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
        floor_port, server_port = _free_port(), _free_port()
        floor_url = asyncio.run(_create_floor_database(cluster.url))
        floor = stack.enter_context(_process(*FLOOR, "--port", floor_port, database_url=floor_url))
        options = ("--port", server_port, "--data-dir", data_dir)
        server = stack.enter_context(
            _process(*COMMAND, "serve", *options, database_url=cluster.url)
        )
        load = stack.enter_context(_process(*LOAD, stdout=subprocess.PIPE))
        _wait_for(floor, f"http://127.0.0.1:{floor_port}/floor/newest?session_id=0")
        _wait_for(server, f"http://127.0.0.1:{server_port}/health/ready")
        token = (data_dir / "owner-token").read_text().strip()
        yield Bench(
            database_url=cluster.url,
            floor=Target(port=floor_port),
            server=Target(port=server_port, token=token),
            load=LoadGenerator(load),
            data_dir=data_dir,
        )


@contextmanager
def _process(
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


async def _create_floor_database(url: str) -> str:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE floor")
    await connection.close()
    floor_url = urlsplit(url)._replace(path="/floor").geturl()
    connection = await asyncpg.connect(floor_url)
    await connection.execute(SCHEMA)
    await connection.close()
    return floor_url


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(process: Process, url: str) -> None:
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
