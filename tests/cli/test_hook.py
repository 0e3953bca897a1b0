"""`agent-sessions hook`, as an agent runs it: quick, silent, and nothing is lost."""

import json
import socket
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.cli import spool as spooling
from app.cli.credentials import Credentials
from app.cli.hook import Sender, flush
from app.cli.spool import Spool, spool_of
from tests.conftest import hook_stream
from tests.servers import Server, start_server, stop_server

STREAM = "claude-code-simple"
EXPECTED = [("UserPrompt", "ok"), ("Bash", "ok"), ("Event", "ok")]


def recorded(server: Server) -> list[tuple[str, str]]:
    [row] = server.json("sessions", "list")["data"]
    shown = server.json("sessions", "show", str(row["id"]))
    return [(i["command"]["module"], i["result"]["status"]) for i in shown["interactions"]]


def silent(server: Server, event: Any, *arguments: str, **variables: str) -> float:
    """Seconds it took. Whatever happens, the agent notices nothing."""
    started = time.monotonic()
    done = server.run("hook", *arguments, stdin=json.dumps(event), **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return time.monotonic() - started


def spooled(server: Server, url: str | None = None) -> list[Path]:
    folder = server.home / ".local" / "state" / "agent-sessions" / "spool"
    return sorted(folder.glob("*/*.json"))


def test_events_of_a_server_that_is_down_are_delivered_in_order(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    port = str(urlsplit(server.url).port)
    stop_server(server)
    events = hook_stream(STREAM)
    for event in events[:-2]:
        silent(server, event)
    files = spooled(server)
    assert [json.loads(path.read_text()) for path in files] == events[:-2]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    server = start_server(tmp_path, "--port", port)
    try:
        silent(server, events[-2])
        assert spooled(server) == []
        silent(server, events[-1])
        assert recorded(server) == EXPECTED
        [row] = server.json("sessions", "list")["data"]
        assert row["status"] == "complete"
    finally:
        stop_server(server)


def test_the_spool_is_flushed_by_hand(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    try:
        nothing = {"delivered": 0, "refused": 0, "left": 0, "dropped": 0}
        assert server.json("hook", "--flush") == nothing
        spool = _spool_of(server)
        for event in hook_stream(STREAM):
            spool.add("claude-code", json.dumps(event).encode())
        spool.add("claude-code", b"{")
        spool.add("nobody-knows", b"{}")
        assert server.json("hook", "--flush") == {**nothing, "delivered": 8, "refused": 2}
        assert recorded(server) == EXPECTED
        spool.add("claude-code", b"{}")
        done = server.run("hook", "--flush", "--json", AGENT_SESSIONS_TOKEN="as_1-999_no")
        assert (done.returncode, json.loads(done.stdout)["left"]) == (1, 1)
    finally:
        stop_server(server)


def test_another_account_never_gets_them(server: Server) -> None:
    refused = "http://127.0.0.1:9"
    silent(server, {"session_id": "x"}, AGENT_SESSIONS_URL=refused)
    assert len(spooled(server)) == 1
    other = server.token.replace("as_1-", "as_2-")
    done = server.run(
        "hook", "--flush", "--json", AGENT_SESSIONS_URL=refused, AGENT_SESSIONS_TOKEN=other
    )
    assert json.loads(done.stdout)["left"] == 0
    assert len(spooled(server)) == 1


@pytest.mark.parametrize("trickles", [False, True])
def test_a_server_that_hangs_holds_nobody_up(server: Server, *, trickles: bool) -> None:
    """It accepts and never answers, or answers a byte at a time for ever."""
    before = len(spooled(server))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if trickles:
            threading.Thread(target=_trickle, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Not how long it took: a machine that is busy would fail that. That it came back at all.
        silent(server, {"session_id": "x"}, AGENT_SESSIONS_URL=url)
    assert len(spooled(server)) == before + 1


def test_nowhere_to_keep_it_is_no_error(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for home in (str(file), "/dev/null/nowhere", "/proc"):
        silent(server, {"session_id": "x"}, AGENT_SESSIONS_URL="http://127.0.0.1:9", HOME=home)
    full = Path("/dev/full")
    if full.exists():
        silent(server, {"session_id": "still-delivered"}, HOME="/dev/full")
        listed = server.json("sessions", "list")["data"]
        assert "still-delivered" in {row["external_id"] for row in listed}


def test_the_event_may_be_an_argument(server: Server) -> None:
    """As Codex passes it to its notify program."""
    event = {"type": "agent-turn-complete", "thread-id": "t-1", "turn-id": "1"}
    done = server.run("hook", "codex", json.dumps(event))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = httpx.get(
        f"{server.url}/api/sessions?external_id=t-1",
        headers={"Authorization": f"Bearer {server.token}"},
    ).json()["data"]
    assert rows[0]["state"]["agent"] == "codex"


def test_hooks_that_run_at_once_lose_nothing(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    port = str(urlsplit(server.url).port)
    stop_server(server)
    events = [{"session_id": "s", "hook_event_name": f"Custom{n}"} for n in range(12)]
    _at_once(server, events[:6])
    assert len(spooled(server)) == 6
    server = start_server(tmp_path, "--port", port)
    try:
        _at_once(server, events[6:])
        assert server.json("hook", "--flush")["left"] == 0
        [row] = server.json("sessions", "list")["data"]
        shown = server.json("sessions", "show", str(row["id"]))
        told = {i["command"]["command"] for i in shown["interactions"]}
        assert told == {event["hook_event_name"] for event in events}
        assert row["interaction_count"] == 12
    finally:
        stop_server(server)


def test_a_full_spool_drops_the_oldest_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "MAX_EVENTS", 3)
    spool = Spool(tmp_path / "spool")
    for n in range(5):
        spool.add("codex", b"%d" % n)
    assert [(e.agent, e.path.read_bytes()) for e in spool.entries()] == [
        ("codex", b"2"),
        ("codex", b"3"),
        ("codex", b"4"),
    ]
    assert spool.dropped() == 2
    monkeypatch.setattr(spooling, "MAX_BYTES", 10)
    spool.add("codex", b"123456789")
    assert [e.path.read_bytes() for e in spool.entries()] == [b"4", b"123456789"]


def test_what_a_full_spool_drops_meanwhile_holds_up_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for n in range(3):
        spool.add("codex", b"%d" % n)
    second = spool.entries()[1].path
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            second.unlink(missing_ok=True)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}"
        flushed = flush(Sender(Credentials(url, "token")), spool)
        receiver.shutdown()
    assert received == [b"0", b"2"]
    assert flushed == (2, 0, 0)


def test_a_clock_set_back_keeps_the_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.add("codex", b"first")
    [entry] = spool.entries()
    ahead = f"{time.time_ns() + 10**12:020d}-1-codex.json"
    entry.path.rename(entry.path.with_name(ahead))
    spool.add("codex", b"second")
    assert [e.path.read_bytes() for e in spool.entries()] == [b"first", b"second"]


def _spool_of(server: Server) -> Spool:
    folder = spool_of(Credentials(server.url, server.token)).folder
    return Spool(server.home / ".local/state/agent-sessions/spool" / folder.name)


def _at_once(server: Server, events: list[dict[str, str]]) -> None:
    threads = [threading.Thread(target=silent, args=(server, event)) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _trickle(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 204 No")
        try:
            while True:
                connection.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            pass
