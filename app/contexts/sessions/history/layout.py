"""How interactions are spread over sealed pages and the tail that stays in the session's row."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app.schemas.sessions import StoredInteraction

TAIL_COUNT = 8
TAIL_BYTES = 16 * 1024

_encode = msgspec.json.Encoder().encode


class Packing(NamedTuple):
    """Documents as JSON. `tail` is what comes to the tail, or the new one if there are pages;
    `tail_bytes` is the size of the whole tail then."""

    pages: list[list[msgspec.Raw]]
    tail: list[msgspec.Raw]
    tail_bytes: int


def pack(documents: Sequence[StoredInteraction], tail_count: int, tail_bytes: int) -> Packing:
    """Fill the tail up to its bound, seal it, begin the next; the first may be partly filled."""
    pages: list[list[msgspec.Raw]] = []
    current: list[msgspec.Raw] = []
    count, size = tail_count, tail_bytes if tail_count else 0
    for document in documents:
        encoded = msgspec.Raw(_encode(document))
        length = len(encoded)
        if count and (count == TAIL_COUNT or size + length > TAIL_BYTES):
            pages.append(current)
            current, count, size = [], 0, 0
        current.append(encoded)
        count, size = count + 1, size + length
    if size > TAIL_BYTES:
        pages.append(current)
        current, size = [], 0
    return Packing(pages, current, size)
