"""Agents that never stop writing, and note down what was acknowledged."""

import asyncio
import random
import time
from typing import Any
from uuid import UUID

import httpx
import uuid_utils

from tests.chaos.ledger import Client, Ledger, Written
from tests.chaos.servers import Account

ITEMS = 400


class Workplace:
    """What the writers of one account share."""

    def __init__(self, sessions: list[int], instance_id: str) -> None:
        self.sessions = sessions
        self.instance_id = instance_id


async def open_workplace(url: str, account: Account) -> Workplace:
    headers = {"Authorization": f"Bearer {account.token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def post(path: str, body: dict[str, Any]) -> Any:
            response = await client.post(path, json=body)
            response.raise_for_status()
            return response.json()

        sessions = [await post("/api/sessions", {"type": "RecordedSessions"}) for _ in range(2)]
        instance = await post("/api/instances", {"project": "chaos", "instance_type": "PS"})
        for number in range(ITEMS):
            item = {"key": f"item-{number}", "title": "work", "track": "ABC"[number % 3]}
            await post("/api/work-items", item)
    return Workplace([session["id"] for session in sessions], instance["instance_id"])


class Writer:
    def __init__(
        self, url: str, ledger: Ledger, workplace: Workplace, name: str, chance: random.Random
    ) -> None:
        self.client = Client(url, ledger, name, chance)
        self.ledger = ledger
        self.workplace = workplace
        self.name = name
        self.chance = chance
        self._without_result: list[Written] = []

    async def write_until(self, deadline: float) -> None:
        acts = [
            self.append_with_key,
            self.append_with_key,
            self.append_with_ids,
            self.append_with_ids,
            self.append_once,
            self.set_result,
            self.create_session,
            self.patch_session,
            self.emit_events,
            self.work,
        ]
        try:
            await self.client.until_done("PUT", f"/api/agents/{self.name}", {})
            while time.monotonic() < deadline:
                await self.chance.choice(acts)()
        finally:
            await self.client.close()

    def _session(self) -> int:
        return self.chance.choice(self.workplace.sessions)

    async def append_with_key(self) -> None:
        session_id, marker = self._session(), self.client.marker()
        path, body = f"/api/sessions/{session_id}/interactions", {"command": command(marker)}
        answer = await self.client.until_done("POST", path, body, keyed=True)
        self._note(session_id, [marker], [answer])

    async def append_with_ids(self) -> None:
        """The ids alone make a repeat harmless."""
        session_id = self._session()
        markers = [self.client.marker() for _ in range(self.chance.randint(1, 12))]
        body = [{"id": str(uuid_utils.uuid7()), "command": command(m)} for m in markers]
        path = f"/api/sessions/{session_id}/interactions"
        keyed = self.chance.random() < 0.3
        answer = await self.client.until_done("POST", path, body, keyed=keyed)
        assert [document["id"] for document in answer["data"]] == [one["id"] for one in body]
        self._note(session_id, markers, answer["data"])

    async def append_once(self) -> None:
        session_id, marker = self._session(), self.client.marker()
        path, body = f"/api/sessions/{session_id}/interactions", {"command": command(marker)}
        answer = await self.client.once("POST", path, body)
        if answer is None:
            self.ledger.uncertain.add(marker)
        else:
            self._note(session_id, [marker], [answer])

    def _note(self, session_id: int, markers: list[str], answers: list[Any]) -> None:
        for marker, answer in zip(markers, answers, strict=True):
            written = Written(session_id, UUID(answer["id"]), answer["seq"])
            self.ledger.interactions[marker] = written
            self._without_result.append(written)

    async def set_result(self) -> None:
        if not self._without_result:
            return
        place = self.chance.randrange(len(self._without_result))
        written = self._without_result.pop(place)
        marker = self.client.marker()
        body = {"status": "ok", "stdout": marker, "data": {"filler": "x" * 700}}
        path = f"/api/sessions/{written.session_id}/interactions/{written.id}/result"
        await self.client.until_done("POST", path, body, keyed=self.chance.random() < 0.5)
        self.ledger.results[marker] = (written.session_id, written.id)

    async def create_session(self) -> None:
        marker = self.client.marker()
        body = {"type": "RecordedSessions", "title": marker}
        answer = await self.client.until_done("POST", "/api/sessions", body, keyed=True)
        self.ledger.sessions[marker] = answer["id"]

    async def patch_session(self) -> None:
        session_id, marker = self._session(), self.client.marker()
        body = {"state": {marker: True}}
        await self.client.until_done("PATCH", f"/api/sessions/{session_id}", body)
        self.ledger.patches[marker] = session_id

    async def emit_events(self) -> None:
        markers = [self.client.marker() for _ in range(self.chance.randint(1, 4))]
        body = [{"event_type": "test_started", "event_data": {"marker": m}} for m in markers]
        instance_id = self.workplace.instance_id
        path = f"/api/instances/{instance_id}/events"
        answer = await self.client.until_done("POST", path, body, keyed=True)
        for marker, event in zip(markers, answer["data"], strict=True):
            self.ledger.events[marker] = (instance_id, event["sequence_num"])

    async def work(self) -> None:
        """Take the next work item and complete it, with the token that the claim gave."""
        body = {"session_id": self.name}
        path = "/api/work-items/claim-next"
        granted = await self.client.until_done("POST", path, body, keyed=True)
        if granted is None:
            return
        claim = granted["claim"]
        key, token = claim["work_item"], claim["fencing_token"]
        self.ledger.claims[claim["id"]] = (key, self.name, token)
        path = f"/api/work-items/{key}/complete"
        await self.client.until_done("POST", path, {"fencing_token": token}, keyed=True)
        self.ledger.completed.add(key)


def command(marker: str) -> dict[str, Any]:
    return {"module": "Bash", "command": marker, "metadata": {"filler": "x" * 300}}


class Crowd:
    """Writers on the sessions of several accounts."""

    def __init__(self, url: str, accounts: list[Account], chance: random.Random) -> None:
        self.url = url
        self.ledgers = [Ledger(account) for account in accounts]
        self._chance = chance
        self._places: list[Workplace] = []

    async def open(self) -> None:
        self._places = [await open_workplace(self.url, ledger.account) for ledger in self.ledgers]

    @property
    def acknowledged(self) -> int:
        return sum(ledger.acknowledged for ledger in self.ledgers)

    async def write(self, count: int, seconds: float) -> None:
        """Until the time is over and the last request of each has been answered."""
        url = self.url
        deadline = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                account = number % len(self.ledgers)
                chance = random.Random(self._chance.random())
                name = f"writer-{number}"
                writer = Writer(url, self.ledgers[account], self._places[account], name, chance)
                group.create_task(writer.write_until(deadline))
