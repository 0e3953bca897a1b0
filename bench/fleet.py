"""What a fleet of 2,000 agents costs: heartbeats, the list, and the rush for work items."""

import asyncio
import time
from collections.abc import Coroutine
from statistics import median
from typing import Any

import asyncpg
import httpx
import msgspec

from bench.client import Job
from bench.processes import Bench, Target, started
from bench.seed import settle

AGENTS = 2000
CLIENTS = 16
SECONDS = 5.0
RUSH = 50
PACED_SECONDS = 20.0
BEATS_EVERY = 2.5
"""Four times as often as agents are asked to."""
WRITTEN_EVERY = 5.0


def main() -> None:
    with started() as bench:
        account = bench.create_account("fleet")
        target = Target(port=bench.server.port, token=account["token"])
        asyncio.run(_seed(bench.database_url, account["project"]))
        settle(bench.database_url)
        for name, method, paths, body in (
            ("heartbeat", "POST", [f"/api/agents/{_name(n)}/heartbeat" for n in range(AGENTS)], ""),
            ("1,000 heartbeats at once", "POST", ["/api/agents/heartbeats"], _batch(0, 1000)),
            ("page of 100 agents", "GET", ["/api/agents?limit=100"], ""),
            ("page of 100 work items", "GET", ["/api/work-items?limit=100"], ""),
            ("tracks", "GET", ["/api/tracks"], ""),
        ):
            job = Job(
                port=target.port,
                method=method,
                paths=paths,
                headers={"Authorization": f"Bearer {target.token}"},
                body=body,
                clients=CLIENTS,
                seconds=SECONDS,
            )
            measured = bench.load.measure(job)
            print(
                f"{name:<26} {CLIENTS} clients {measured.p50_ms:8.2f} ms p50 "
                f"{measured.p99_ms:8.2f} ms p99 {measured.per_second:8.0f} /s "
                f"{measured.failures} failed"
            )
        asyncio.run(_rush(target))
        asyncio.run(_count_versions(bench, target))


def _name(number: int) -> str:
    return f"agent-{number}"


def _batch(start: int, end: int) -> str:
    names = [_name(number) for number in range(start, end)]
    return msgspec.json.encode({"session_ids": names}).decode()


async def _seed(url: str, project: dict[str, Any]) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO claude_sessions (account_id, project_id, session_id, status)"
        " SELECT account_id, id, 'agent-' || n, 'idle' FROM projects,"
        " generate_series(0, $2 - 1) AS n WHERE id = $1",
        project["id"],
        AGENTS,
    )
    await connection.execute(
        "INSERT INTO work_items (account_id, project_id, key, title, track)"
        " SELECT account_id, id, 'item-' || n, 'Item', (ARRAY['A', 'B', 'C'])[1 + n % 3]"
        " FROM projects, generate_series(0, $2 - 1) AS n WHERE id = $1",
        project["id"],
        AGENTS // 2,
    )
    await connection.close()


def _client(target: Target) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{target.port}",
        headers={"Authorization": f"Bearer {target.token}"},
        timeout=60,
    )


async def _rush(target: Target) -> None:
    async def timed(request: Coroutine[Any, Any, httpx.Response]) -> tuple[float, str]:
        begun = time.perf_counter()
        answer = (await request).raise_for_status().json()
        return time.perf_counter() - begun, answer["claim"]["work_item"]

    async with _client(target) as client:
        begun = time.perf_counter()
        answers = await asyncio.gather(
            *(
                timed(client.post("/api/work-items/claim-next", json={"session_id": _name(n)}))
                for n in range(RUSH)
            )
        )
    print(
        f"{RUSH} agents ask at once: {len({item for _, item in answers})} items after "
        f"{(time.perf_counter() - begun) * 1e3:.0f} ms, "
        f"{median(seconds for seconds, _ in answers) * 1e3:.0f} ms p50"
    )


async def _count_versions(bench: Bench, target: Target) -> None:
    connection = await asyncpg.connect(bench.database_url)
    before = await _updates(connection)
    sent, begun = 0, time.monotonic()
    async with _client(target) as client:
        while time.monotonic() < begun + PACED_SECONDS:
            for start in range(0, AGENTS, 1000):
                body = _batch(start, start + 1000)
                (await client.post("/api/agents/heartbeats", content=body)).raise_for_status()
            sent += AGENTS
            await asyncio.sleep(BEATS_EVERY)
    seconds = time.monotonic() - begun
    written = await _updates(connection) - before
    await connection.close()
    print(
        f"{sent} heartbeats in {seconds:.0f} s: {written} row versions, "
        f"{written / AGENTS / seconds * WRITTEN_EVERY:.2f} per agent and {WRITTEN_EVERY:.0f} s"
    )


async def _updates(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    await asyncio.sleep(2)  # the server's processes report once a second
    count: int = await connection.fetchval(
        "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'claude_sessions'"
    )
    return count
