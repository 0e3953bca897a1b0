"""The clock of the server and of PostgreSQL is set back by an hour under their feet."""

import asyncio
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import embedded
from tests.chaos.servers import Victim
from tests.embedded.support import foreign_server, wait_until
from tests.factories.runs import make_run

LIMIT_SECONDS = 90.0
HOUR = 3600
LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"
COMMAND = {"module": "Bash", "command": "true"}


class Clock:
    """Of the processes that are started with its variables; monotonic time goes on as it does."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "offset"
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, offset: int) -> None:
        """In seconds from the real time."""
        self._file.write_text(f"{offset:+d}\n")


@pytest.fixture
def clock() -> Iterator[Clock]:
    found = sorted(Path("/").glob(LIBRARIES.removeprefix("/")))
    if not found:
        pytest.fail("libfaketime is not installed (on Debian and Ubuntu: apt-get install faketime)")
    # The server's user has to read the file as well.
    with tempfile.TemporaryDirectory(prefix="clock-") as name:
        Path(name).chmod(0o755)
        yield Clock(found[0], Path(name))


@pytest.fixture
def database_url(tmp_path: Path, clock: Clock) -> Iterator[str]:
    """The embedded PostgreSQL takes no preloaded library from us, so it is started by hand."""
    with embedded.start(tmp_path / "database") as cluster:
        url = cluster.url
    with foreign_server(tmp_path / "database", variables=clock.variables):
        wait_until((tmp_path / "database/postgres/run/.s.PGSQL.5432").exists)
        yield url


class Story:
    """What an agent and the fleet do before and after."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.session = ""

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = await self._client.request(method, path, json=body, headers=headers)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def begin(self) -> None:
        made = await self.send("POST", "/api/sessions", {"type": "RecordedSessions"})
        self.session = f"/api/sessions/{made['id']}"
        for agent in ("a", "b"):
            await self.send("PUT", f"/api/agents/{agent}", {})
        await self.send("POST", "/api/work-items", {"key": "item", "title": "work"})
        await self.send("POST", "/api/instances", INSTANCE)

    async def append(self, count: int) -> None:
        for _ in range(count):
            await self.send("POST", f"{self.session}/interactions", {"command": COMMAND})

    async def emit(self, count: int) -> None:
        body = [{"event_type": "test_started"}] * count
        await self.send("POST", f"/api/instances/{INSTANCE['instance_id']}/events", body)

    async def claim(self, agent: str) -> Any:
        return await self.send("POST", "/api/work-items/claim-next", {"session_id": agent})

    async def now(self) -> str:
        made = await self.send("POST", "/api/sessions", {"type": "RecordedSessions"})
        moment: str = made["inserted_at"]
        return moment


INSTANCE = {"project": "chaos", "instance_type": "PS", "instance_id": "chaos-PS-000001"}


async def test_order_and_leases_do_not_hang_on_the_clock(
    tmp_path: Path, clock: Clock, database_url: str
) -> None:
    variables = {**clock.variables, "DATABASE_URL": database_url}
    async with asyncio.timeout(LIMIT_SECONDS):
        with await asyncio.to_thread(lambda: Victim(tmp_path, **variables)) as victim:
            headers = {"Authorization": f"Bearer {victim.server.token}", "X-Project": "*"}
            async with httpx.AsyncClient(
                base_url=victim.url, headers=headers, timeout=20
            ) as client:
                story = Story(client)
                await story.begin()
                await story.append(12)
                await story.emit(3)
                granted = await story.claim("a")
                key = {"Idempotency-Key": "before"}
                once = await story.send("POST", f"{story.session}/complete", None, **key)
                run = await make_run(client)
                reopened = await story.send("POST", f"{story.session}/reopen")
                before = await story.now()

                clock.set(-HOUR)
                after = await story.now()
                assert after < before, "the clock was set back"
                await story.append(12)
                await story.emit(3)
                again = await story.send("POST", f"{story.session}/complete", None, **key)
                assert again == once, "carried out once"
                kept = await story.send("GET", story.session)
                assert (kept["status"], kept["version"]) == ("active", reopened["version"] + 12)
                done = await story.send("POST", f"/api/runs/{run}/finish", {})
                assert done["orch_finished_at"] == done["orch_started_at"]
                await _verify_order(story)
                await _verify_leases(story, granted["claim"])
                await _verify_tokens(story, client, clock)


async def _verify_order(story: Story) -> None:
    path = f"{story.session}/interactions?order=asc&limit=100"
    documents = (await story.send("GET", path))["data"]
    assert [document["seq"] for document in documents] == list(range(1, 25))
    ids = [UUID(document["id"]) for document in documents]
    assert len(set(ids)) == 24
    assert {number.version for number in ids} == {7}
    path = f"/api/instances/{INSTANCE['instance_id']}/events?limit=100"
    numbers = [event["sequence_num"] for event in (await story.send("GET", path))["data"]]
    assert numbers == list(range(1, len(numbers) + 1))
    feed = (await story.send("GET", "/api/feed?after=0&limit=100"))["data"]
    assert [event["sequence"] for event in feed] == list(range(1, len(feed) + 1))
    moments = [event["at"] for event in feed]
    assert moments != sorted(moments), "times have gone back, numbers have not"


async def _verify_leases(story: Story, claim: Any) -> None:
    """The holder goes on holding; once silent it loses its item, in spite of what was written
    when the clock was an hour ahead."""
    assert await story.claim("b") is None, "a holds it"
    beat = await story.send("POST", "/api/agents/a/heartbeat")
    assert (beat["status"], beat["sd_id"]) == ("active", "item")
    await story.send("PATCH", "/api/fleet/settings", {"stale_after_seconds": 1})
    await asyncio.sleep(2)
    await story.send("POST", "/api/agents/b/heartbeat")
    taken = (await story.claim("b"))["claim"]
    assert taken["fencing_token"] == claim["fencing_token"] + 1
    released = await story.send("GET", f"/api/claims/{claim['id']}")
    assert (released["release_reason"], bool(released["released_at"])) == ("timeout", True)
    body = {"fencing_token": taken["fencing_token"]}
    await story.send("POST", "/api/work-items/item/complete", body)
    agents = (await story.send("GET", "/api/agents"))["data"]
    assert all(agent["heartbeat_age_seconds"] >= 0 for agent in agents)


async def _verify_tokens(story: Story, client: httpx.AsyncClient, clock: Clock) -> None:
    """A token is good until its time has come, by whatever the clock says."""
    expires_at = datetime.datetime.fromisoformat(await story.now()) + datetime.timedelta(hours=1)
    body = {"name": "short", "scopes": ["read"], "expires_at": expires_at.isoformat()}
    made = await story.send("POST", "/api/tokens", body)
    sent = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.get("/api/me", headers=sent)).status_code == 200
    clock.set(-2 * HOUR)
    await asyncio.sleep(2.5)  # longer than an answer about a token is kept
    assert (await client.get("/api/me", headers=sent)).status_code == 200
    clock.set(HOUR)
    await asyncio.sleep(2.5)
    assert (await client.get("/api/me", headers=sent)).status_code == 401
