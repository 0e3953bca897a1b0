"""What is measured, each beside the floor it is to be compared with."""

from typing import Literal

import msgspec

from bench.client import Job
from bench.processes import Bench, Target
from bench.seed import FLOOR_SESSIONS, Api, interaction, seed_list

Group = Literal["append", "batch", "newest", "list"]
FloorKind = Literal["append", "batch", "newest"]

BODY = msgspec.json.encode(interaction()).decode()
BATCH_BODY = msgspec.json.encode([interaction()] * 100).decode()
CLIENTS = (1, 16)
FRESH_BELOW = 1000  # shorter sessions grow by a good part of their length while they are measured


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    rounds: int
    seconds: float
    """Of one measurement; a round takes each twice."""
    lengths: tuple[int, ...]
    list_accounts: int
    """With 20,000 sessions each; the first one's list is measured."""
    groups: tuple[Group, ...] = ("append", "batch", "newest", "list")


FULL = Plan(rounds=3, seconds=0.6, lengths=(0, 100, 1000, 10_000), list_accounts=6)
QUICK = Plan(rounds=1, seconds=0.3, lengths=(0, 100, 1000), list_accounts=2)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    clients: int
    floor: FloorKind
    method: str
    target: Target
    paths: list[str]
    body: str = ""

    def job(self, seconds: float) -> Job:
        authorization = {"Authorization": f"Bearer {self.target.token}"}
        return Job(
            port=self.target.port,
            method=self.method,
            paths=self.paths,
            headers=authorization if self.target.token else {},
            body=self.body,
            clients=self.clients,
            seconds=seconds,
        )


class Scenarios:
    """Makes the sessions that a round needs; the long ones are kept for the next round."""

    def __init__(self, bench: Bench, plan: Plan) -> None:
        self._bench = bench
        self._plan = plan
        self._api = Api(bench.server)
        self._kept: dict[tuple[int, int], list[int]] = {}
        self._list = seed_list(bench, plan.list_accounts) if "list" in plan.groups else None

    def floor(self, kind: FloorKind, clients: int) -> Scenario:
        path = {"append": "/floor", "batch": "/floor/batch", "newest": "/floor/newest"}[kind]
        return Scenario(
            name=f"floor {kind}",
            clients=clients,
            floor=kind,
            method="GET" if kind == "newest" else "POST",
            target=self._bench.floor,
            paths=[f"{path}?session_id={number}" for number in range(FLOOR_SESSIONS)],
            body={"append": BODY, "batch": BATCH_BODY, "newest": ""}[kind],
        )

    def round(self) -> list[Scenario]:
        makers = {
            "append": self._append,
            "batch": self._batch,
            "newest": self._newest,
            "list": self._list_page,
        }
        return [scenario for group in self._plan.groups for scenario in makers[group]()]

    def _append(self) -> list[Scenario]:
        scenarios = []
        for length in self._plan.lengths:
            name = f"append, length {length:,}"
            for clients in CLIENTS:
                # Many empty sessions: each stays nearly empty while it is measured.
                sessions = self._sessions({0: 128, 100: 32}.get(length, 16), length)
                scenarios.append(self._interactions(name, clients, sessions, BODY))
            name += ", all to one session"
            scenarios.append(self._interactions(name, CLIENTS[-1], self._sessions(1, length), BODY))
        return scenarios

    def _batch(self) -> list[Scenario]:
        return [
            self._interactions("append 100 at once", clients, self._sessions(16, 0), BATCH_BODY)
            for clients in CLIENTS
        ]

    def _newest(self) -> list[Scenario]:
        return [
            self._get(f"{what}, length {length:,}", clients, self._bench.server, paths)
            for length in (self._plan.lengths[1], self._plan.lengths[-1])
            for what, query in (
                ("session with newest 50", "?interactions=50"),
                ("newest 50 interactions", "/interactions?limit=50"),
            )
            for clients in CLIENTS
            for paths in [[f"/api/sessions/{n}{query}" for n in self._sessions(16, length)]]
        ]

    def _list_page(self) -> list[Scenario]:
        assert self._list
        return [
            self._get("list page of 50", clients, self._list, ["/api/sessions?limit=50"])
            for clients in CLIENTS
        ]

    def _interactions(self, name: str, clients: int, sessions: list[int], body: str) -> Scenario:
        return Scenario(
            name=name,
            clients=clients,
            floor="append" if body == BODY else "batch",
            method="POST",
            target=self._bench.server,
            paths=[f"/api/sessions/{session}/interactions" for session in sessions],
            body=body,
        )

    def _get(self, name: str, clients: int, target: Target, paths: list[str]) -> Scenario:
        return Scenario(
            name=name, clients=clients, floor="newest", method="GET", target=target, paths=paths
        )

    def _sessions(self, count: int, length: int) -> list[int]:
        if length < FRESH_BELOW:
            return self._api.create_sessions(count, length)
        if (count, length) not in self._kept:
            self._kept[count, length] = self._api.create_sessions(count, length)
        return self._kept[count, length]
