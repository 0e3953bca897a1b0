"""`make bench`: the server beside its floor, in turns, so that noise meets both alike."""

import argparse
import itertools
import signal
import sys
import time
from pathlib import Path
from typing import get_args

import msgspec

from bench import fleet, growth, redaction
from bench.processes import Bench, started
from bench.report import Key, Report, Row
from bench.scenarios import FULL, QUICK, FloorKind, Group, Plan, Scenario, Scenarios
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
        round_ = scenarios.round()
        turns = _turns(scenarios, round_, number / plan.rounds)
        for scenario in itertools.chain(round_, *turns):
            key = scenario.name, scenario.clients
            rows.setdefault(
                key, Row(name=key[0], clients=key[1], floor=scenario.floor, measurements=[])
            )
        settle(bench.database_url)
        _progress(begun, f"round {number + 1} of {plan.rounds}")
        for turn in turns:
            # There and back: what drifts meanwhile meets the first and the last alike.
            for scenario in (*turn, *reversed(turn)):
                measurement = bench.load.measure(scenario.job(plan.seconds))
                rows[scenario.name, scenario.clients].measurements.append(measurement)
    _progress(begun, "done")
    return rows


def _turns(scenarios: Scenarios, round_: list[Scenario], begin: float) -> list[list[Scenario]]:
    """Those that share a floor and a number of clients follow it, each round from another of them
    on: autovacuum, which comes every ten seconds, would always meet the same."""

    def key(scenario: Scenario) -> tuple[FloorKind, int]:
        return scenario.floor, scenario.clients

    return [
        [scenarios.floor(floor, clients), *group[first:], *group[:first]]
        for (floor, clients), members in itertools.groupby(sorted(round_, key=key), key=key)
        for group in [list(members)]
        for first in [int(begin * len(group))]
    ]


def _progress(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:5.0f} s  {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
