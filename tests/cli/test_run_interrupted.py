"""`run` when the server, the person or the machine stops in the middle."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest

from app.cli.execution import execute
from tests.cli.workflows import (
    interactions,
    kept_results,
    new_session,
    results_of,
    run_json,
    start_run,
    wait_until,
)
from tests.servers import Server, start_server, stop_server

CHECK = "RunIntegrationTests"
# Says that it runs, and ends when the test lets it.
WAITS = "echo ran >> runs; until test -e go; do sleep 0.02; done; echo done"


def lives(pid: int) -> bool:
    """A zombie that nobody has waited for is as good as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_command_stays_pending(server: Server, tmp_path: Path, number: int) -> None:
    """Nothing half is posted, and nothing goes on behind our back."""
    session_id = new_session(server, "sleep 1000 & echo $! > child; echo $$ > shell; wait")
    with (tmp_path / "stderr").open("wb") as stderr:
        process = start_run(server, session_id, tmp_path, stderr=stderr)
    wait_until((tmp_path / "shell").exists, process)
    wait_until(lambda: (tmp_path / "shell").read_text().strip(), process)
    process.send_signal(number)
    assert process.wait() == 130
    assert "run the session again" in (tmp_path / "stderr").read_text()
    for name in ("child", "shell"):
        assert not lives(int((tmp_path / name).read_text()))
    newest = interactions(server, session_id)[-1]
    assert (newest["step_name"], newest["result"]) == (CHECK, None)
    assert kept_results(server) == []


def test_interruption_during_start_ends_the_command(tmp_path: Path) -> None:
    """The command may be faster than the call that starts it."""
    started: list[int] = []

    def interrupt(frame: FrameType, event: str, _value: object) -> None:
        if event == "return" and frame.f_code.co_name == "_execute_child":
            started.append(frame.f_locals["self"].pid)
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            execute("sleep 1000", None, tmp_path, lambda _name, _chunk: None)
    finally:
        sys.setprofile(None)
    [pid] = started
    assert not lives(pid)


def test_command_that_ignores_sigterm_is_killed(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "trap '' TERM; echo $$ > shell; while :; do sleep 0.1; done")
    process = start_run(server, session_id, tmp_path, stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "shell").exists, process)
    wait_until(lambda: (tmp_path / "shell").read_text().strip(), process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not lives(int((tmp_path / "shell").read_text()))


def test_result_is_posted_after_a_restart_of_the_server(tmp_path: Path) -> None:
    port = ("--port", str(free_port()))
    server = start_server(tmp_path, *port)
    session_id = new_session(server, WAITS)
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = start_run(server, session_id, tmp_path, stderr=stderr)
    wait_until((tmp_path / "runs").exists, process)
    stop_server(server)
    (tmp_path / "go").touch()
    wait_until(lambda: "trying again" in log.read_text(), process)
    server = start_server(tmp_path, *port)
    try:
        assert process.wait() == 0
        [result] = results_of(server, session_id, CHECK)
        assert result["stdout"] == "done\n"
    finally:
        stop_server(server)
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_next_run_posts_the_result_of_a_killed_run(tmp_path: Path) -> None:
    """The next run posts what this one has done, once."""
    port = ("--port", str(free_port()))
    server = start_server(tmp_path, *port)
    session_id = new_session(server, WAITS)
    process = start_run(server, session_id, tmp_path, stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "runs").exists, process)
    stop_server(server)
    (tmp_path / "go").touch()
    wait_until(lambda: kept_results(server), process)
    process.kill()
    process.wait()
    [kept] = kept_results(server)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    server = start_server(tmp_path, *port)
    try:
        copy = kept.read_bytes()
        lines = run_json(server, session_id, tmp_path)
        assert lines[0]["interaction"]["step_name"] == CHECK
        assert lines[0]["interaction"]["result"]["stdout"] == "done\n"
        assert lines[-1]["session_status"] == "complete"
        assert kept_results(server) == []
        assert (tmp_path / "runs").read_text() == "ran\n"
        # Once more, as if it had been killed just after posting: the same result is no conflict.
        kept.write_bytes(copy)
        again = server.run("run", str(session_id), stdin="y\n")
        assert again.returncode == 0
        assert f"The result of {CHECK} was not posted. Post it now?" in again.stderr
        # And one that somebody else was faster with.
        kept.write_bytes(copy.replace(b"done", b"DONE"))
        other = server.run("run", str(session_id), "--yes")
        assert other.returncode == 0
        assert f"{CHECK}: The interaction has another result already." in other.stderr
        assert kept_results(server) == []
        [result] = results_of(server, session_id, CHECK)
        assert result["stdout"] == "done\n"
    finally:
        stop_server(server)


def test_kept_result_can_be_dropped(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "echo ran >> runs")
    asked = server.run("run", str(session_id), "--cwd", str(tmp_path), stdin="y\nn\n")
    assert asked.returncode == 1
    pending = interactions(server, session_id)[-1]
    folder = server.home / ".local" / "state" / "agent-sessions" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{session_id}-{pending['id']}.json"
    result = {"url": server.url, "session_id": session_id, "interaction_id": pending["id"]}
    kept.write_text(json.dumps({**result, "step": CHECK, "result": {"status": "error"}}))
    done = server.run("run", str(session_id), "--cwd", str(tmp_path), stdin="n\ny\ny\ny\n")
    assert done.returncode == 0, done.stderr
    assert not kept.exists()
    assert (tmp_path / "runs").read_text() == "ran\n"
    kept.write_text("{")
    broken = server.run("run", str(session_id))
    assert broken.returncode == 2
    assert os.fspath(kept) in broken.stderr
    kept.unlink()
