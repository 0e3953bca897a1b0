"""PostgreSQL is killed under open streams: each of them still shows everything, once, in order."""

import asyncio
import contextlib
import json
import random
from pathlib import Path

import httpx

from tests.chaos.ledger import Client, Ledger
from tests.chaos.servers import Victim, kill

LIMIT_SECONDS = 120.0
STREAMS = 50
SECONDS = 12.0


class Reader:
    """Resumes with its Last-Event-ID whenever its stream ends."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/api/feed/stream"
        self._headers = {"Authorization": f"Bearer {token}", "X-Project": "*"}
        self.seen: list[int] = []

    async def read(self, client: httpx.AsyncClient) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                await self._read_once(client)
            await asyncio.sleep(0.2)

    async def _read_once(self, client: httpx.AsyncClient) -> None:
        last = str(self.seen[-1] if self.seen else 0)
        headers = {**self._headers, "Last-Event-ID": last}
        async with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == 503:
                return
            assert response.status_code == 200, await response.aread()
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    assert line != "event: gap"
                if line.startswith("data: "):
                    self.seen.append(json.loads(line.removeprefix("data: "))["sequence"])


async def write(client: Client) -> None:
    while True:
        body = {"type": "RecordedSessions"}
        await client.until_done("POST", "/api/sessions", body, keyed=True)
        await asyncio.sleep(0.02)


async def test_fifty_streams_survive_postgresql(tmp_path: Path, chance: random.Random) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(Victim, tmp_path) as victim:
            [account, _] = await asyncio.to_thread(victim.accounts)
            writers = [Client(victim.url, Ledger(account), f"w{n}", chance) for n in range(4)]
            readers = [Reader(victim.url, account.token) for _ in range(STREAMS)]
            limits = httpx.Limits(max_connections=STREAMS)
            async with httpx.AsyncClient(timeout=60, limits=limits) as client:
                reading = [asyncio.create_task(reader.read(client)) for reader in readers]
                writing = [asyncio.create_task(write(writer)) for writer in writers]
                for _ in range(3):
                    await asyncio.sleep(SECONDS / 3 * chance.uniform(0.5, 1))
                    kill(victim.postmaster or 0)
                    await asyncio.sleep(0.5)
                    await victim.until_ready()
                await asyncio.sleep(1)
                for task in writing:
                    task.cancel()
                outcomes = await asyncio.gather(*writing, return_exceptions=True)
                assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
                last = await _last_sequence(victim)
                assert last > 50
                while any(reader.seen[-1:] != [last] for reader in readers):
                    assert not any(task.done() for task in reading)
                    await asyncio.sleep(0.1)
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)
            for reader in readers:
                assert reader.seen == list(range(1, last + 1))
            for writer in writers:
                await writer.close()


async def _last_sequence(victim: Victim) -> int:
    """Once nothing is on its way any more."""
    headers = {"Authorization": f"Bearer {victim.server.token}", "X-Project": "*"}
    found = -1
    async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=30) as client:
        while True:
            after = max(found, 0)
            page = (await client.get("/api/feed", params={"after": after, "limit": 100})).json()
            if int(page["next_cursor"]) == found:
                return found
            found = int(page["next_cursor"])
            await asyncio.sleep(0.3 if len(page["data"]) < 100 else 0)
