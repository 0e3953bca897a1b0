"""What commands print: whole rows in a pipe, any encoding, and nothing that steers a terminal."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli import output
from app.cli.client import Document, Refused
from tests.servers import Server, environment

TITLE = "Rebuild the parcel scale so that it weighs what the customer sees on the display, ü✓ 😀"
STEERING = "a\x1b[2Jb\x9bc\rd\x07"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def session_id(server: Server) -> int:
    body = {"type": "RecordedSessions", "title": TITLE}
    headers = {"Authorization": f"Bearer {server.token}"}
    made = httpx.post(f"{server.url}/api/sessions", json=body, headers=headers)
    number: int = made.json()["id"]
    result = {"status": "ok", "stdout": f"{'parcel ' * 40}\n{STEERING}"}
    interaction = {"command": {"module": "Bash", "command": "weigh"}, "result": result}
    path = f"/api/sessions/{number}/interactions"
    assert httpx.post(f"{server.url}{path}", json=interaction, headers=headers).is_success
    return number


def test_row_is_one_whole_line_in_a_pipe(server: Server, session_id: int) -> None:
    listed = server.run("sessions", "list", COLUMNS="40").stdout.splitlines()
    [row] = [line for line in listed if line.startswith(f"{session_id} ")]
    assert TITLE in row
    shown = server.run("sessions", "show", str(session_id), COLUMNS="40").stdout
    assert "parcel " * 40 in shown


def test_control_characters_of_agents_are_spelled_out(server: Server, session_id: int) -> None:
    shown = server.run("sessions", "show", str(session_id)).stdout
    assert "a\\u001b[2Jb\\u009bc" in shown
    assert not set(shown) & set("\x1b\x9b\x07")
    as_json = server.run("sessions", "show", str(session_id), "--json").stdout
    assert not set(as_json) & set("\x1b\x9b\x07")
    [interaction] = json.loads(as_json)["interactions"]
    assert interaction["result"]["stdout"].endswith(STEERING)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_output_of_any_encoding_is_complete(server: Server, session_id: int, encoding: str) -> None:
    def run(*arguments: str) -> bytes:
        variables = {"AGENT_SESSIONS_URL": server.url, "AGENT_SESSIONS_TOKEN": server.token}
        done = subprocess.run(
            [sys.executable, "-m", "app", "sessions", *arguments],
            capture_output=True,
            env={**environment(server.home, **variables), "PYTHONIOENCODING": encoding},
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    assert b"Rebuild the parcel scale" in run("list")
    document = json.loads(run("show", str(session_id), "--json").decode(encoding))
    assert document["title"] == TITLE


def test_terminal_too_narrow_shortens_the_widest_column(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "24")
    output.print_table(["id", "title"], [(1, "x" * 100), (22, "漢字" * 20)])
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if "x" in line] == ["1   " + "x" * 19 + "…"]
    assert "…" in lines[2]


def test_closed_output_ends_no_command_with_a_traceback(server: Server, session_id: int) -> None:
    command = f"{sys.executable} -m app sessions show {session_id} >&-"
    variables = {"AGENT_SESSIONS_URL": server.url, "AGENT_SESSIONS_TOKEN": server.token}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        env=environment(server.home, **variables),
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_json_of_lone_surrogates_and_of_c1_controls_is_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value: dict[str, Any] = {"a": "\ud83d", "b": "\x9b"}
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    text = output.json_text(value).encode(errors="backslashreplace")
    assert json.loads(text) == value
    assert b"\\u009b" in text


def test_answer_without_an_expected_field_is_refused() -> None:
    with pytest.raises(Refused, match="no field `data`"):
        Document({"ok": True})["data"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks4://127.0.0.1:9", "ALL_PROXY"),
        ("HTTP_PROXY", "http://127.0.0.1:9", "through 127.0.0.1:9"),
    ],
)
def test_unusable_proxy_is_one_line_and_exit_code_2(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    variables = {
        "AGENT_SESSIONS_URL": "http://sessions.invalid",
        "AGENT_SESSIONS_TOKEN": "as_1-1_x",
        name: value,
    }
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "app", "sessions", "list"],
        capture_output=True,
        text=True,
        env={**kept, "HOME": str(tmp_path), **variables},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("agent-sessions: ")
    assert words in done.stderr
