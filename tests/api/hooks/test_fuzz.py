"""A running server takes whatever hooks send: no 500, no hang, no growth, no broken history.

`HOOK_FUZZ_CASES=100000` sends more, `HOOK_FUZZ_SEED` other ones.
"""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx

from app.db import Database
from app.settings import Settings
from tests.api.hooks.mutations import Case, Mutator
from tests.factories import World
from tests.histories import check_histories
from tests.servers import start_server, stop_server

CASES = int(os.environ.get("HOOK_FUZZ_CASES", "1500"))
SEED = int(os.environ.get("HOOK_FUZZ_SEED", "1"))
SENDERS = 4
HANG_SECONDS = 60
# What the first cases leave behind is the server warming up: pools, caches, compiled patterns.
GROWTH_KIBIBYTES = 64 * 1024
REFUSALS = {400, 413, 422}


async def send(client: httpx.AsyncClient, mutator: Mutator, count: int) -> int:
    """Returns how many cases were accepted."""
    accepted = 0
    for _ in range(count):
        case = mutator.case()
        response = await client.post(case.path, content=case.body)
        assert response.status_code == 413 or _is_right(case, response), (
            f"{case.path} {case.body[:2000]!r} -> {response.status_code} {response.text}"
        )
        accepted += response.is_success
    return accepted


def _is_right(case: Case, response: httpx.Response) -> bool:
    if case.accepted:
        return response.is_success
    return response.is_success or response.status_code in REFUSALS


async def fuzz(client: httpx.AsyncClient, mutators: list[Mutator], count: int) -> int:
    each = count // SENDERS
    return sum(await asyncio.gather(*(send(client, mutator, each) for mutator in mutators)))


async def everything(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        page = await client.get(f"{path}?limit=100{cursor}")
        assert page.status_code == 200, page.text
        found += page.json()["data"]
        if page.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json()['next_cursor']}"


async def read_it_all(client: httpx.AsyncClient) -> int:
    """Reads everything that was stored; returns the number of interactions."""
    await everything(client, "/api/agents")
    total = 0
    for session in await everything(client, "/api/sessions"):
        shown = await client.get(f"/api/sessions/{session['id']}?interactions=all")
        assert shown.status_code == 200, shown.text
        count = len(shown.json()["interactions"])
        assert count == session["interaction_count"]
        total += count
    return total


def resident(pid: int) -> int:
    """The resident memory in KiB."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)]))


async def test_hooks_take_anything(tmp_path: Path) -> None:
    server = await asyncio.to_thread(start_server, tmp_path)
    url = server.json("db", "url", "--data-dir", str(server.data_dir))["url"]
    database = Database(Settings(database_url=url))
    mutators = [Mutator(SEED * 1000 + sender) for sender in range(SENDERS)]
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    try:
        async with httpx.AsyncClient(
            base_url=server.url, headers=headers, timeout=HANG_SECONDS
        ) as client:
            accepted = await fuzz(client, mutators, CASES // 3)
            warm = resident(server.process.pid)
            accepted += await fuzz(client, mutators, CASES - CASES // 3)
            grown = resident(server.process.pid) - warm
            me = (await client.get("/api/me")).json()
            world = World(database, None, me["account"]["id"], 0, me["user"]["id"], server.token)
            stored = await read_it_all(client)
            assert stored == await check_histories(world)
            assert stored > CASES // 10
            assert accepted > CASES * 0.8
            assert grown < GROWTH_KIBIBYTES, f"{grown} KiB more than {warm} KiB"
    finally:
        await database.close()
        stop_server(server)
    log = (tmp_path / "server.log").read_text()
    assert "error" not in log, log
