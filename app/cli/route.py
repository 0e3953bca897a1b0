"""The way to a server: its address, and the proxy that the environment names for it.

The hook and every other command take the same way. Only what `os` has loaded already is imported.
"""

import os

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_PROXIES = ("http", "socks5", "socks5h")


class Unusable(OSError):
    """An address that no connection can be made to."""


class Address:
    """`host` has no brackets; `path` has no slash at its end; `login` is `user:password`."""

    __slots__ = ("host", "login", "path", "port", "scheme")

    def __init__(self, url: str, origin: str, default_scheme: str = "") -> None:
        scheme, separator, rest = url.strip().partition("://")
        if not separator:
            scheme, rest = default_scheme, url.strip()
        self.scheme = scheme.lower()
        for end in "?#":
            rest = rest.partition(end)[0]
        netloc, slash, path = rest.partition("/")
        self.login, _, hostport = netloc.rpartition("@")
        host, port = _host_and_port(hostport)
        self.path = (slash + path).rstrip("/")
        self.host = host.lower()
        is_port = port.isascii() and port.isdigit() and int(port) <= 65535
        if self.scheme not in _PORTS or not _is_host(self.host) or (port and not is_port):
            raise Unusable(f"{origin} is not a usable address: {url}")
        if not (self.path.isascii() and self.path.isprintable()) or " " in self.path:
            raise Unusable(f"{origin} has a path with unexpected characters: {url}")
        self.port = int(port) if port else _PORTS[self.scheme]

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def server_address(url: str) -> Address:
    """Raises Unusable for anything but http and https."""
    address = Address(url, "the server's URL")
    if address.scheme not in {"http", "https"}:
        raise Unusable(f"the server's URL must begin with http:// or https://: {url}")
    return address


def proxy_for(server: Address) -> Address | None:
    """None for a direct connection. Raises Unusable, naming the variable, for a proxy of a kind
    that is not supported."""
    if is_loopback(server.host):
        return None
    variable, value = _variable(f"{server.scheme}_proxy", "all_proxy")
    if not value or _is_exempt(server):
        return None
    scheme = value.partition("://")[0].lower() if "://" in value else "http"
    if scheme not in _PROXIES:
        kinds = ", ".join(f"{kind}://" for kind in _PROXIES)
        raise Unusable(f"{variable} names a proxy of an unsupported kind ({scheme}); use {kinds}")
    return Address(value, variable, "http")


def ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()


def is_loopback(host: str) -> bool:
    """By its text: a name is not looked up, except localhost, which needs no look-up."""
    is_ipv4 = host.startswith("127.") and host.replace(".", "").isdigit()
    return is_ipv4 or host in {"localhost", "::1"} or host.endswith(".localhost")


def _host_and_port(text: str) -> tuple[str, str]:
    """Of `host`, `host:port`, `[ipv6]`, `[ipv6]:port` and a bare IPv6 address."""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        return (host if closed else ""), port.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _is_host(host: str) -> bool:
    return bool(host) and not any(c.isspace() or c in '/\\[]@"<>' for c in host)


def _variable(*names: str) -> tuple[str, str]:
    """The first that is set, and its value; lower case before upper case, as curl reads them."""
    for name in names:
        for variable in (name, name.upper()):
            if value := os.environ.get(variable, "").strip():
                return variable, value
    return "", ""


def _is_exempt(server: Address) -> bool:
    """Whether NO_PROXY has the host, a domain above it, or `*`. Entries of another form, such as
    networks, are passed over."""
    for entry in _variable("no_proxy")[1].lower().split(","):
        host, port = _host_and_port(entry.strip())
        host = host.removeprefix("*.").removeprefix(".")
        if entry.strip() == "*":
            return True
        if not host or port not in {"", "*", str(server.port)}:
            continue
        if server.host == host or server.host.endswith(f".{host}"):
            return True
    return False
