"""`make bench`: each measurement beside one of its floor, so that noise meets both alike."""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import get_args

import msgspec

from bench import fleet, growth, redaction
from bench.processes import Bench, started
from bench.report import Key, Pair, Report, Row
from bench.scenarios import FULL, QUICK, Group, Plan, Scenario, Scenarios
from bench.seed import fill_floor, settle


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, shorter sessions")
    parser.add_argument("--only", choices=[*get_args(Group), "redaction", "fleet", "growth"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw measurements")
    arguments = parser.parse_args()
    apart = {"redaction": redaction.main, "fleet": fleet.main, "growth": growth.main}
    if arguments.only in apart:
        apart[arguments.only]()
        return 0
    plan = QUICK if arguments.quick else FULL
    if arguments.only:
        plan = msgspec.structs.replace(plan, groups=(arguments.only,))
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with started() as bench:
        report = Report(plan=plan, rows=_measure(bench, plan))
    report.print()
    if arguments.json:
        arguments.json.write_bytes(report.json())
    for failure in report.failures():
        print(failure, file=sys.stderr)
    return 1 if report.failures() else 0


def _measure(bench: Bench, plan: Plan) -> dict[Key, Row]:
    begun = time.monotonic()
    fill_floor(bench.floor)
    scenarios = Scenarios(bench, plan)
    rows: dict[Key, Row] = {}
    for number in range(plan.rounds):
        order = _turned(scenarios.round(), number / plan.rounds)
        settle(bench.database_url)
        _progress(begun, f"round {number + 1} of {plan.rounds}")
        # There and back: what drifts meanwhile meets the first and the last alike.
        for scenario in (*order, *reversed(order)):
            floor = scenarios.floor(scenario.floor, scenario.clients)
            pair = [bench.load.measure(one.job(plan.seconds)) for one in (floor, scenario)]
            key = scenario.name, scenario.clients
            row = rows.setdefault(key, Row(name=key[0], clients=key[1], pairs=[]))
            row.pairs.append(Pair(*pair))
    _progress(begun, "done")
    return rows


def _turned(round_: list[Scenario], begin: float) -> list[Scenario]:
    """Each round begins with another: autovacuum, which comes every ten seconds, would always meet
    the same."""
    first = int(begin * len(round_))
    return round_[first:] + round_[:first]


def _progress(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:5.0f} s  {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
