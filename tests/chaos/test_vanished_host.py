"""The host of PostgreSQL vanishes without a word, as in a failover, and comes back."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from app import embedded
from tests.chaos.network import can_make_networks, far_host
from tests.chaos.servers import Victim

LIMIT_SECONDS = 150.0
BODY = {"command": {"module": "Bash", "command": "true"}}

pytestmark = pytest.mark.skipif(
    not can_make_networks(), reason="only root can make networks, with iproute2"
)


async def test_the_server_outlives_a_host_that_vanishes(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        cluster = await asyncio.to_thread(embedded.start, tmp_path / "database")
        with cluster, far_host(cluster.url) as host:
            variables = {"DATABASE_URL": host.url}
            with await asyncio.to_thread(lambda: Victim(tmp_path, **variables)) as victim:
                headers = {"Authorization": f"Bearer {victim.server.token}"}
                async with httpx.AsyncClient(
                    base_url=victim.url, headers=headers, timeout=LIMIT_SECONDS
                ) as client:
                    made = await client.post("/api/sessions", json={"type": "RecordedSessions"})
                    path = f"{made.headers['location']}/interactions"
                    shown: list[int] = []
                    reading = asyncio.create_task(_read(client, shown))
                    # As many connections as the pool has lie idle when the host vanishes.
                    before = await asyncio.gather(*(client.get(path) for _ in range(20)))
                    before.append(await client.post(path, json=BODY))
                    assert {answer.status_code for answer in before} == {200, 201}
                    host.vanish()
                    refused = await asyncio.gather(
                        *(client.get(path) for _ in range(12)),
                        *(client.post(path, json=BODY) for _ in range(12)),
                        client.get("/health/ready"),
                    )
                    assert {answer.status_code for answer in refused} == {503}
                    host.come_back()
                    await victim.until_ready()
                    after = await asyncio.gather(*(client.post(path, json=BODY) for _ in range(12)))
                    assert {answer.status_code for answer in after} == {201}
                    kept = (await client.get(f"{path}?limit=100")).json()["data"]
                    assert [row["seq"] for row in kept] == list(range(13, 0, -1))
                    while len(shown) < 14:  # the session, and each of them once
                        assert not reading.done(), reading.result()
                        await asyncio.sleep(0.1)
                    assert shown == list(range(shown[0], shown[0] + 14))
                    reading.cancel()


async def _read(client: httpx.AsyncClient, shown: list[int]) -> None:
    async with client.stream("GET", "/api/feed/stream?after=0") as response:
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                shown.append(json.loads(value)["sequence"])
