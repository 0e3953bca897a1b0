"""HTTP/1.1 over a socket: all that the hook and the other commands need, and quick to import.

`http.client` alone takes longer to import than a hook may take. Failures are OSError.
"""

import _socket  # `socket` itself costs the hook a third of its time, for constants as enums
import os

from app.cli.responses import Reader, Response
from app.cli.route import Address, Unusable, ascii_host, proxy_for, server_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from types import ModuleType

    Socket = _socket.socket | ssl.SSLSocket


class Unreachable(OSError):
    """No connection to the server could be made."""


class Connection:
    """One connection for any number of requests, one after the other. `timeout` is in seconds and
    meets each step; None leaves it to the caller."""

    def __init__(self, url: str, token: str, timeout: float | None = None) -> None:
        if not (token.isascii() and token.isprintable()):
            raise Unusable("the token is not valid: unexpected characters")
        self.server = server_address(url)
        self._proxy = proxy_for(self.server)
        self._token = token
        self._timeout = timeout
        self._socket: Socket | None = None
        self._is_last = False
        self.reading_timeout = timeout

    def send(
        self, method: str, target: str, body: bytes | None = None, headers: str = ""
    ) -> Response:
        """`target` is below the server's path; `headers` are whole lines. Raises Unreachable while
        there is no connection, and other OSErrors once there is one."""
        if self._is_last:
            self.close()
        reused = self._socket is not None
        try:
            return self._exchange(method, target, body, headers)
        except Unreachable:
            raise
        except OSError as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise
        # A server may close a connection between two requests.
        try:
            return self._exchange(method, target, body, headers)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._is_last = False

    def _exchange(self, method: str, target: str, body: bytes | None, headers: str) -> Response:
        if self._socket is None:
            self._socket = self._connected()
        connected = self._socket
        connected.settimeout(self._timeout)
        try:
            connected.sendall(self._request(method, target, body, headers))
        except OSError as error:
            # A server that has had enough may have said why before it hung up.
            try:
                return self._response(connected, method)
            except OSError:
                raise error from None
        return self._response(connected, method)

    def _response(self, connected: "Socket", method: str) -> Response:
        connected.settimeout(self.reading_timeout)
        response = Response(Reader(connected), method)
        self._is_last = not response.keeps_alive
        return response

    def _request(self, method: str, target: str, body: bytes | None, headers: str) -> bytes:
        server = self.server
        target = f"{server.path}{target}"
        login = ""
        if self._proxy is not None and self._proxy.scheme == "http" and server.scheme == "http":
            target = f"http://{server.netloc}{target}"
            login = _proxies().login_header(self._proxy)
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {ascii_host(server.netloc)}\r\n"
            f"Authorization: Bearer {self._token}\r\nUser-Agent: agent-sessions\r\n"
            f"Accept-Encoding: identity\r\n{login}{headers}{length}\r\n"
        )
        return head.encode("latin-1") + (body or b"")

    def _connected(self) -> "Socket":
        nearest = self._proxy or self.server
        connected = None
        try:
            connected = _connect(nearest, self._timeout)
            if self._proxy is not None:
                if self._proxy.scheme != "http":
                    _proxies().open_socks(connected, self._proxy, self.server)
                elif self.server.scheme == "https":
                    _proxies().open_tunnel(connected, self._proxy, self.server)
            return _secured(connected, self.server) if self.server.scheme == "https" else connected
        except (OSError, UnicodeError) as error:
            if connected is not None:
                connected.close()
            if is_certificate_error(error):
                raise
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            way = f" (through {self._proxy.netloc})" if self._proxy else ""
            place = f"{self.server.scheme}://{self.server.netloc}"
            raise Unreachable(f"cannot reach {place}{way}: {why}") from error


def is_certificate_error(error: BaseException | None) -> bool:
    """Whether trying again is of no use: the server's certificate stays what it is."""
    return type(error).__name__ in {"SSLCertVerificationError", "CertificateError"}


def _connect(address: Address, timeout: float | None) -> _socket.socket:
    """Tries each address of the host. Raises the last one's error."""
    host = ascii_host(address.host).encode()  # Python loads Unicode tables for a str
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, place in _socket.getaddrinfo(
        host, address.port, 0, _socket.SOCK_STREAM
    ):
        connected = _socket.socket(family, kind, protocol)
        try:
            connected.settimeout(timeout)
            connected.connect(place)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure


def _secured(connected: _socket.socket, server: Address) -> "ssl.SSLSocket":
    import socket  # noqa: PLC0415 - a plain connection needs neither
    import ssl  # noqa: PLC0415

    context = ssl.create_default_context()  # OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR
    paths = ssl.get_default_verify_paths()
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE", ""):
        is_folder = os.path.isdir(bundle)  # noqa: PTH112 - see `credentials`
        context.load_verify_locations(**{"capath" if is_folder else "cafile": bundle})
    elif not (paths.cafile or paths.capath or context.get_ca_certs()):
        import certifi  # noqa: PLC0415 - for a Python without the system's certificates

        context.load_verify_locations(certifi.where())
    timeout = connected.gettimeout()
    plain = socket.socket(fileno=connected.detach())
    plain.settimeout(timeout)
    try:
        return context.wrap_socket(plain, server_hostname=ascii_host(server.host))
    except OSError:
        plain.close()
        raise


def _proxies() -> "ModuleType":
    from app.cli import proxies  # noqa: PLC0415 - few have one

    return proxies
