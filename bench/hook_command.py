"""What a hook costs its agent, interpreter start included: python -m bench.hook_command"""

import os
import shlex
import shutil
from pathlib import Path

from app.cli.agent_hooks import handlers
from bench.processes import started
from bench.starting import SCRIPT, Subject, compare

RUNS = 50
EVENT = (
    b'{"session_id": "bench", "hook_event_name": "PreToolUse", "tool_name": "Bash",'
    b' "tool_use_id": "toolu_1", "tool_input": {"command": "ls"}}'
)
GOAL = 2.0


def main() -> None:
    with started() as bench:
        state = bench.data_dir / "state"
        up = {
            **os.environ,
            "AGENT_SESSIONS_URL": f"http://127.0.0.1:{bench.server.port}",
            "AGENT_SESSIONS_TOKEN": str(bench.server.token),
            "XDG_STATE_HOME": str(state),
        }
        down = {**up, "AGENT_SESSIONS_URL": "http://127.0.0.1:9"}
        group = handlers("claude-code", None, project=False)["Stop"]
        installed = shlex.split(group["hooks"][0]["command"])
        script = [SCRIPT, "hook"]
        compare(
            {
                "installed hook, server up": Subject(installed, up, GOAL),
                "installed hook, server down": Subject(installed, down, GOAL),
                "agent-sessions hook, up": Subject(script, up, GOAL),
                "agent-sessions hook, down": Subject(script, down, GOAL),
            },
            RUNS,
            EVENT,
            lambda: _forget(state),
        )


def _forget(state: Path) -> None:
    """Each run with an empty spool: a backlog is another measurement."""
    shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    main()
