"""How long a step of a workflow takes, its command asked for and its result posted, beside an
append: a session of several steps each time. python -m bench.commands"""

import time
from statistics import median

import msgspec

from bench.caller import Caller
from bench.processes import started
from bench.scenarios import BODY
from bench.seed import Api

SESSIONS = 400
RESULT = b'{"status":"ok"}'


def main() -> None:
    steps, appends = list[float](), list[float]()
    with started() as bench:
        api = Api(bench.server)
        [recorded] = api.create_sessions(1, 100)
        caller = Caller(bench.server)
        for number in range(SESSIONS):
            new = api.post("/api/sessions", {"type": "ContextDesignSessions"})
            path = f"/api/sessions/{new['id']}"
            active = True
            while active:
                begun = time.perf_counter()
                command = msgspec.json.decode(caller.post(f"{path}/next-command"))
                result = caller.post(f"{path}/interactions/{command['id']}/result", RESULT)
                between = time.perf_counter()
                caller.post(f"/api/sessions/{recorded}/interactions", BODY.encode())
                ended = time.perf_counter()
                active = msgspec.json.decode(result)["session_status"] == "active"
                if number:
                    steps.append(1e3 * (between - begun))
                    appends.append(1e3 * (ended - between))
    step, append = median(steps), median(appends)
    print(f"{len(steps)} steps: p50 {step:.2f} ms, p99 {_p99(steps):.2f} ms")
    print(f"append: p50 {append:.2f} ms, p99 {_p99(appends):.2f} ms; ratio {step / append:.2f}")


def _p99(taken: list[float]) -> float:
    return sorted(taken)[len(taken) * 99 // 100]


if __name__ == "__main__":
    main()
