"""A real server whose processes can be killed, and which comes back at the same address."""

import asyncio
import contextlib
import os
import random
import signal
import time
from pathlib import Path
from typing import Self

import httpx
import msgspec

from tests.servers import Server, start_server, stop_server
from tests.test_workers import is_free

READY_SECONDS = 60.0
PAUSE_SECONDS = (0.3, 3.0)
# Answers and errors of a connection that may be met while something is killed: never a 500.
CLEAN = {"503", "impatient", "ConnectError", "ReadError", "WriteError", "RemoteProtocolError"}


def children(pid: int) -> list[int]:
    """Of a process that may have gone meanwhile."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Account(msgspec.Struct, frozen=True):
    id: int
    token: str


class Victim:
    """The server under test. `url` stays the same when it is started again."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.folder = folder
        # Of a PostgreSQL that is not the server's own: whoever started it must stay alive.
        self.foreign_postgres: Path | None = None
        self._options = options
        self._variables = variables
        self.server = start_server(folder, *options, **variables)
        self.url = self.server.url
        self.kills: list[str] = []
        self._earlier = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            stop_server(self.server)

    @property
    def log(self) -> str:
        """Of all processes there have been."""
        return self._earlier + (self.folder / "server.log").read_text()

    def start(self) -> None:
        """Under its old address, once the killed one's has been given back."""
        self._earlier = self.log
        port = self.url.rpartition(":")[2]
        deadline = time.monotonic() + READY_SECONDS
        while not is_free(int(port)):  # its workers end a moment after it
            assert time.monotonic() < deadline, "somebody still listens"
            time.sleep(0.02)
        self.server = start_server(self.folder, "--port", port, *self._options, **self._variables)

    @property
    def postmaster(self) -> int | None:
        folder = self.foreign_postgres or self.server.data_dir / "postgres"
        path = folder / "data" / "postmaster.pid"
        try:
            return int(path.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    @property
    def workers(self) -> list[int]:
        """Empty when the one process does everything itself."""
        spawned = children(self.server.process.pid)
        return [pid for pid in spawned if "spawn_main" in command_line(pid)]

    def database_url(self) -> str:
        folder = ("--data-dir", str(self.server.data_dir))
        found: str = self.server.json("db", "url", *folder, **self._variables)["url"]
        return found

    def accounts(self) -> list[Account]:
        """The default one, and another."""
        me = httpx.get(
            f"{self.url}/api/me", headers={"Authorization": f"Bearer {self.server.token}"}
        ).json()
        folder = ("--data-dir", str(self.server.data_dir))
        create = ("account", "create", "--name", "B", "--owner", "o@b.test", *folder)
        made = self.server.json(*create, **self._variables)
        return [
            Account(me["account"]["id"], self.server.token),
            Account(made["account"]["id"], made["token"]),
        ]

    async def kill_something(self, chance: random.Random) -> None:
        """kill -9 of the server, a worker, PostgreSQL or one of its processes."""
        targets = {
            "server": [self.server.process.pid],
            "worker": self.workers,
            "postgres": [pid for pid in [self.postmaster] if pid and not self.foreign_postgres],
            "backend": children(self.postmaster or 0),
        }
        name = chance.choice([name for name, pids in targets.items() if pids])
        kill(chance.choice(targets[name]))
        self.kills.append(f"{time.monotonic():.1f} {name}")
        if name == "server":
            await asyncio.to_thread(self.server.process.wait)
            await asyncio.to_thread(self.start)
            self.kills.append(f"{time.monotonic():.1f} back")

    async def kill_at_random(self, chance: random.Random) -> None:
        while True:
            await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
            await asyncio.shield(self.kill_something(chance))

    async def until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/health/ready")).is_success:
                        return
                assert self.server.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                await asyncio.sleep(0.05)


__all__ = ["CLEAN", "Account", "Server", "Victim", "children", "kill"]
