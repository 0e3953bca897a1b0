"""What wraps every answer, also those that no route gave: request id and security headers."""

import re
from typing import Any, cast

import uuid_utils
from litestar import Litestar
from litestar.types import Message, Receive, Scope, Send

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Envelope:
    """The ASGI application: Litestar, with a request id around it."""

    def __init__(self, litestar: Litestar) -> None:
        self.litestar = litestar

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.litestar(scope, receive, send)
            return
        request_id = _request_id(scope)
        cast("dict[str, Any]", scope)["request_id"] = request_id.decode()

        async def send_wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name for name, _ in headers}
                headers.append((b"x-request-id", request_id))
                headers += [h for h in _SECURITY_HEADERS if h[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.litestar(scope, receive, send_wrapped)


def _request_id(scope: Scope) -> bytes:
    """The caller's own X-Request-Id when it is harmless, otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE.fullmatch(value):
            return bytes(value)
    return str(uuid_utils.uuid7()).encode()
