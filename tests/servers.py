"""A real server process, on a data folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

START_SECONDS = 90.0

SECRETS = (
    "AGENT_SESSIONS_TOKEN",
    "AGENT_SESSIONS_URL",
    "DATABASE_URL",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
)


def environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", "COLUMNS": "160", **variables}


@dataclass
class Server:
    process: subprocess.Popen[bytes]
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

    def start(self, *arguments: str, stdout: IO[str]) -> subprocess.Popen[bytes]:
        """A command that goes on."""
        variables = {"AGENT_SESSIONS_URL": self.url, "AGENT_SESSIONS_TOKEN": self.token}
        return subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            stdout=stdout,
            env=environment(self.home, **variables),
        )

    def json(self, *arguments: str, **variables: str) -> Any:
        done = self.run(*arguments, "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def start_server(folder: Path, *options: str, data: str = "data", **variables: str) -> Server:
    """`data` is the data folder's place relative to the folder."""
    data_dir, home = folder / data, folder / "home"
    home.mkdir(exist_ok=True)
    log = folder / "server.log"
    arguments = ["serve", "--port", "0", "--data-dir", str(data_dir), *options]
    with log.open("w") as output:  # a file: nobody would empty a pipe
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(home, **variables),
        )
    deadline = time.monotonic() + START_SECONDS
    while "\nlistening on " not in f"\n{log.read_text()}":
        assert process.poll() is None, log.read_text()
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.05)
    url = log.read_text().rpartition("listening on ")[2].split()[0]
    token = (data_dir / "owner-token").read_text().strip()
    return Server(process, data_dir, home, url, token)


def stop_server(server: Server) -> int:
    with server.process as process:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)
