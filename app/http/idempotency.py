"""Supports Idempotency-Key on every POST, by the rules of `app.contexts.idempotency`."""

from litestar.datastructures import Headers
from litestar.types import HTTPScope, Message, Receive

from app.contexts.idempotency import Keyed, StoredAnswer, keyed
from app.http.body import ApiRequest
from app.http.etags import status_of

_KEPT_HEADERS = frozenset({b"content-type", b"location", b"etag"})


async def repeated_request(scope: HTTPScope, receive: Receive) -> Keyed | None:
    """The request as its Idempotency-Key identifies it; None without such a header."""
    if scope["method"] != "POST":
        return None
    headers = Headers.from_scope(scope)
    key = headers.get("idempotency-key")
    if key is None:
        return None
    query = scope["query_string"].decode("latin-1")
    path = f"{scope['path']}?{query}" if query else scope["path"]
    payload, project = await ApiRequest(scope, receive).body(), headers.get("x-project")
    if project is not None:  # the same request means something else in another project
        payload = project.encode("latin-1") + b"\n" + payload
    return keyed(scope["method"], path, key, payload)


def stored_answer(messages: list[Message], *, secret: bool) -> StoredAnswer:
    """The answer to keep. One that carries a secret is kept without its body."""
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
