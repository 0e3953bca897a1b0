"""Whatever is killed, what was acknowledged is there, once; the rest is there once or not."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.database import verify_tables
from tests.chaos.servers import Victim
from tests.chaos.verify import verify
from tests.chaos.writers import Crowd

WRITERS = 16
SECONDS = 35.0
LIMIT_SECONDS = 150.0
# Answers and errors of a connection that may be met meanwhile: never a 500.
CLEAN = {"503", "impatient", "ConnectError", "ReadError", "WriteError", "RemoteProtocolError"}
PAUSE_SECONDS = (0.3, 3.0)


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
            killing = asyncio.create_task(_kill_at_random(victim, chance))
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


async def _kill_at_random(victim: Victim, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
        await asyncio.shield(victim.kill_something(chance))
