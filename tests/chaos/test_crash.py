"""Whatever is killed, what was acknowledged is there, once; the rest is there once or not."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.database import verify_tables
from tests.chaos.servers import CLEAN, Victim
from tests.chaos.verify import verify
from tests.chaos.writers import Crowd

WRITERS = 16
SECONDS = 35.0
LIMIT_SECONDS = 150.0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_nothing_acknowledged_is_lost(
    tmp_path: Path, chance: random.Random, workers: str
) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(Victim, tmp_path, "--workers", workers) as victim:
            accounts = await asyncio.to_thread(victim.accounts)
            crowd = Crowd(victim.url, accounts, chance)
            await crowd.open()
            writing = asyncio.create_task(crowd.write(WRITERS, SECONDS))
            killing = asyncio.create_task(victim.kill_at_random(chance))
            await asyncio.wait({writing, killing}, return_when=asyncio.FIRST_COMPLETED)
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
            await victim.until_ready()
            await writing
            print(victim.kills, f"{crowd.acknowledged} acknowledged")  # noqa: T201
            for ledger in crowd.ledgers:
                assert set(ledger.refused) <= CLEAN, (ledger.refused, victim.log)
                await verify(victim.url, ledger)
            database_url = await asyncio.to_thread(victim.database_url)
            await verify_tables(database_url, crowd.ledgers)
