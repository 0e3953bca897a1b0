"""What the server has acknowledged, and the requests that go on until it does."""

import asyncio
import collections
import itertools
import random
import time
from typing import Any
from uuid import UUID

import httpx
import msgspec

from tests.chaos.servers import Account

REQUEST_SECONDS = 20.0
IMPATIENT = 0.1
# A restart, and whatever recovery PostgreSQL needs.
PATIENCE_SECONDS = 90.0


class Written(msgspec.Struct, frozen=True):
    """An interaction as its answer showed it."""

    session_id: int
    id: UUID
    seq: int


class Ledger:
    """Of one account. `markers` name what was written; each is used once."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.interactions: dict[str, Written] = {}
        # Sent once, without an id or a key: each is there once, or not at all.
        self.uncertain: set[str] = set()
        self.results: dict[str, tuple[int, UUID]] = {}
        self.sessions: dict[str, int] = {}
        self.patches: dict[str, int] = {}
        self.events: dict[str, tuple[str, int]] = {}
        self.claims: dict[int, tuple[str, str, int]] = {}
        """By claim id: work item, agent and fencing token."""
        self.completed: set[str] = set()
        self.keys: set[str] = set()
        self.refused: collections.Counter[str] = collections.Counter()
        """Answers 5xx, and connections that broke."""
        self.unexpected: list[str] = []

    @property
    def acknowledged(self) -> int:
        kinds = (self.interactions, self.results, self.sessions, self.patches, self.events)
        return sum(len(kind) for kind in kinds) + len(self.claims) + len(self.completed)


class Client:
    """One writer's way to the server. At times it gives up before the answer can be there, so that
    what was carried out is sent again."""

    def __init__(self, url: str, ledger: Ledger, name: str, chance: random.Random) -> None:
        self.ledger = ledger
        self.name = name
        self._chance = chance
        self._numbers = itertools.count(1)
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {ledger.account.token}"},
        )

    async def close(self) -> None:
        await self._http.aclose()

    def marker(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    async def once(self, method: str, path: str, body: Any) -> Any:
        """None when it is not known whether the server carried it out, or it did not."""
        response = await self._send(method, path, body, {})
        return None if response is None else response.json()

    async def until_done(self, method: str, path: str, body: Any, *, keyed: bool = False) -> Any:
        """The answer, however often it takes; always under the same Idempotency-Key."""
        headers: dict[str, str] = {}
        if keyed:
            headers["Idempotency-Key"] = key = self.marker()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (response := await self._send(method, path, body, headers)) is None:
            assert time.monotonic() < deadline, f"no answer to {method} {path}"
            await asyncio.sleep(0.1)
        if keyed:
            self.ledger.keys.add(key)
        return response.json() if response.content else None

    async def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> httpx.Response | None:
        impatient = self._chance.random() < IMPATIENT
        timeout = self._chance.uniform(0.001, 0.05) if impatient else REQUEST_SECONDS
        try:
            response = await self._http.request(
                method, path, json=body, headers=headers, timeout=timeout
            )
        except httpx.TimeoutException as error:
            self.ledger.refused["impatient" if impatient else type(error).__name__] += 1
            return None
        except httpx.TransportError as error:
            self.ledger.refused[type(error).__name__] += 1
            return None
        if response.is_success:
            return response
        code = response.json()["code"]
        if response.status_code >= 500:
            self.ledger.refused[str(response.status_code)] += 1
        elif code != "idempotency_in_flight":
            self.ledger.unexpected.append(f"{method} {path}: {response.text}")
            raise AssertionError(self.ledger.unexpected[-1])
        problem = response.headers["content-type"].startswith("application/problem+json")
        assert problem, response.headers
        return None
