"""Whatever ends a hook or holds it up: the event is kept, and the agent notices nothing."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import environment

EVENT = {"session_id": "s", "hook_event_name": "SessionEnd"}


class Home:
    """A user of a machine without a server of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, url: str, *arguments: str, **options: object) -> "subprocess.Popen[bytes]":
        variables = {"AGENT_SESSIONS_URL": url, "AGENT_SESSIONS_TOKEN": "as_1-1_x"}
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "app", "hook", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(self.path, **variables),
            **options,
        )

    def hook(self, url: str, event: bytes = json.dumps(EVENT).encode()) -> None:
        process = self.start(url)
        assert (*process.communicate(event, 60), process.returncode) == (b"", b"", 0)

    def spooled(self) -> list[Path]:
        return sorted(self.path.glob(".local/state/agent-sessions/spool/*/*.json"))

    def wait_spooled(self) -> None:
        for _ in range(3000):
            if self.spooled():
                return
            time.sleep(0.01)
        pytest.fail("the event is not in the spool")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@contextmanager
def peer(answer: bytes | None) -> Iterator[tuple[str, list[float]]]:
    """A server that sends `answer` and hangs up; None never answers. Also the times at which it
    was connected to."""
    connected: list[float] = []
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connected.append(time.monotonic())
            if answer is None:
                held.append(connection)
                continue
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", connected
        listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_neither_ends_the_hook_nor_loses_the_event(
    home: Home, number: signal.Signals
) -> None:
    with peer(None) as (url, _):
        process = home.start(url)
        assert process.stdin is not None
        process.stdin.write(json.dumps(EVENT).encode())
        process.stdin.flush()
        home.wait_spooled()
        process.send_signal(number)
        assert (*process.communicate(timeout=60), process.returncode) == (b"", b"", 0)
    assert [json.loads(path.read_text()) for path in home.spooled()] == [EVENT]


def test_event_is_in_the_spool_before_it_is_sent(home: Home) -> None:
    with peer(None) as (url, connected):
        process = home.start(url)
        assert process.stdin is not None
        process.stdin.write(json.dumps(EVENT).encode())
        process.stdin.close()
        while not connected and process.poll() is None:
            time.sleep(0.001)
        assert len(home.spooled()) == 1
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    assert len(home.spooled()) == 1


def test_silent_server_is_left_alone_for_a_while(home: Home) -> None:
    with peer(None) as (url, connected):
        for _ in range(4):
            home.hook(url)
    assert len(home.spooled()) == 4
    assert len(connected) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\xff" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n\r\n{}",
    ],
)
def test_answer_of_something_else_keeps_the_event(home: Home, answer: bytes) -> None:
    with peer(answer) as (url, _):
        home.hook(url)
    assert len(home.spooled()) == 1


def test_hook_returns_although_its_input_never_ends(home: Home) -> None:
    process = home.start("http://127.0.0.1:9")
    assert process.stdin is not None
    with pytest.raises(BrokenPipeError):
        _write_for_ever(process.stdin.fileno())
    process.stdin.close()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        assert stream.read() == b""
        stream.close()
    assert process.wait(60) == 0


def test_full_disk_is_silent_and_leaves_no_half_written_event(home: Home) -> None:
    process = home.start(
        "http://127.0.0.1:9",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    event = json.dumps({**EVENT, "text": "x" * 5000}).encode()
    assert (*process.communicate(event, 60), process.returncode) == (b"", b"", 0)
    folder = home.path / ".local" / "state" / "agent-sessions" / "spool"
    assert list(folder.glob("*/.*.json")) == home.spooled() == []


def test_event_reaches_the_server_when_the_spool_cannot_be_written(home: Home) -> None:
    (home.path / ".local").write_text("not a folder")
    with peer(b"HTTP/1.1 204 No Content\r\n\r\n") as (url, connected):
        home.hook(url)
    assert len(connected) == 1


def _write_for_ever(descriptor: int) -> None:
    while True:
        os.write(descriptor, b'{"a": "' + b"x" * 65536)
