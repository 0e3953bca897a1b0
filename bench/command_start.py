"""How long commands take from a shell, interpreter start included: python -m bench.command_start"""

import os

from bench.processes import started
from bench.starting import SCRIPT, Subject, compare

RUNS = 20


def main() -> None:
    with started() as bench:
        environment = {
            **os.environ,
            "AGENT_SESSIONS_URL": f"http://127.0.0.1:{bench.server.port}",
            "AGENT_SESSIONS_TOKEN": str(bench.server.token),
        }
        completion = {
            **environment,
            "_AGENT_SESSIONS_COMPLETE": "bash_complete",
            "COMP_WORDS": "agent-sessions ",
            "COMP_CWORD": "1",
        }
        compare(
            {
                "--version": Subject([SCRIPT, "--version"], environment, 5),
                "--help": Subject([SCRIPT, "--help"], environment, 5),
                "completion": Subject([SCRIPT], completion, 5),
                "sessions list": Subject([SCRIPT, "sessions", "list"], environment, 12),
                "sessions list --json": Subject(
                    [SCRIPT, "sessions", "list", "--json"], environment, 12
                ),
                "agents list": Subject([SCRIPT, "agents", "list"], environment, 12),
            },
            RUNS,
        )


if __name__ == "__main__":
    main()
