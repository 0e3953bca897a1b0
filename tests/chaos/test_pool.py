"""All connections of the pool are held by transactions that wait for a lock."""

import asyncio
import time
from pathlib import Path

import asyncpg
import httpx

from tests.chaos.servers import Victim
from tests.locks import until_waiting

LIMIT_SECONDS = 60.0
POOL, POOL_SECONDS = 2, 1
BODY = {"command": {"module": "Bash", "command": "true"}}


async def test_an_exhausted_pool_refuses_and_recovers(tmp_path: Path) -> None:
    variables = {
        "AGENT_SESSIONS_POOL_SIZE": str(POOL),
        "AGENT_SESSIONS_POOL_TIMEOUT": str(POOL_SECONDS),
    }
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(lambda: Victim(tmp_path, **variables)) as victim:
            headers = {"Authorization": f"Bearer {victim.server.token}"}
            database_url = await asyncio.to_thread(victim.database_url)
            async with httpx.AsyncClient(
                base_url=victim.url, headers=headers, timeout=30
            ) as client:
                made = await client.post("/api/sessions", json={"type": "RecordedSessions"})
                path = f"{made.headers['location']}/interactions"
                holder = await asyncpg.connect(database_url)
                async with holder.transaction():
                    await holder.execute("SELECT FROM sessions FOR UPDATE")
                    waiting = [asyncio.create_task(client.post(path, json=BODY)) for _ in range(2)]
                    await until_waiting(holder, POOL)
                    began = time.monotonic()
                    refused = await asyncio.gather(
                        *(client.get("/api/sessions") for _ in range(10)),
                        *(client.post(path, json=BODY) for _ in range(10)),
                        client.get("/health/ready"),
                    )
                    seconds = time.monotonic() - began
                    live = await client.get("/health/live")
                    assert not any(write.done() for write in waiting)
                assert live.status_code == 200
                for answer in refused:
                    assert answer.status_code == 503, answer.text
                    assert answer.json()["code"] == "unavailable"
                    assert int(answer.headers["retry-after"]) >= 1
                # All of them waited together, not one after the other.
                assert seconds < 10 * POOL_SECONDS
                await holder.close()
                assert [(await write).status_code for write in waiting] == [201, 201]
                after = await asyncio.gather(*(client.post(path, json=BODY) for _ in range(4)))
                assert [answer.status_code for answer in after] == [201] * 4
                session = (await client.get(made.headers["location"])).json()
                assert session["interaction_count"] == 6
