"""This server, through its API."""

import sys
from collections.abc import Mapping
from typing import Any

from bench.peers.client import Client
from bench.peers.worker import PAGE, item_text, serve

BATCH = 500


class AgentSessions:
    lacks: Mapping[str, str] = {}

    def __init__(self, port: int, token: str) -> None:
        self._client = Client(port, token)
        self._path = ""

    async def seed_sessions(self, users: int, each: int) -> None:
        """Done already, with the accounts they belong to: `bench.seed.seed_list`."""

    async def seed_session(self, length: int) -> None:
        session = self._client.send("POST", "/api/sessions", {"type": "RecordedSessions"})
        self._path = f"/api/sessions/{session['id']}"
        for start in range(0, length, BATCH):
            batch = [_interaction(item_text(n)) for n in range(start, min(start + BATCH, length))]
            self._client.send("POST", f"{self._path}/interactions", batch)

    async def append(self, text: str) -> None:
        self._client.send("POST", f"{self._path}/interactions", _interaction(text))

    async def load(self) -> int:
        session = self._client.send("GET", f"{self._path}?interactions=all")
        return len(session["interactions"])

    async def newest(self) -> int:
        page = self._client.send("GET", f"{self._path}/interactions?limit={PAGE}")
        return len(page["data"])

    async def list(self) -> int:
        return len(self._client.send("GET", f"/api/sessions?limit={PAGE}")["data"])


def _interaction(text: str) -> dict[str, Any]:
    return {
        "command": {"module": "Bash", "command": "make test"},
        "result": {"status": "ok", "exit_code": 0, "stdout": text},
    }


async def _peer() -> AgentSessions:
    return AgentSessions(int(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    serve(_peer, "agent-sessions")
