"""Every peer in a process and a database of its own, on one PostgreSQL."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from bench.processes import Bench, Process, create_database, free_port, running, wait_for
from bench.seed import seed_list

USERS = 6
PEERS = Path(".venv-peers/bin")
ADK_SERVER = (PEERS / "adk", "api_server", "--log_level", "error")
LIBRARIES = (
    ("google-adk DatabaseSessionService", "adk", ()),
    ("openai-agents SQLAlchemySession", "openai_agents", ()),
    ("agno PostgresDb", "agno", ()),
    ("langgraph AsyncPostgresSaver, a checkpoint per item", "langgraph", ("checkpoints",)),
    ("langgraph AsyncPostgresSaver, one `messages` channel", "langgraph", ("messages",)),
)


class Worker:
    def __init__(self, name: str, process: Process, database_url: str) -> None:
        self.name = name
        self.database_url = database_url
        self._process = process
        hello = self._answer()
        self.versions: dict[str, str] = hello["versions"]
        self.lacks: dict[str, str] = hello["lacks"]

    def do(self, job: str, **options: float) -> dict[str, Any]:
        """Raises RuntimeError when the process ends instead of answering."""
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode({"do": job, **options}) + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended; its message is above")
        answer: dict[str, Any] = msgspec.json.decode(line)
        return answer


@contextmanager
def workers(bench: Bench, sessions_each: int) -> Iterator[list[Worker]]:
    """The first is this server; every user of every peer has so many sessions."""
    with ExitStack() as stack:

        def start(
            name: str, python: Path, module: str, database_url: str, *arguments: object
        ) -> Worker:
            command = (python, "-m", f"bench.peers.{module}", *arguments)
            process = running(*command, database_url=database_url, stdout=subprocess.PIPE)
            return Worker(name, stack.enter_context(process), database_url)

        def database(name: str) -> str:
            return asyncio.run(create_database(bench.database_url, name))

        ours = seed_list(bench, USERS, sessions_each)
        found = [
            start(
                *("agent-sessions", Path(sys.executable), "ours", bench.database_url),
                *(ours.port, ours.token),
            )
        ]
        port, url = free_port(), database("adk_server")
        folder = stack.enter_context(TemporaryDirectory())
        options = ("--session_service_uri", url, "--port", port, folder)
        server = stack.enter_context(running(*ADK_SERVER, *options))
        wait_for(server, f"http://127.0.0.1:{port}/health")
        found.append(start("google-adk api_server", PEERS / "python", "adk", url, port))
        for name, module, arguments in LIBRARIES:
            url = database("_".join((module, *arguments)))
            found.append(start(name, PEERS / "python", module, url, *arguments))
        for worker in found:
            worker.do("seed_sessions", users=USERS, each=sessions_each)
        yield found
