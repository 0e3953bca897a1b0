"""Wraps every answer, including those that no route gave, with a request id and security
headers."""

import re
import time
from typing import Any, cast

import structlog
import uuid_utils
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import Message, Receive, Scope, Send

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    # Nothing is loaded or framed; the page at /docs brings its own style.
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
]


class Envelope:
    """The ASGI application: Litestar inside the request id, the security headers and the request
    log."""

    def __init__(self, litestar: Litestar) -> None:
        self.litestar = litestar
        # Bound once: an unbound logger is built again for every line, even one that is not written.
        self._log = structlog.get_logger().bind()
        # Litestar would answer OPTIONS with the methods of one handler, not of the whole resource.
        self._methods: dict[str, set[str]] = {}
        for route in litestar.routes:
            if isinstance(route, HTTPRoute):
                self._methods.setdefault(route.path_format, set()).update(route.methods)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.litestar(scope, receive, send)
            return
        request_id = _request_id(scope)
        cast("dict[str, Any]", scope)["request_id"] = request_id.decode()

        status = 0
        started = time.perf_counter()

        async def send_wrapped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id)]
                if scope.get("root_path"):
                    headers = [_prefixed(pair, scope) for pair in headers]
                present = {name for name, _ in headers}
                if scope["method"] == "OPTIONS" and "path_template" in scope:
                    allowed = ", ".join(sorted(self._methods[scope["path_template"]]))
                    headers = [pair for pair in headers if pair[0] != b"allow"]
                    headers.append((b"allow", allowed.encode()))
                headers += [h for h in _SECURITY_HEADERS if h[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.litestar(scope, receive, send_wrapped)
        self._log.info(
            "request",
            request_id=request_id.decode(),
            method=scope["method"],
            # The template, not the path, which may hold a client's data.
            route=scope.get("path_template"),
            status=status,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            account_id=scope.get("state", {}).get("account_id"),
        )


def _prefixed(header: tuple[bytes, bytes], scope: Scope) -> tuple[bytes, bytes]:
    """Adds the proxy's path prefix to a Location header: clients see our paths with it, we do
    not."""
    name, value = header
    root = scope.get("root_path") or ""
    return (name, root.encode() + value) if root and name == b"location" else header


def _request_id(scope: Scope) -> bytes:
    """The caller's own X-Request-Id when it is harmless, otherwise a new UUIDv7."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE.fullmatch(value):
            return bytes(value)
    return str(uuid_utils.uuid7()).encode()
