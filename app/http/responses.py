"""Answers of handlers: a JSON document with its status, its version and sometimes its location."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from app.http.etags import etag

Content = TypeVar("Content")

_encode = msgspec.json.Encoder().encode


class Answer(Response[Content], Generic[Content]):
    """Sends text and bytes as they are, everything else as JSON, and nothing with a 204.

    It leaves out what no answer here uses: cookies, background tasks, encoders of its own. Asking
    about them takes Litestar's `Response` a quarter of its time for a request.
    """

    def __init__(
        self,
        content: Content,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: None = None,
        type_encoders: Mapping[Any, Any] | None = None,
    ) -> None:
        self.content = content
        self.status_code = status_code
        self.headers = dict(headers or {})
        self.media_type = media_type

    def to_asgi_response(self, app: Any, request: Any, **defaults: Any) -> ASGIResponse:
        status = self.status_code or defaults["status_code"]
        headers = [(name.lower().encode(), v.encode()) for name, v in self.headers.items()]
        body = b""
        if status != 204:
            body = _rendered(self.content)
            media_type = (self.media_type or "application/json").encode()
            charset = b"; charset=utf-8" if media_type.startswith(b"text/") else b""
            headers.append((b"content-type", media_type + charset))
            headers.append((b"content-length", b"%d" % len(body)))
        tag = etag(self.content)
        if tag is not None:
            headers.append((b"etag", tag))

        async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return cast("ASGIResponse", answer)


def _rendered(content: object) -> bytes:
    if isinstance(content, str):
        return content.encode()
    return content if isinstance(content, bytes) else _encode(content)
