"""The table, and the goals it is held against."""

from statistics import median
from typing import Literal

import msgspec

from bench.client import Measurement
from bench.scenarios import FloorKind, Plan

Key = tuple[str, int]
"""Name of a scenario, number of clients."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    clients: int
    floor: FloorKind
    measurements: list[Measurement]

    @property
    def p50(self) -> float:
        return median(measured.p50_ms for measured in self.measurements)

    @property
    def p99(self) -> float:
        return median(measured.p99_ms for measured in self.measurements)

    @property
    def per_second(self) -> float:
        return median(measured.per_second for measured in self.measurements)

    def figures(self) -> str:
        return f"{self.p50:8.2f} {self.p99:8.2f} {self.per_second:8.0f}"


def ratio(of: Literal["p50_ms", "per_second"], row: Row, to: Row) -> float:
    """The median over pairs taken close together, which noise meets alike."""
    pairs = zip(row.measurements, to.measurements, strict=True)
    ratios: list[float] = [getattr(one, of) / getattr(other, of) for one, other in pairs]
    return median(ratios)


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
            if row.name.startswith("floor"):
                continue
            floor = self.rows[f"floor {row.floor}", row.clients]
            print(
                f"{row.name:<44} {row.clients:7}  {floor.figures()}  {row.figures()}"
                f"  {row.p50 / floor.p50:8.2f}"
            )
        print()
        for goal in self.goals():
            print(goal.line())

    def goals(self) -> list[Goal]:
        shortest, short, *_, longest = self.plan.lengths
        goals = []
        if "append" in self.plan.groups:
            goals.append(self._flat("append", shortest, longest))
            floor = self.rows["floor append", 16]
            rates = [
                ratio("per_second", self.rows[f"append, length {length:,}", 16], floor)
                for length in self.plan.lengths
            ]
            name = "append, 16 clients: req/s at the slowest length / of the floor"
            goals.append(Goal(name=name, ratio=min(rates), limit=0.8, at_least=True))
        if {"append", "batch"} <= set(self.plan.groups):
            rows = self.rows["append 100 at once", 1], self.rows["floor append", 1]
            name = "append 100 at once: rows/s / of the floor"
            rate = 100 * ratio("per_second", *rows)
            goals.append(Goal(name=name, ratio=rate, limit=10, at_least=True))
        if "newest" in self.plan.groups:
            goals.append(self._flat("newest 50 interactions", short, longest))
            goals.append(self._flat("session with newest 50", short, longest))
        if "list" in self.plan.groups:
            rows = self.rows["list page of 50", 1], self.rows["floor newest", 1]
            name = "list page: p50 / of the floor's newest 50"
            goals.append(Goal(name=name, ratio=ratio("p50_ms", *rows), limit=1.5))
        return goals

    def _flat(self, what: str, short: int, long: int) -> Goal:
        rows = (self.rows[f"{what}, length {length:,}", 1] for length in (long, short))
        name = f"{what}: p50 at {long:,} / at {short:,}"
        return Goal(name=name, ratio=ratio("p50_ms", *rows), limit=1.2)

    def failures(self) -> list[str]:
        return [
            f"{row.name}, {row.clients} clients: {measured.failures} failed: {measured.failure}"
            for row in self.rows.values()
            for measured in row.measurements
            if measured.failures or not measured.requests
        ]

    def json(self) -> bytes:
        goals = [{**msgspec.to_builtins(goal), "met": goal.met} for goal in self.goals()]
        plain = {"plan": self.plan, "rows": list(self.rows.values()), "goals": goals}
        return msgspec.json.format(msgspec.json.encode(plain))
