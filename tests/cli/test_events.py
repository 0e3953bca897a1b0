"""Events as agents hand them over: read until whole, mended, and cut to a size that arrives."""

import json
import os
from typing import Any

import pytest

from app.cleaning import truncate
from app.cli.events import (
    LARGE_BYTES,
    MAX_BYTES,
    STRING_BYTES,
    Document,
    mended,
    read_event,
    shortened,
)


@pytest.mark.parametrize(
    "event",
    [
        b'{"a": 1}',
        b'{"a": "}"}',
        b'{"a": "\\"}", "b": ["{", {"c": "\\\\"}]}',
        b'  {"a": {}}\n\n',
        b"[]",
        '{"größe": "\\u00fc"}'.encode(),
    ],
)
def test_document_is_whole_at_its_last_bracket_and_not_before(event: bytes) -> None:
    last = max(event.rfind(b"}"), event.rfind(b"]"))
    document = Document()
    for position, byte in enumerate(event):
        document.content.append(byte)
        assert document.is_whole() == (position >= last), event[: position + 1]


def test_event_is_read_although_its_pipe_stays_open() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b'{"a": 1}\n')
        assert read_event(reading) == b'{"a": 1}\n'
    finally:
        os.close(reading)
        os.close(writing)


def test_input_that_is_no_document_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"{")
    os.close(writing)
    assert read_event(reading) == b"{"
    os.close(reading)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'\xef\xbb\xbf{"a": 1}', b'{"a": 1}'),
        ('{"a": "ü"}'.encode("utf-16"), '{"a": "ü"}'.encode()),
        (b'{"a": "\\ud83d"}', b'{"a": "\\ufffd"}'),
        (b'{"a": "\\uD83D\\uD83D\\uDE00 \\uDE00"}', b'{"a": "\\ufffd\\uD83D\\uDE00 \\ufffd"}'),
        (b'{"a": "\\\\ud83d"}', b'{"a": "\\\\ud83d"}'),
        (b'{"a": "gr\xfc\xdfe"}', b'{"a": "gr\xfc\xdfe"}'),
    ],
)
def test_marks_and_half_characters_are_mended_and_other_bytes_stay(
    event: bytes, expected: bytes
) -> None:
    assert mended(event) == expected


def test_small_event_is_sent_as_it_came() -> None:
    event = b'{ "a":1,"a":2, "b": 1.50 }'
    assert shortened(event) is event


def test_long_string_is_cut_as_the_server_would_cut_it() -> None:
    text = "é" + "x" * (2 * LARGE_BYTES) + "é"
    cut = json.loads(shortened(json.dumps({"session_id": "s", "text": text}).encode()))
    assert cut == {"session_id": "s", "text": truncate(text)}
    assert len(cut["text"].encode()) <= STRING_BYTES[0]


@pytest.mark.parametrize(
    "bulk",
    [
        ["x" * 100_000] * 100,
        ["x" * 50] * 150_000,
        [[1] * 1000] * 2500,
    ],
)
def test_event_of_many_values_fits_and_keeps_its_session(bulk: Any) -> None:
    event = json.dumps({"session_id": "s", "hook_event_name": "Stop", "bulk": bulk}).encode()
    assert len(event) > MAX_BYTES
    short = shortened(event)
    assert len(short) <= MAX_BYTES
    found = json.loads(short)
    assert (found["session_id"], found["hook_event_name"]) == ("s", "Stop")


@pytest.mark.parametrize("event", [b"x" * (2 * MAX_BYTES), b"[" * (2 * MAX_BYTES)])
def test_oversized_input_that_is_no_json_is_dropped(event: bytes) -> None:
    assert shortened(event) == b""
