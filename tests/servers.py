"""A real server process, on a data folder of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRETS = ("AGENT_SESSIONS_TOKEN", "AGENT_SESSIONS_URL", "DATABASE_URL", "XDG_CONFIG_HOME")


def environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", "COLUMNS": "160", **variables}


@dataclass
class Server:
    process: subprocess.Popen[str]
    data_dir: Path
    home: Path
    url: str
    token: str

    def run(
        self, *arguments: str, stdin: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """The command line as a user of this machine runs it."""
        defaults = {"AGENT_SESSIONS_URL": self.url, "AGENT_SESSIONS_TOKEN": self.token}
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(self.home, **{**defaults, **variables}),
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str, **variables: str) -> Any:
        done = self.run(*arguments, "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def start_server(folder: Path, *options: str, **variables: str) -> Server:
    data_dir, home = folder / "data", folder / "home"
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "app",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(data_dir),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(home, **variables),
    )
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("listening on "):
            url = line.split()[-1]
            return Server(
                process, data_dir, home, url, (data_dir / "owner-token").read_text().strip()
            )
    raise AssertionError("".join(printed))


def stop_server(server: Server) -> int:
    with server.process as process:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)
