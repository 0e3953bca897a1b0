"""The way to a server: its address, and the proxy that the environment names."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.cli.connection import Connection, Unreachable
from app.cli.responses import Garbled
from app.cli.route import Unusable, proxy_for, server_address

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def proxy(url: str) -> str | None:
    found = proxy_for(server_address(url))
    return None if found is None else found.netloc


@pytest.mark.parametrize(
    ("url", "netloc", "path"),
    [
        ("http://a.test", "a.test", ""),
        ("HTTP://A.test:80/", "a.test", ""),
        ("https://a.test:8443/base/", "a.test:8443", "/base"),
        ("http://[::1]:8000", "[::1]:8000", ""),
        ("http://user:secret@a.test", "a.test", ""),
    ],
)
def test_address_of_a_server(url: str, netloc: str, path: str) -> None:
    address = server_address(url)
    assert (address.netloc, address.path) == (netloc, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://a.test",
        "http://",
        "http://[::1",
        "http://a.test:x",
        "http://a b/",
        "http://a.test:99999",
        "socks5://a.test",
        "http://a.test/ü",
        "http://a.test/\r\nX: y",
    ],
)
def test_unusable_address_is_named(url: str) -> None:
    with pytest.raises(Unusable, match="the server's URL"):
        server_address(url)


@pytest.mark.parametrize(
    ("variable", "url", "expected"),
    [
        ("HTTP_PROXY", "http://a.test", "p.test:3128"),
        ("http_proxy", "http://a.test", "p.test:3128"),
        ("HTTP_PROXY", "https://a.test", None),
        ("https_proxy", "https://a.test", "p.test:3128"),
        ("ALL_PROXY", "https://a.test", "p.test:3128"),
        ("ALL_PROXY", "http://127.0.0.1:8000", None),
        ("ALL_PROXY", "http://localhost:8000", None),
        ("ALL_PROXY", "http://[::1]:8000", None),
        ("ALL_PROXY", "http://127.shop.test", "p.test:3128"),
    ],
)
def test_proxy_comes_from_the_variable_of_the_scheme(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, expected: str | None
) -> None:
    monkeypatch.setenv(variable, "http://p.test:3128")
    assert proxy(url) == expected


def test_proxy_without_a_scheme_speaks_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "p.test:3128")
    assert proxy("http://a.test") == "p.test:3128"


@pytest.mark.parametrize(
    "entries",
    ["a.test", ".test", "*.test", "x.y, A.TEST", "a.test:80", "a.test:*", "*", "fd00::/8,a.test"],
)
def test_exempt_host_is_reached_directly(monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p.test")
    monkeypatch.setenv("NO_PROXY", entries)
    assert proxy("http://a.test") is None


@pytest.mark.parametrize(
    "entries",
    ["", ",", "b.test", "ba.test", "est", "a.test:81", "fd00::/8", "a:b:c", "bücher.test"],
)
def test_other_entries_of_no_proxy_exempt_nothing(
    monkeypatch: pytest.MonkeyPatch, entries: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p.test")
    monkeypatch.setenv("NO_PROXY", entries)
    assert proxy("http://a.test") == "p.test"


@pytest.mark.parametrize("entry", ["fd00::1", "[fd00::1]", "[fd00::1]:8000"])
def test_ipv6_address_is_exempt(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p.test")
    monkeypatch.setenv("NO_PROXY", entry)
    assert proxy("http://[fd00::1]:8000") is None


@pytest.mark.parametrize("value", ["socks4://p.test", "socks://p.test", "ftp://p.test", "x://"])
def test_unsupported_proxy_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("all_proxy", value)
    with pytest.raises(Unusable, match="all_proxy"):
        proxy("http://a.test")


@contextmanager
def serving(*steps: bytes | int) -> Iterator[tuple[int, bytearray]]:
    """A peer that sends the bytes, and reads as many bytes as a number says, or a whole head for
    0; then it hangs up."""
    received = bytearray()

    def serve() -> None:
        connected, _ = listener.accept()
        with connected:
            for step in steps:
                if isinstance(step, bytes):
                    connected.sendall(step)
                elif step:
                    received.extend(connected.recv(step, socket.MSG_WAITALL))
                else:
                    start = len(received)
                    while b"\r\n\r\n" not in received[start:]:
                        received.extend(connected.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], received
        thread.join(10)


def ask(url: str) -> tuple[int, bytes]:
    connection = Connection(url, "as_1-1_x", timeout=5)
    try:
        response = connection.send("GET", "/x")
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.0 200 OK\n\nok", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\n"
            b"Trailer: t\r\n\r\n",
            200,
            b"ok",
        ),
    ],
)
def test_answers_of_all_forms_are_read(answer: bytes, status: int, body: bytes) -> None:
    with serving(0, answer) as (port, received):
        assert ask(f"http://127.0.0.1:{port}") == (status, body)
    assert received.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer as_1-1_x\r\n" in received


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,
    ],
)
def test_garbled_answer_is_an_error(answer: bytes) -> None:
    with serving(0, answer) as (port, _), pytest.raises(Garbled):
        ask(f"http://127.0.0.1:{port}")


def test_http_proxy_is_asked_for_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(0, b"HTTP/1.1 204 No Content\r\n\r\n") as (port, received):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@127.0.0.1:{port}")
        assert ask("http://a.invalid") == (204, b"")
    assert received.startswith(b"GET http://a.invalid/x HTTP/1.1\r\nHost: a.invalid\r\n")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in received


def test_proxy_that_refuses_a_tunnel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(0, b"HTTP/1.1 403 Forbidden\r\n\r\n") as (port, received):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match=f"through 127.0.0.1:{port}.*the proxy answered 403"):
            ask("https://a.invalid")
    assert received.startswith(b"CONNECT a.invalid:443 HTTP/1.1\r\nHost: a.invalid:443\r\n")


def test_socks_proxy_looks_up_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    granted = b"\5\0\0\1\0\0\0\0\0\0"
    steps = (4, b"\5\2", 9, b"\1\0", 16, granted, 0, b"HTTP/1.1 204 No Content\r\n\r\n")
    with serving(*steps) as (port, received):
        monkeypatch.setenv("ALL_PROXY", f"socks5h://me:pass@127.0.0.1:{port}")
        assert ask("http://a.invalid:81") == (204, b"")
    assert received.startswith(b"\5\2\0\2\1\2me\4pass\5\1\0\3\x09a.invalid\0\x51GET /x HTTP/1.1")
