"""Idempotency-Key on every POST; the rules are those of `app.contexts.idempotency`."""

from typing import Any

from litestar import Request
from litestar.types import Message

from app.contexts.idempotency import Keyed, StoredAnswer, keyed
from app.web.conditions import status_of

_KEPT_HEADERS = frozenset({b"content-type", b"location", b"etag"})


async def repeated_request(request: Request[Any, Any, Any]) -> Keyed | None:
    """None for a request that makes no such promise."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    query = request.scope["query_string"].decode("latin-1")
    path = f"{request.scope['path']}?{query}" if query else request.scope["path"]
    payload, project = await request.body(), request.headers.get("x-project")
    if project is not None:  # the same words mean something else in another project
        payload = project.encode("latin-1") + b"\n" + payload
    return keyed(request.method, path, key, payload)


def stored_answer(messages: list[Message], *, secret: bool) -> StoredAnswer:
    """An answer that carries a secret is remembered without its body."""
    headers = {
        name.decode(): value.decode("latin-1")
        for message in messages
        if message["type"] == "http.response.start"
        for name, value in message["headers"]
        if name in _KEPT_HEADERS
    }
    body = b"".join(m["body"] for m in messages if m["type"] == "http.response.body")
    return StoredAnswer(status_of(messages), headers, None if secret else body)


def replayed(answer: StoredAnswer) -> list[Message]:
    body = answer.body or b""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers += [(b"idempotency-replayed", b"true")]
    if body:
        headers += [(b"content-length", str(len(body)).encode())]
    return [
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]
