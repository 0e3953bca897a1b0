"""The spool, and how its events reach a server."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.cli import spool as spooling
from app.cli.credentials import Credentials
from app.cli.delivery import DELIVERED, REFUSED, Delivery, Sender
from app.cli.spool import Spool, spool_of

PROBLEM = json.dumps({"code": "malformed", "detail": "no", "request_id": "r"}).encode()
Answer = tuple[int, str, bytes]
TAKEN: Answer = (204, "", b"")


class Received:
    """What a server was sent: bodies and headers, in order."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def receiver(answer: Callable[[bytes], Answer | None]) -> Iterator[tuple[str, Received]]:
    """A server that answers what `answer` returns for a body; None hangs up without an answer."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.bodies.append(body)
            received.headers.append({k.lower(): v for k, v in self.headers.items()})
            answered = answer(body)
            if answered is None:
                self.close_connection = True
                return
            status, kind, content = answered
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def deliver(url: str, spool: Spool) -> dict[str, int]:
    delivery = Delivery(Sender(Credentials(url, "as_1-1_x"), timeout=5), spool)
    delivery.run()
    return delivery.counts


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"))


def kept(spool: Spool) -> list[bytes]:
    return [entry.read() or b"" for entry in spool.entries()]


def test_full_spool_drops_the_oldest_and_counts_them(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "MAX_EVENTS", 3)
    for n in range(5):
        spool.add("codex", b"%d" % n)
    assert kept(spool) == [b"2", b"3", b"4"]
    assert {entry.agent for entry in spool.entries()} == {"codex"}
    assert spool.dropped() == 2
    monkeypatch.setattr(spooling, "MAX_BYTES", 10)
    spool.add("codex", b"123456789")
    assert kept(spool) == [b"4", b"123456789"]


def test_event_dropped_during_delivery_does_not_stop_it(spool: Spool) -> None:
    for n in range(3):
        spool.add("codex", b"%d" % n)
    second = Path(spool.entries()[1].path)

    def answer(_: bytes) -> Answer:
        second.unlink(missing_ok=True)
        return TAKEN

    with receiver(answer) as (url, received):
        assert deliver(url, spool) == {DELIVERED: 2, REFUSED: 0}
    assert received.bodies == [b"0", b"2"]
    assert kept(spool) == []


def test_clock_set_back_keeps_the_order_and_the_true_times(spool: Spool) -> None:
    now = time.time_ns()
    spool.add("codex", b"first", now + 10**12)
    spool.add("codex", b"second", now)
    assert kept(spool) == [b"first", b"second"]
    assert [entry.time_ns - now for entry in spool.entries()] == [10**12, 0]


def test_event_carries_its_own_time_and_the_same_id_on_every_resend(spool: Spool) -> None:
    spool.add("codex", b"{}", 1_700_000_000_123_456_789)
    with receiver(lambda _: (503, "text/plain", b"")) as (url, received):
        deliver(url, spool)
        deliver(url, spool)
    first, second = received.headers
    assert first["x-agent-event-time"] == "2023-11-14T22:13:20.123456Z"
    assert first["x-agent-event-id"].startswith("1700000000123456789-")
    assert first["x-agent-event-id"] == second["x-agent-event-id"]


@pytest.mark.parametrize("status", [200, 400, 404, 413, 415, 422, 302])
def test_foreign_answer_settles_no_event(spool: Spool, status: int) -> None:
    spool.add("codex", b"{}")
    with receiver(lambda _: (status, "text/html", b"<h1>proxy</h1>")) as (url, _):
        assert deliver(url, spool) == {DELIVERED: 0, REFUSED: 0}
    assert kept(spool) == [b"{}"]


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_problem_of_the_server_settles_an_event(spool: Spool, status: int) -> None:
    spool.add("codex", b"{")
    with receiver(lambda _: (status, "application/problem+json", PROBLEM)) as (url, _):
        assert deliver(url, spool) == {DELIVERED: 0, REFUSED: 1}
    assert kept(spool) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_refused_sender_keeps_its_events(spool: Spool, status: int) -> None:
    for n in range(3):
        spool.add("codex", b"%d" % n)
    with receiver(lambda _: (status, "application/problem+json", PROBLEM)) as (url, received):
        deliver(url, spool)
    assert received.bodies == [b"0"]
    assert kept(spool) == [b"0", b"1", b"2"]


def test_event_that_no_proxy_lets_through_goes_behind_and_is_dropped_at_last(spool: Spool) -> None:
    spool.add("codex", b"stuck")
    with receiver(lambda body: None if body == b"stuck" else TAKEN) as (url, received):
        for n in range(spooling.MAX_FAILURES):
            assert spool.dropped() == 0
            spool.add("codex", b"%d" % n)
            assert deliver(url, spool) == {DELIVERED: 1, REFUSED: 0}
    assert kept(spool) == []
    assert spool.dropped() == 1
    assert [body for body in received.bodies if body != b"stuck"] == [b"0", b"1", b"2", b"3", b"4"]


def test_server_that_hangs_up_on_every_event_loses_none(spool: Spool) -> None:
    for n in range(4):
        spool.add("codex", b"%d" % n)
    with receiver(lambda _: None) as (url, _):
        for _ in range(2 * spooling.MAX_FAILURES):
            deliver(url, spool)
    assert kept(spool) == [b"0", b"1", b"2", b"3"]


def test_event_added_during_delivery_is_delivered_too(spool: Spool) -> None:
    spool.add("codex", b"first")

    def answer(body: bytes) -> Answer:
        if body == b"first":
            spool.add("codex", b"second")
        return TAKEN

    with receiver(answer) as (url, received):
        deliver(url, spool)
    assert received.bodies == [b"first", b"second"]


def test_delivery_leaves_a_locked_spool_alone(spool: Spool) -> None:
    spool.add("codex", b"{}")
    with receiver(lambda _: TAKEN) as (url, received), spool.locked() as ours:
        assert ours
        deliver(url, spool)
    assert received.bodies == []


def test_agent_name_cannot_leave_the_spool(spool: Spool) -> None:
    spool.add("../../x~ü", b"{}")
    with receiver(lambda _: TAKEN) as (url, _):
        assert deliver(url, spool) == {DELIVERED: 1, REFUSED: 0}


def test_part_of_an_event_that_a_killed_hook_left_is_removed(spool: Spool) -> None:
    spool.add("codex", b"{}")
    now = time.time_ns()
    old, new = (Path(spool.folder, f".0-{now - age}-1-codex.json") for age in (10**11, 0))
    for path in (old, new):
        path.write_text("{")
    assert kept(spool) == [b"{}"]
    assert (old.exists(), new.exists()) == (False, True)


def test_spool_of_a_long_url_has_a_name_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    long = spool_of(Credentials("http://server.test/" + "x" * 500, "as_1-1_x")).folder
    assert len(Path(long).name) <= 255
    other = spool_of(Credentials("http://server.test/" + "x" * 501, "as_1-1_x")).folder
    assert long != other
