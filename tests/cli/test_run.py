"""`run` carries out what the server asks for."""

import os
import pty
import re
import subprocess
from pathlib import Path

from tests.cli.workflows import (
    api,
    interactions,
    kept_results,
    new_session,
    results_of,
    run_json,
    start_run,
)
from tests.servers import Server

CHECK = "RunIntegrationTests"
BIG = 50 * 1000 * 1000


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """Bytes, of the process and whatever it has waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * 1024


def test_run_passes_output_on_and_posts_the_result(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "pwd; echo problem >&2")
    done = server.run("run", str(session_id), "--yes", "--cwd", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}\n")
    assert "▶ RunIntegrationTests  (attempt 1)\n  $ pwd; echo problem >&2\n" in done.stderr
    assert "problem\n  ok, exit code 0\n" in done.stderr
    assert done.stderr.endswith(f"session {session_id} is complete\n")
    [result] = results_of(server, session_id, CHECK)
    assert result["stdout"] == f"{tmp_path}\n"
    assert result["stderr"] == "problem\n"
    assert (result["status"], result["code"]) == ("ok", 0)
    assert result["duration_ms"] >= 0
    assert kept_results(server) == []
    again = server.run("run", str(session_id), "--yes", "--json")
    assert (again.returncode, again.stdout) == (0, '{"session_status":"complete"}\n')


def test_next_command_is_shown_without_running_it(server: Server) -> None:
    listed = server.run("sessions", "types").stdout
    assert "RunIntegrationTests → FixIntegrationFailures → Finalize" in " ".join(listed.split())
    assert len(server.json("sessions", "types")["data"]) >= 6
    created = server.run("sessions", "create", "--type", "IntegrationSessions", "--title", "All")
    number = created.stdout.removeprefix("session ").partition(":")[0]
    assert created.stdout == f"session {number}: All\n"
    asked = server.run("sessions", "next-command", number).stdout
    assert asked.startswith("Initialize  ")
    assert "\n  $ branch=integration-all\n" in asked
    assert server.json("sessions", "next-command", number)["id"] in asked
    unknown = server.run("sessions", "create", "--type", "Dance")
    assert (unknown.returncode, "IntegrationSessions" in unknown.stderr) == (1, True)


def test_json_output_is_one_document_a_line(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "echo out; exit 3")
    lines = run_json(server, session_id, tmp_path)
    assert {line["session_status"] for line in lines[:-1]} == {"active"}
    assert lines[-1]["session_status"] == "failed"
    checks = [line for line in lines if line["interaction"]["step_name"] == CHECK]
    assert [line["interaction"]["result"]["code"] for line in checks] == [3] * 5
    assert all(line["applied"] for line in lines)
    ended = {"reason": "retry_limit", "step": CHECK, "attempts": 5}
    assert api(server, "GET", f"/sessions/{session_id}")["state"]["ended"] == ended


def test_declined_command_does_not_run(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "touch ran")
    arguments = ("run", str(session_id), "--cwd", str(tmp_path))
    for answer in ("", "n\n"):
        refused = server.run(*arguments, stdin=answer)
        assert refused.returncode == 1
        assert "Run it? [Y/n]" in refused.stderr
        assert [i["result"] for i in interactions(server, session_id)] == [None]
    once = server.run(*arguments, stdin="y\ny\nn\n")
    assert once.returncode == 1
    assert (tmp_path / "ran").exists()
    assert len(interactions(server, session_id)) == 3


def test_invisible_characters_of_a_command_are_spelled_out(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "echo harmful \x1b[2K\rharmless")
    done = server.run("run", str(session_id), "--yes", "--cwd", str(tmp_path))
    assert "  $ echo harmful \\u001b[2K\\u000dharmless\n" in done.stderr


def test_missing_command_has_exit_code_127(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "no-such-command-at-all")
    run_json(server, session_id, tmp_path)
    result = results_of(server, session_id, CHECK)[0]
    assert (result["code"], result["status"]) == (127, "error")
    assert "no-such-command-at-all: " in result["stderr"]  # in the words of the shell


def test_command_ended_by_a_signal_has_exit_code_128_plus_its_number(
    server: Server, tmp_path: Path
) -> None:
    session_id = new_session(server, "kill -9 $$")
    run_json(server, session_id, tmp_path)
    assert results_of(server, session_id, CHECK)[0]["code"] == 128 + 9


def test_command_reads_the_end_of_its_input_at_once(server: Server, tmp_path: Path) -> None:
    session_id = new_session(
        server,
        "read answer; echo \"got:$answer\"; cat; read answer < /dev/tty || echo 'no terminal'",
    )
    run_json(server, session_id, tmp_path)
    [result] = results_of(server, session_id, CHECK)
    assert result["stdout"] == "got:\nno terminal\n"


def test_long_prompt_reaches_the_agent_whole(server: Server, tmp_path: Path) -> None:
    """Also an agent that does not read it, or that closes its output first."""
    for agent in ("cat > prompt", "true", "exec >&- 2>&-; cat > prompt"):
        session_id = new_session(
            server, "test -e tried || { touch tried; exit 1; }", agent=agent, agent_continue=agent
        )
        note = "n" * 20_000
        project = api(server, "GET", f"/sessions/{session_id}")["project_id"]
        api(server, "PATCH", f"/projects/{project}", {"description": note})
        lines = run_json(server, session_id, tmp_path)
        assert lines[-1]["session_status"] == "complete"
        asked = [i for i in interactions(server, session_id) if "Fix" in i["step_name"]]
        assert len(asked) == 1
        assert note in asked[0]["command"]["pipe"]
        if agent != "true":
            assert (tmp_path / "prompt").read_text() == asked[0]["command"]["pipe"]
        (tmp_path / "tried").unlink()


def test_background_process_of_a_command_does_not_delay_the_result(
    server: Server, tmp_path: Path
) -> None:
    session_id = new_session(server, "sleep 1000 & echo $! > left; echo done")
    lines = run_json(server, session_id, tmp_path)
    assert lines[-1]["session_status"] == "complete"
    os.kill(int((tmp_path / "left").read_text()), 9)
    [result] = results_of(server, session_id, CHECK)
    assert result["stdout"] == "done\n"


def test_binary_output_is_stored_as_text(server: Server, tmp_path: Path) -> None:
    noise = bytes(range(256)) * 2000
    (tmp_path / "noise").write_bytes(noise)
    session_id = new_session(server, "cat noise; printf 'nul \\0 here' >&2")
    run_json(server, session_id, tmp_path)
    [result] = results_of(server, session_id, CHECK)
    assert result["stderr"] == "nul \ufffd here"
    whole = noise.decode(errors="replace").replace("\0", "\ufffd")
    head, _, rest = result["stdout"].partition("\n[… ")
    missing, _, tail = rest.partition(" bytes truncated …]\n")
    assert whole.startswith(head)
    assert whole.endswith(tail)
    lost = len(whole.encode()) - len(head.encode()) - len(tail.encode())
    assert int(missing) == lost


def test_memory_stays_flat_under_much_output(server: Server, tmp_path: Path) -> None:
    peaks = []
    for size in (1, BIG):
        session_id = new_session(server, f"head -c {size} /dev/zero | tr '\\0' x; echo end")
        process = start_run(server, session_id, tmp_path, stderr=subprocess.DEVNULL)
        peaks.append(peak_memory(process))
        assert process.returncode == 0
    assert peaks[1] - peaks[0] < BIG / 4
    [result] = results_of(server, session_id, CHECK)
    head, marker, tail = result["stdout"].splitlines()
    assert (set(head), tail[-4:]) == ({"x"}, "xend")
    missing = BIG + len("end\n") - len(head) - len(f"{tail}\n")
    assert marker == f"[… {missing} bytes truncated …]"
    assert len(result["stdout"].encode()) <= 256 * 1024


def test_terminal_shows_the_running_time(server: Server, tmp_path: Path) -> None:
    session_id = new_session(server, "echo out")
    ours, theirs = pty.openpty()
    process = start_run(server, session_id, tmp_path, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # nobody holds the other end any more
            break
    os.close(ours)
    assert process.wait() == 0
    assert re.search(rf"… {CHECK}: \d+ s, \d+ bytes of output".encode(), seen)


def test_refusal_of_the_server_is_reported(server: Server, tmp_path: Path) -> None:
    missing = server.run("run", "999999", "--yes", "--cwd", str(tmp_path))
    assert (missing.returncode, missing.stderr) == (
        1,
        "agent-sessions: There is no such resource.\n",
    )
    recorded = api(server, "POST", "/sessions", {"type": "RecordedSessions"})["id"]
    refused = server.run("run", str(recorded), "--yes", "--cwd", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == "agent-sessions: The agent drives sessions of this type.\n"
    nowhere = server.run("run", "1", AGENT_SESSIONS_URL="ftp://example.test")
    assert nowhere.returncode == 2
