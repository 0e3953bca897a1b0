"""How long a hook event takes to be answered: recorded sessions of Claude Code, told many times
under new names. python -m bench.hook_events"""

import time
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import msgspec

from bench.caller import Caller
from bench.client import Job
from bench.processes import Bench, started
from bench.scenarios import BODY

STREAMS = Path(__file__).parent.parent / "tests" / "fixtures" / "hooks" / "streams"
SECONDS = 3.0
ROUNDS = 4
# What names a thing must be new each time, or nothing would have to be stored.
NAMES = ("session_id", "tool_use_id", "prompt_id", "agent_id")


def main() -> None:
    recorded: list[list[dict[str, Any]]] = [
        [event["body"] for event in msgspec.json.decode(path.read_bytes())]
        for path in sorted(STREAMS.glob("claude*.json"))
    ]
    if not recorded:
        raise RuntimeError(f"no recorded sessions in {STREAMS}")
    events, floor = list[float](), list[float]()
    with started() as bench:
        _tell(bench, recorded, SECONDS)
        for _ in range(ROUNDS):
            floor.append(_floor_p50_ms(bench))
            events += _tell(bench, recorded, SECONDS)
    events.sort()
    p50, p99 = median(events), events[len(events) * 99 // 100]
    print(f"{len(events)} events: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(f"floor: p50 {median(floor):.2f} ms")


def _tell(bench: Bench, recorded: list[list[dict[str, Any]]], seconds: float) -> list[float]:
    """Milliseconds of each answer."""
    caller = Caller(bench.server)
    taken: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for stream in recorded:
            suffix = uuid4().hex
            for event in stream:
                renamed = {n: f"{event[n]}-{suffix}" for n in NAMES if event.get(n)}
                body = msgspec.json.encode({**event, **renamed})
                begun = time.perf_counter()
                caller.post("/api/hooks/claude-code", body)
                taken.append(1e3 * (time.perf_counter() - begun))
    caller.close()
    return taken


def _floor_p50_ms(bench: Bench) -> float:
    job = Job(
        port=bench.floor.port,
        method="POST",
        paths=["/floor?session_id=1"],
        headers={},
        body=BODY,
        clients=1,
        seconds=1.0,
    )
    return bench.load.measure(job).p50_ms


if __name__ == "__main__":
    main()
