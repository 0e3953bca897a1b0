"""The ways through a proxy: CONNECT and SOCKS version 5."""

import _socket
from base64 import b64encode
from urllib.parse import unquote_to_bytes

from app.cli.responses import Garbled, Reader, read_head
from app.cli.route import Address, ascii_host


def login_header(proxy: Address) -> str:
    if not proxy.login:
        return ""
    login = b64encode(unquote_to_bytes(proxy.login)).decode()
    return f"Proxy-Authorization: Basic {login}\r\n"


def open_tunnel(connected: _socket.socket, proxy: Address, server: Address) -> None:
    host = f"[{server.host}]" if ":" in server.host else ascii_host(server.host)
    place = f"{host}:{server.port}"
    head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login_header(proxy)}\r\n"
    connected.sendall(head.encode())
    status, _ = read_head(Reader(connected))
    if not 200 <= status < 300:
        raise Garbled(f"the proxy answered {status}")


def open_socks(connected: _socket.socket, proxy: Address, server: Address) -> None:
    """SOCKS version 5 (RFC 1928) with a user name and a password (RFC 1929) if there are any; the
    proxy looks up the server's name."""
    connected.sendall(b"\5\2\0\2" if proxy.login else b"\5\1\0")
    method = _received(connected, 2)[1]
    if method == 2 and proxy.login:
        user, _, password = (unquote_to_bytes(part) for part in proxy.login.partition(":"))
        sent = bytes([1, len(user)]) + user + bytes([len(password)]) + password
        connected.sendall(sent)
        method = _received(connected, 2)[1]
    if method != 0:
        raise Garbled("the proxy does not accept the login")
    host = ascii_host(server.host).encode()
    wanted = b"\5\1\0\3" + bytes([len(host)]) + host + server.port.to_bytes(2, "big")
    connected.sendall(wanted)
    answer = _received(connected, 4)
    if answer[1] != 0:
        raise Garbled(f"the proxy cannot reach the server (SOCKS reply {answer[1]})")
    rest = {1: 4, 4: 16}.get(answer[3])
    _received(connected, (_received(connected, 1)[0] if rest is None else rest) + 2)


def _received(connected: _socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connected.recv(size - len(received))
        if not chunk:
            raise Garbled("the proxy hung up")
        received += chunk
    return received
