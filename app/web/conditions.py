"""ETag, If-None-Match and If-Match, for every resource at once."""

import re
from typing import Any

from litestar import Request, Response
from litestar.types import Message

from app.schemas.base import Live
from app.scope import version_of

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


async def add_etag(response: Response[Any]) -> Response[Any]:
    """A single resource carries its version; lists and what is live have none."""
    live = isinstance(response.content, Live)
    version = None if live else version_of(response.content)
    if version is not None:
        response.set_header("ETag", f'"{version}"')
    return response


def if_match(request: Request[Any, Any, Any]) -> frozenset[str] | None:
    """The versions a writer is ready to overwrite; None when it did not say, or said `*`."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    return frozenset(_TAG.findall(header))


def not_modified(request: Request[Any, Any, Any], messages: list[Message]) -> list[Message]:
    """304 and nothing else when the client has this very version of a resource."""
    header = request.headers.get("if-none-match")
    if header is None or request.method != "GET" or status_of(messages) != 200:
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
