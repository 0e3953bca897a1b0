"""Sessions whose commands a test chooses, and `agent-sessions run` on them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx

from tests.servers import Server, environment

# Nothing but the command that a test is about.
QUIET = {"preset": "python", "branch": "true", "stage": "true", "commit": "true", "agent": "true"}


def api(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Any:
    headers["Authorization"] = f"Bearer {server.token}"
    response = httpx.request(method, f"{server.url}/api{path}", json=body, headers=headers)
    assert response.is_success, response.text
    return response.json()


def new_project(server: Server, toolchain: dict[str, str]) -> dict[str, str]:
    """The header that chooses it."""
    slug = f"p-{uuid4().hex[:20]}"
    body = {"name": "Shop", "slug": slug, "settings": {"toolchain": toolchain}}
    api(server, "POST", "/projects", body)
    return {"X-Project": slug}


def new_session(server: Server, command: str, **toolchain: str) -> int:
    """One whose check is the command."""
    project = new_project(server, {**QUIET, "integration_test": command, **toolchain})
    body = {"type": "IntegrationSessions", "environment": "local"}
    session_id: int = api(server, "POST", "/sessions", body, **project)["id"]
    return session_id


def interactions(server: Server, session_id: int) -> list[dict[str, Any]]:
    path = f"/sessions/{session_id}?interactions=all"
    found: list[dict[str, Any]] = api(server, "GET", path)["interactions"]
    return found


def results_of(server: Server, session_id: int, step: str) -> list[dict[str, Any]]:
    found = interactions(server, session_id)
    return [i["result"] for i in found if i["step_name"] == step and i["result"]]


def run_json(server: Server, session_id: int, folder: Path) -> list[dict[str, Any]]:
    done = server.run("run", str(session_id), "--yes", "--cwd", str(folder), "--json")
    assert done.returncode in {0, 1}, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def start_run(
    server: Server, session_id: int, folder: Path, *options: str, stderr: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    arguments = ["run", str(session_id), "--yes", "--cwd", str(folder), *options]
    variables = {"AGENT_SESSIONS_URL": server.url, "AGENT_SESSIONS_TOKEN": server.token}
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment(server.home, **variables),
    )


def kept_results(server: Server) -> list[Path]:
    return [*(server.home / ".local" / "state" / "agent-sessions" / "results").glob("*.json")]


def wait_until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """For as long as the process lives."""
    while not condition():
        assert process.poll() is None, "it ended before"
        time.sleep(0.02)
