"""Sessions of a given length through the API, and many sessions by SQL."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import msgspec

from bench.processes import Bench, Target

BATCH = 500
FLOOR_SESSIONS = 16
SESSIONS_PER_ACCOUNT = 20_000


def interaction(size: int = 1024) -> dict[str, Any]:
    """What an agent reports of one command, `size` bytes as compact JSON."""
    document: dict[str, Any] = {
        "command": {
            "module": "Bash",
            "command": "python -m pytest -q tests/contexts --maxfail=1",
            "metadata": {"tool_use_id": "toolu_01A09q90qw90lq917835lq9", "cwd": "/src/project"},
        },
        "result": {"status": "ok", "exit_code": 0, "duration_ms": 1834, "stdout": ""},
    }
    line = "tests/contexts/test_sessions.py::test_append_keeps_the_order PASSED [ 42%]\n"
    room = size - len(msgspec.json.encode(document))
    document["result"]["stdout"] = (line * (room // len(line) + 1))[: room - room // len(line)]
    return document


class Api:
    """Raises httpx.HTTPStatusError with the answer's text for whatever is no 2xx."""

    def __init__(self, target: Target) -> None:
        headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
        url = f"http://127.0.0.1:{target.port}"
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60)

    def post(self, path: str, body: Any) -> Any:
        response = self._client.post(path, json=body)
        if not response.is_success:
            raise httpx.HTTPStatusError(
                f"{path}: {response.status_code} {response.text}",
                request=response.request,
                response=response,
            )
        return response.json()

    def create_sessions(self, count: int, length: int) -> list[int]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self._create_session, [length] * count))

    def _create_session(self, length: int) -> int:
        session: dict[str, Any] = self.post("/api/sessions", {"type": "RecordedSessions"})
        for start in range(0, length, BATCH):
            batch = [interaction()] * min(BATCH, length - start)
            self.post(f"/api/sessions/{session['id']}/interactions", batch)
        identifier: int = session["id"]
        return identifier


def fill_floor(floor: Target) -> None:
    for session_id in range(FLOOR_SESSIONS):
        Api(floor).post(f"/floor/batch?session_id={session_id}", [interaction()] * 100)


def seed_list(bench: Bench, accounts: int, each: int = SESSIONS_PER_ACCOUNT) -> Target:
    """Accounts with so many sessions each, copied from one real session; the first one's door."""
    targets = []
    templates = []
    for number in range(accounts):
        token = bench.create_account(f"list-{number}")["token"]
        targets.append(Target(port=bench.server.port, token=token))
        templates += Api(targets[-1]).create_sessions(1, length=1)
    asyncio.run(_clone(bench.database_url, templates, each - 1))
    return targets[0]


async def _clone(database_url: str, templates: Iterable[int], clones: int) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        INSERT INTO sessions (account_id, project_id, user_id, type, status, state, title,
            interactions, interaction_count, last_interaction, inserted_at, updated_at)
        SELECT account_id, project_id, user_id, type, status, state, 'Session ' || number,
            interactions, interaction_count, last_interaction,
            now() - number * interval '1 minute', now() - number * interval '1 minute'
        FROM sessions, generate_series(1, $2) AS number WHERE id = ANY($1::bigint[])
        """,
        list(templates),
        clones,
    )
    await connection.close()


def settle(*database_urls: str) -> None:
    """What seeding left behind is not to be paid for by what is measured."""

    async def run() -> None:
        for url in database_urls:
            connection = await asyncpg.connect(url)
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")
            await connection.close()

    asyncio.run(run())
