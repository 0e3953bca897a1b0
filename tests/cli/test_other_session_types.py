"""Session types of another package, installed beside the server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.workflows import api
from tests.conftest import FIXTURES
from tests.servers import Server, start_server, stop_server

GOOD = "ReviewSessions"
FAILING = ["RaisingSessions", "NonsenseSessions", "UnstorableSessions", "LeavingSessions"]
LEFT_OUT = ["RepairSessions", "OtherSessions", "MissingSessions", "BrokenSessions"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the package, as an administrator installs it."""
    folder = tmp_path_factory.mktemp("packages")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    source = FIXTURES / "session_types"
    subprocess.run(
        [sys.executable, "-m", "pip", *install, "--target", str(folder), str(source)], check=True
    )
    return str(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, packages: str) -> Iterator[Server]:
    started = start_server(tmp_path_factory.mktemp("server"), PYTHONPATH=packages)
    yield started
    stop_server(started)


def post(server: Server, path: str, body: object = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.post(f"{server.url}/api{path}", json=body, headers=headers)


def test_session_type_of_another_package_is_used(server: Server) -> None:
    [row] = [r for r in server.json("sessions", "types")["data"] if r["name"] == GOOD]
    assert row["steps"] == ["Read", "Lint", "Praise", "Finalize"]
    session = server.json("sessions", "create", "--type", GOOD, "--title", "Cart")["id"]
    seen = []
    for stdout in ("", "wrong!", "right", "", ""):
        interaction = server.json("sessions", "next-command", str(session))
        seen.append(interaction["step_name"])
        path = f"/sessions/{session}/interactions/{interaction['id']}/result"
        answer = api(server, "POST", path, {"status": "ok", "stdout": stdout})
        if interaction["step_name"] == "Lint":
            assert answer["interaction"]["result"]["data"] == {"judged": True}
            assert interaction["command"]["command"] == 'code_path=lib/cart.ex\nlint "$code_path"'
            assert interaction["command"]["metadata"]["tool"] == "lint"
        if interaction["step_name"] == "Praise":
            assert interaction["command"]["pipe"] == "after Lint"
    assert seen == ["Read", "Lint", "Lint", "Praise", "Finalize"]
    assert answer["session_status"] == "complete"
    assert api(server, "GET", f"/sessions/{session}")["state"] == {"conversation": True, "seen": 2}


def test_session_type_sets_its_own_retry_limit(server: Server) -> None:
    session = server.json("sessions", "create", "--type", GOOD)["id"]
    for expected in ("active", "failed"):
        interaction = server.json("sessions", "next-command", str(session))
        path = f"/sessions/{session}/interactions/{interaction['id']}/result"
        assert api(server, "POST", path, {"status": "error"})["session_status"] == expected


@pytest.mark.parametrize("name", FAILING)
def test_session_type_that_fails_to_give_a_command_is_reported(server: Server, name: str) -> None:
    session = server.json("sessions", "create", "--type", name)["id"]
    before = api(server, "GET", f"/sessions/{session}")
    response = post(server, f"/sessions/{session}/next-command")
    assert (response.status_code, response.json()["code"]) == (502, "session_type_failed")
    assert name in response.json()["detail"]
    assert "boom" not in response.text
    assert api(server, "GET", f"/sessions/{session}") == before
    refused = server.run("run", str(session), "--yes")
    assert refused.returncode == 1
    assert name in refused.stderr
    assert api(server, "GET", "/session-types")["data"], "the server goes on"


def test_session_type_that_fails_on_a_result_is_reported(server: Server) -> None:
    session = server.json("sessions", "create", "--type", "JudgingSessions")["id"]
    interaction = server.json("sessions", "next-command", str(session))
    before = api(server, "GET", f"/sessions/{session}")
    path = f"/sessions/{session}/interactions/{interaction['id']}/result"
    response = post(server, path, {"status": "ok"})
    assert (response.status_code, response.json()["code"]) == (502, "session_type_failed")
    assert api(server, "GET", f"/sessions/{session}") == before
    assert before["interactions"][-1]["result"] is None


def test_command_with_a_secret_is_refused(server: Server) -> None:
    """Redacted it would be another command, and one that nobody has quoted."""
    session = server.json("sessions", "create", "--type", "TellingSessions")["id"]
    response = post(server, f"/sessions/{session}/next-command")
    assert (response.status_code, response.json()["code"]) == (409, "secret_in_command")
    assert "ghp_" not in response.text


def test_unusable_session_types_are_left_out(server: Server) -> None:
    known = {row["name"]: row for row in server.json("sessions", "types")["data"]}
    assert not known.keys() & set(LEFT_OUT)
    assert known["RecordedSessions"]["steps"] == [], "nobody takes the place of ours"
    refused = post(server, "/sessions", {"type": LEFT_OUT[0]})
    assert refused.status_code == 422
    assert GOOD in refused.json()["errors"][0]["message"]
    log = (server.home.parent / "server.log").read_text()
    assert all(name in log for name in LEFT_OUT)
    assert "another session type has this name" in log


def test_uninstalled_session_type_is_reported(tmp_path: Path, packages: str) -> None:
    with_it = start_server(tmp_path, PYTHONPATH=packages)
    session = with_it.json("sessions", "create", "--type", GOOD)["id"]
    interaction = with_it.json("sessions", "next-command", str(session))
    stop_server(with_it)
    without = start_server(tmp_path)
    try:
        menu = without.json("sessions", "types")["data"]
        assert GOOD not in {row["name"] for row in menu}
        results = f"/sessions/{session}/interactions/{interaction['id']}/result"
        for path, body in (
            (f"/sessions/{session}/next-command", None),
            (results, {"status": "ok"}),
        ):
            response = post(without, path, body)
            assert (response.status_code, response.json()["code"]) == (502, "session_type_failed")
        assert without.json("sessions", "show", str(session))["status"] == "active"
    finally:
        stop_server(without)
