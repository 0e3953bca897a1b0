"""Times of commands in turns beside `python -c pass`, so that noise meets all alike."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

SCRIPT = str(Path(sys.executable).parent / "agent-sessions")
_FLOOR = "python -c pass"


class Subject(NamedTuple):
    """A command, and how many times as long as `python -c pass` it may take."""

    words: list[str]
    environment: Mapping[str, str]
    goal: float | None = None


def compare(
    subjects: dict[str, Subject], runs: int, stdin: bytes = b"", before: Callable[[], object] = int
) -> None:
    """Prints wall and processor time of each subject, and its ratio to the floor. `before` is
    called ahead of each run."""
    # As a user runs it: byte code is kept between two runs.
    unset = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    floor = Subject([sys.executable, "-c", "pass"], os.environ)
    all_subjects = {_FLOOR: floor, **subjects}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in all_subjects}
    for _ in range(runs + 1):
        for name, subject in all_subjects.items():
            kept = {k: v for k, v in subject.environment.items() if k not in unset}
            before()
            taken[name].append(_run(subject.words, kept, stdin))
    print(f"{'':28} {'wall ms':>8} {'max ms':>8} {'ratio':>7} {'cpu ms':>8} {'ratio':>7}  goal")
    base = _medians(taken[_FLOOR])
    for name, times in taken.items():
        wall, cpu = _medians(times)
        slowest = max(seconds for seconds, _ in times[1:]) * 1e3
        goal = all_subjects[name].goal
        ratios = wall / base[0], cpu / base[1]
        # Of processor time: on a machine that does other things, the wall clock measures those.
        verdict = "" if goal is None else f"{goal:g}x {'met' if ratios[1] <= goal else 'missed'}"
        print(
            f"{name:28} {wall:8.1f} {slowest:8.1f} {ratios[0]:6.2f}x"
            f" {cpu:8.1f} {ratios[1]:6.2f}x  {verdict}"
        )


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """In milliseconds, without the first run, which may have compiled."""
    wall, cpu = zip(*times[1:], strict=True)
    return statistics.median(wall) * 1e3, statistics.median(cpu) * 1e3


def _run(words: list[str], environment: Mapping[str, str], stdin: bytes) -> tuple[float, float]:
    begun, used = time.perf_counter(), _children()
    subprocess.run(words, input=stdin, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun, _children() - used


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
