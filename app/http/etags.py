"""ETag, If-None-Match and If-Match, for every resource at once."""

import re

import msgspec
from litestar.datastructures import Headers
from litestar.types import HTTPScope, Message

from app.schemas.base import Live, Output
from app.scope import version_of

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def etag(content: object) -> bytes | None:
    """The version of a single resource as an ETag. Lists and live resources have none."""
    version = None if isinstance(content, Live) else version_of(content)
    return None if version is None else f'"{version}"'.encode()


def has_version(schema: object) -> bool:
    """Whether an answer of this schema carries an ETag."""
    if not (isinstance(schema, type) and issubclass(schema, Output)) or issubclass(schema, Live):
        return False
    types = {field.name: field.type for field in msgspec.structs.fields(schema)}
    return types.get("version") is int or "updated_at" in types


def if_match(headers: Headers) -> frozenset[str] | None:
    """The versions a client is willing to overwrite; None when it sent no If-Match, or `*`."""
    header = headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    return frozenset(_TAG.findall(header))


def not_modified(scope: HTTPScope, messages: list[Message]) -> list[Message]:
    """Replaces the answer by a bare 304 when the client already has this version of the
    resource."""
    if scope["method"] != "GET" or status_of(messages) != 200:
        return messages
    header = Headers.from_scope(scope).get("if-none-match")
    if header is None:
        return messages
    headers = [
        pair
        for message in messages
        if message["type"] == "http.response.start"
        for pair in message["headers"]
        if pair[0] == b"etag"
    ]
    if not headers or headers[0][1].decode().strip('"') not in _TAG.findall(header):
        return messages
    return [
        {"type": "http.response.start", "status": 304, "headers": headers},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


def status_of(messages: list[Message]) -> int:
    starts = (m["status"] for m in messages if m["type"] == "http.response.start")
    return next(starts, 500)
