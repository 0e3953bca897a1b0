"""`agent-sessions hook`, as an agent runs it: quick and silent, and no event is lost."""

import json
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.cli.credentials import Credentials
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
    """Runs the hook, which must not let the agent notice anything. Returns the seconds it took."""
    started = time.monotonic()
    done = server.run("hook", *arguments, stdin=json.dumps(event), **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return time.monotonic() - started


def spooled(server: Server) -> list[Path]:
    folder = server.home / ".local" / "state" / "agent-sessions" / "spool"
    return sorted(folder.glob("*/*.json"))


def test_events_spooled_while_the_server_is_down_are_delivered_in_order(tmp_path: Path) -> None:
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
        # On a slow machine its deadline may come before the spool is empty.
        assert server.json("hook", "--flush")["left"] == 0
        assert spooled(server) == []
        silent(server, events[-1])
        assert server.json("hook", "--flush")["left"] == 0
        assert recorded(server) == EXPECTED
        [row] = server.json("sessions", "list")["data"]
        assert row["status"] == "complete"
    finally:
        stop_server(server)


def test_flush_delivers_the_spool(tmp_path: Path) -> None:
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


def test_spooled_events_never_reach_another_account(server: Server) -> None:
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
def test_hook_returns_while_the_server_hangs(server: Server, *, trickles: bool) -> None:
    """The server accepts and never answers, or answers a byte at a time for ever."""
    before = len(spooled(server))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if trickles:
            threading.Thread(target=_trickle, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A busy machine would fail a limit in seconds: that it returns is enough.
        silent(server, {"session_id": "x"}, AGENT_SESSIONS_URL=url)
    assert len(spooled(server)) == before + 1


def test_hook_without_a_usable_home_is_silent_and_still_delivers(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for home in (str(file), "/dev/null/nowhere", "/proc"):
        silent(server, {"session_id": "x"}, AGENT_SESSIONS_URL="http://127.0.0.1:9", HOME=home)
    full = Path("/dev/full")
    if full.exists():
        silent(server, {"session_id": "still-delivered"}, HOME="/dev/full")
        listed = server.json("sessions", "list")["data"]
        assert "still-delivered" in {row["external_id"] for row in listed}


def test_event_is_taken_from_an_argument(server: Server) -> None:
    """As Codex passes it to its notify program."""
    event = {"type": "agent-turn-complete", "thread-id": "t-1", "turn-id": "1"}
    done = server.run("hook", "codex", json.dumps(event))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = httpx.get(
        f"{server.url}/api/sessions?external_id=t-1",
        headers={"Authorization": f"Bearer {server.token}"},
    ).json()["data"]
    assert rows[0]["state"]["agent"] == "codex"


def test_parallel_hooks_lose_no_event(tmp_path: Path) -> None:
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


def _spool_of(server: Server) -> Spool:
    name = Path(spool_of(Credentials(server.url, server.token)).folder).name
    return Spool(str(server.home / ".local/state/agent-sessions/spool" / name))


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
