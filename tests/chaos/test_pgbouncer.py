"""Many clients on few connections of a transaction-mode pool, through `serve --pgbouncer`."""

import asyncio
import json
import random
from pathlib import Path

import httpx
import pytest

from app import embedded
from app.embedded.programs import bundled_bin_dir
from tests.chaos.database import verify_tables
from tests.chaos.servers import CLEAN, Victim
from tests.chaos.verify import verify
from tests.chaos.writers import Crowd
from tests.pgbouncer import pgbouncer
from tests.servers import start_server

LIMIT_SECONDS = 150.0
SECONDS = 8.0
WRITERS = 16


@pytest.mark.parametrize("kills", [False, True], ids=["calm", "kills"])
async def test_a_pool_mixes_up_nothing(
    tmp_path: Path, chance: random.Random, *, kills: bool
) -> None:
    """Two workers with twenty connections to the pool, which has four to PostgreSQL."""
    async with asyncio.timeout(LIMIT_SECONDS):
        cluster = await asyncio.to_thread(embedded.start, tmp_path / "database")
        with cluster, pgbouncer(cluster.url) as pooled:
            variables = {
                "DATABASE_URL": pooled,
                "DATABASE_DIRECT_URL": cluster.url,
                "AGENT_SESSIONS_PGBOUNCER": "1",
            }
            with await asyncio.to_thread(
                lambda: Victim(tmp_path, "--workers", "2", **variables)
            ) as victim:
                victim.foreign_postgres = tmp_path / "database"
                await _verify_announcements(victim)
                accounts = await asyncio.to_thread(victim.accounts)
                crowd = Crowd(victim.url, accounts, chance)
                await crowd.open()
                killing = asyncio.create_task(victim.kill_at_random(chance)) if kills else None
                await crowd.write(WRITERS, SECONDS * (1 + kills))
                if killing is not None:
                    killing.cancel()
                    await asyncio.gather(killing, return_exceptions=True)
                    await victim.until_ready()
                    print(victim.kills, f"{crowd.acknowledged} acknowledged")  # noqa: T201
                assert crowd.acknowledged > 100
                for ledger in crowd.ledgers:
                    refused = set(ledger.refused)
                    assert refused <= (CLEAN if kills else {"impatient"}), (refused, victim.log)
                    await verify(victim.url, ledger)
                await verify_tables(cluster.url, crowd.ledgers)
                await asyncio.to_thread(_verify_commands, victim, variables)


async def _verify_announcements(victim: Victim) -> None:
    """A stream hears of a write to whichever worker, so LISTEN is not lost in the pool."""
    headers = {"Authorization": f"Bearer {victim.server.token}"}
    async with (
        httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=20) as client,
        client.stream("GET", "/api/feed/stream") as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == ": welcome"
        made = await client.post("/api/sessions", json={"type": "RecordedSessions"})
        data = await anext(lines)
        while not data.startswith("data: "):
            data = await anext(lines)
        event = json.loads(data.removeprefix("data: "))
        assert event["entity_id"] == str(made.json()["id"])
    assert "cannot listen" not in victim.log
    assert "background work failed" not in victim.log


def _verify_commands(victim: Victim, variables: dict[str, str]) -> None:
    folder = ("--data-dir", str(victim.server.data_dir))
    for command in (("db", "upgrade"), ("db", "check"), ("retention", "--dry-run")):
        done = victim.server.run(*command, *folder, **variables)
        assert done.returncode == 0, done.stderr
    found = {f["subject"]: f["ok"] for f in victim.server.json("doctor", *folder, **variables)}
    assert found["database"]
    assert found["migrations"]
    assert found["row security"]
    programs = str(bundled_bin_dir())
    copy = str(victim.folder / "copy")
    done = victim.server.run("db", "backup", copy, *folder, PG_BINDIR=programs, **variables)
    assert done.returncode == 0, done.stderr


async def test_a_pool_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="needs DATABASE_DIRECT_URL"):
        start_server(tmp_path, "--pgbouncer", DATABASE_URL="postgresql://nobody@/nothing")
