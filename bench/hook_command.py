"""What a hook costs its agent, interpreter start included: python -m bench.hook_command"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.processes import started

RUNS = 50
EVENT = (
    b'{"session_id": "bench", "hook_event_name": "PreToolUse", "tool_name": "Bash",'
    b' "tool_use_id": "toolu_1", "tool_input": {"command": "ls"}}'
)


def main() -> None:
    """In turns, so that noise meets all alike."""
    with started() as bench:
        up = {
            **os.environ,
            "AGENT_SESSIONS_URL": f"http://127.0.0.1:{bench.server.port}",
            "AGENT_SESSIONS_TOKEN": str(bench.server.token),
            "XDG_STATE_HOME": str(bench.data_dir / "state"),
        }
        down = {**up, "AGENT_SESSIONS_URL": "http://127.0.0.1:9"}
        command = [str(Path(sys.executable).parent / "agent-sessions"), "hook"]
        subjects = {
            "python3 -c pass": ([sys.executable, "-c", "pass"], up),
            "hook, server up": (command, up),
            "hook, server down": (command, down),
        }
        taken: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(RUNS):
            for name, (words, environment) in subjects.items():
                begun = time.perf_counter()
                subprocess.run(words, input=EVENT, env=environment, check=True)
                taken[name].append((time.perf_counter() - begun) * 1e3)
    floor = statistics.median(taken["python3 -c pass"])
    for name, times in taken.items():
        p50 = statistics.median(times)
        print(f"{name:18} p50 {p50:5.1f} ms, max {max(times):5.1f} ms, {p50 / floor:4.1f}x")


if __name__ == "__main__":
    main()
