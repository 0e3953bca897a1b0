"""The tables, in Markdown."""

from collections.abc import Iterable
from statistics import median

import msgspec

from bench.peers.worker import PATIENCE_SECONDS

OPERATIONS = {
    "append": "Append one item of 1 KB",
    "load": "Load the whole session",
    "newest": "Load the newest 50",
    "list": "List one user's sessions",
}


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    peer: str
    operation: str
    length: int
    """Items in the session before; 0 for the list."""
    milliseconds: list[float]
    answered: int = 0
    """Items of the session, or sessions of the list, that came with the last answer."""
    gave_up: bool = False
    """One call more than PATIENCE_SECONDS."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    load_averages: tuple[float, float]
    """Of one minute, before and after."""
    versions: dict[str, str]
    lengths: tuple[int, ...]
    users: int
    sessions_each: int
    lacks: dict[str, dict[str, str]]
    measurements: list[Measurement]

    def markdown(self) -> str:
        before, after = self.load_averages
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        return "\n".join(
            (
                "Milliseconds at the median, and in brackets how many samples it is of.",
                *self._by_length(),
                *self._list(),
                "",
                f"{versions}. {self.seconds:.0f} s in all; load average {before:.1f} before, "
                f"{after:.1f} at the end.",
            )
        )

    def _by_length(self) -> Iterable[str]:
        for operation in ("append", "load", "newest"):
            yield from _head(OPERATIONS[operation], *(f"{length:,}" for length in self.lengths))
            for peer, lacks in self.lacks.items():
                cells = [
                    lacks.get(operation) or self._cell(peer, operation, length)
                    for length in self.lengths
                ]
                yield _row(peer, *cells)

    def _list(self) -> Iterable[str]:
        title = (
            f"{OPERATIONS['list']}: {self.sessions_each:,} of {self.users * self.sessions_each:,}"
        )
        yield from _head(title, "ms", "sessions in the answer")
        for peer, lacks in self.lacks.items():
            if "list" in lacks:
                yield _row(peer, lacks["list"], "")
            else:
                answered = max(each.answered for each in self._of(peer, "list", 0))
                yield _row(peer, self._cell(peer, "list", 0), f"{answered:,}")

    def _cell(self, peer: str, operation: str, length: int) -> str:
        found = self._of(peer, operation, length)
        if any(each.gave_up for each in found):
            return f"> {PATIENCE_SECONDS * 1e3:,.0f} (1)"
        samples = [ms for each in found for ms in each.milliseconds]
        return f"{median(samples):,.{1 if median(samples) < 100 else 0}f} ({len(samples)})"

    def _of(self, peer: str, operation: str, length: int) -> list[Measurement]:
        key = (peer, operation, length)
        return [m for m in self.measurements if (m.peer, m.operation, m.length) == key]


def _head(title: str, *columns: str) -> tuple[str, ...]:
    return "", _row(title, *columns), _row("---", *("---:" for _ in columns))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
