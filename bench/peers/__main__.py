"""`make bench-peers`: this server beside the libraries that also keep sessions, in turns."""

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import asyncpg
import msgspec

from bench.peers.processes import USERS, Worker, workers
from bench.peers.report import Measurement, Report
from bench.processes import started
from bench.seed import settle


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    rounds: int
    seconds: float
    """Of one measurement in one round."""
    at_least: int
    """Samples, however long they take."""
    at_most: int
    """Samples, so that appends do not lengthen a short session much."""
    lengths: tuple[int, ...]
    sessions_each: int


FULL = Plan(
    rounds=3,
    seconds=0.5,
    at_least=1,
    at_most=30,
    lengths=(0, 100, 1000, 10_000),
    sessions_each=20_000,
)
QUICK = Plan(rounds=1, seconds=0.3, at_least=3, at_most=30, lengths=(0, 100), sessions_each=200)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, short sessions, few")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw measurements")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun, load = time.monotonic(), os.getloadavg()[0]
    with started() as bench, workers(bench, plan.sessions_each) as peers:
        _progress(begun, "seeded")
        measurements = _measure(peers, plan, begun)
        versions = {"postgresql": asyncio.run(_postgresql_version(bench.database_url))}
    for peer in peers:
        versions |= peer.versions
    report = Report(
        seconds=time.monotonic() - begun,
        load_averages=(load, os.getloadavg()[0]),
        versions=versions,
        lengths=plan.lengths,
        users=USERS,
        sessions_each=plan.sessions_each,
        lacks={peer.name: peer.lacks for peer in peers},
        measurements=measurements,
    )
    print(report.markdown())
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 0


def _measure(peers: list[Worker], plan: Plan, begun: float) -> list[Measurement]:
    """One operation after the other, each by all in turns, so that noise meets all alike."""
    found: list[Measurement] = []
    hopeless: set[tuple[Worker, str, int]] = set()

    def measure(operation: str, length: int) -> None:
        for peer in peers:
            if operation in peer.lacks or (peer, operation, length) in hopeless:
                continue
            answer = peer.do(
                operation,
                length=length,
                seconds=plan.seconds,
                at_least=plan.at_least,
                at_most=plan.at_most,
            )
            one = Measurement(peer=peer.name, operation=operation, length=length, **answer)
            found.append(one)
            if one.gave_up:
                hopeless.add((peer, operation, length))
            elif operation == "append" and (peer, "load", length) not in hopeless:
                _call_once(peer, "load", length + len(one.milliseconds))

    _warm_up(peers)
    for number in range(plan.rounds):
        for length in plan.lengths:
            for peer in peers:
                peer.do("seed_session", length=length)
            settle(*(peer.database_url for peer in peers))
            # The append comes last: it lengthens the session.
            for operation in ("load", "newest", "append"):
                measure(operation, length)
            _progress(begun, f"round {number + 1} of {plan.rounds}, length {length:,}")
        measure("list", 0)
    return found


def _warm_up(peers: list[Worker]) -> None:
    """First calls open connections, prepare statements and fill caches."""
    for peer in peers:
        peer.do("seed_session", length=0)
        for operation, length in (("append", 0), ("load", 1), ("newest", 1)):
            if operation not in peer.lacks:
                _call_once(peer, operation, length)


def _call_once(peer: Worker, operation: str, length: int) -> None:
    """Its answer is checked, not its time."""
    peer.do(operation, length=length, seconds=0, at_least=1, at_most=1)


async def _postgresql_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    version: str = await connection.fetchval("SHOW server_version")
    await connection.close()
    return version.split(maxsplit=1)[0]


def _progress(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:5.0f} s  {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
