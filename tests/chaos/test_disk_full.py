"""The disk is full: nothing acknowledged is lost, nobody waits for ever, and it recovers."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.database import verify_tables
from tests.chaos.servers import Victim
from tests.chaos.verify import verify
from tests.chaos.writers import Crowd

LIMIT_SECONDS = 150.0
DISK_MEBIBYTES = 192
# What is left when the writers begin.
LEFT_BYTES = 2 * 1024 * 1024
FULL_SECONDS = 10.0
WRITERS = 8
SECONDS = 18.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one. Where it cannot be mounted the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_loses_nothing(tmp_path: Path, disk: Path, chance: random.Random) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(lambda: Victim(tmp_path, data="disk")) as victim:
            accounts = await asyncio.to_thread(victim.accounts)
            crowd = Crowd(victim.url, accounts, chance)
            await crowd.open()
            writing = asyncio.create_task(crowd.write(WRITERS, SECONDS))
            filler = disk / "filler"
            fill(filler, LEFT_BYTES)
            await _until_refused(crowd, writing)
            before = crowd.acknowledged
            await asyncio.sleep(FULL_SECONDS)
            filler.unlink()
            await victim.until_ready()
            await writing
            assert crowd.acknowledged > before, "it goes on by itself"
            for ledger in crowd.ledgers:
                assert set(ledger.refused) <= {"503", "impatient"}, (ledger.refused, victim.log)
                await verify(victim.url, ledger)
            database_url = await asyncio.to_thread(victim.database_url)
            await verify_tables(database_url, crowd.ledgers)


def fill(file: Path, left: int) -> None:
    status = os.statvfs(file.parent)
    with file.open("wb") as output:
        os.posix_fallocate(output.fileno(), 0, status.f_bavail * status.f_frsize - left)


async def _until_refused(crowd: Crowd, writing: "asyncio.Task[None]") -> None:
    deadline = time.monotonic() + SECONDS
    while not any(ledger.refused["503"] for ledger in crowd.ledgers):
        assert not writing.done(), "the disk has not become full"
        assert time.monotonic() < deadline, "the disk has not become full"
        await asyncio.sleep(0.05)
