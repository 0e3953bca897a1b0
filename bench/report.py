"""The table, and the goals it is held against."""

from statistics import median
from typing import Literal, NamedTuple

import msgspec

from bench.client import Measurement
from bench.scenarios import Plan

Key = tuple[str, int]
"""Name of a scenario, number of clients."""
Figure = Literal["p50_ms", "p99_ms", "per_second"]
Whose = Literal["floor", "server"]


class Pair(NamedTuple):
    """Taken one right after the other, so that noise meets both alike."""

    floor: Measurement
    server: Measurement


class Row(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    clients: int
    pairs: list[Pair]

    def median(self, of: Figure, whose: Whose) -> float:
        return median(_figure(pair, of, whose) for pair in self.pairs)

    def ratio(self, of: Figure, to: "Row | None" = None, whose: Whose = "floor") -> float:
        """Of the server to the floor, its own or another row's of the same pass."""
        passes = zip(self.pairs, (to or self).pairs, strict=True)
        return median(
            _figure(one, of, "server") / _figure(other, of, whose) for one, other in passes
        )

    def figures(self, whose: Whose) -> str:
        p50, p99, rate = (self.median(of, whose) for of in ("p50_ms", "p99_ms", "per_second"))
        return f"{p50:8.2f} {p99:8.2f} {rate:8.0f}"


def _figure(pair: Pair, of: Figure, whose: Whose) -> float:
    figure: float = getattr(getattr(pair, whose), of)
    return figure


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    ratio: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    def line(self) -> str:
        bound = f"{'>=' if self.at_least else '<='} {self.limit}"
        return f"{self.name:<64} {self.ratio:5.2f} {bound:>7}  {'met' if self.met else 'missed'}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    plan: Plan
    rows: dict[Key, Row]

    def print(self) -> None:
        print(f"{'':<44} {'':>7} {'floor':>26}   {'server':>24}  server /")
        figures = f"{'p50 ms':>8} {'p99 ms':>8} {'req/s':>8}"
        print(f"{'':<44} clients  {figures}  {figures}  floor, p50")
        for row in self.rows.values():
            print(
                f"{row.name:<44} {row.clients:7}  {row.figures('floor')}  {row.figures('server')}"
                f"  {row.ratio('p50_ms'):8.2f}"
            )
        print()
        for goal in self.goals():
            print(goal.line())

    def goals(self) -> list[Goal]:
        shortest, short, *_, longest = self.plan.lengths
        goals = []
        if "append" in self.plan.groups:
            goals.append(self._flat("append", shortest, longest))
            # Of all lengths: the lowest of a few medians would be the noisiest, not the slowest.
            pairs = [
                pair
                for length in self.plan.lengths
                for pair in self.rows[f"append, length {length:,}", 16].pairs
            ]
            name = "append, 16 clients: req/s / of the floor"
            rate = Row(name=name, clients=16, pairs=pairs).ratio("per_second")
            goals.append(Goal(name=name, ratio=rate, limit=0.8, at_least=True))
        if {"append", "batch"} <= set(self.plan.groups):
            name = "append 100 at once: rows/s / of the floor"
            single = self.rows[f"append, length {shortest:,}", 1]
            rate = 100 * self.rows["append 100 at once", 1].ratio("per_second", single)
            goals.append(Goal(name=name, ratio=rate, limit=10, at_least=True))
        if "newest" in self.plan.groups:
            goals.append(self._flat("newest 50 interactions", short, longest))
            goals.append(self._flat("session with newest 50", short, longest))
        if "list" in self.plan.groups:
            name = "list page: p50 / of the floor's newest 50"
            rate = self.rows["list page of 50", 1].ratio("p50_ms")
            goals.append(Goal(name=name, ratio=rate, limit=1.5))
        return goals

    def _flat(self, what: str, short: int, long: int) -> Goal:
        at_long, at_short = (self.rows[f"{what}, length {length:,}", 1] for length in (long, short))
        name = f"{what}: p50 at {long:,} / at {short:,}"
        return Goal(name=name, ratio=at_long.ratio("p50_ms", at_short, "server"), limit=1.2)

    def failures(self) -> list[str]:
        return [
            f"{row.name}, {row.clients} clients: {measured.failures} failed: {measured.failure}"
            for row in self.rows.values()
            for pair in row.pairs
            for measured in pair
            if measured.failures or not measured.requests
        ]

    def json(self) -> bytes:
        goals = [{**msgspec.to_builtins(goal), "met": goal.met} for goal in self.goals()]
        plain = {"plan": self.plan, "rows": list(self.rows.values()), "goals": goals}
        return msgspec.json.format(msgspec.json.encode(plain))
