"""An event as an agent hands it over: read until it is whole, mended, cut to a size that arrives.

Standard library only; what an ordinary event does not need is imported where it is needed.
"""

import os
import sys

CHUNK_BYTES = 256 * 1024
LARGEST_READ = 128 * 1024 * 1024
LARGE_BYTES = 1024 * 1024
"""Many proxies refuse a larger event, so its longest strings are cut."""
MAX_BYTES = 6 * 1024 * 1024
"""The server refuses more than 8 MiB."""
STRING_BYTES = (256 * 1024, 16 * 1024, 512)
"""The first is what the server keeps of a string; the others are for events still too large."""


class Document:
    """A JSON document that arrives in parts, and whether it has arrived."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._position = 0
        self._depth = 0
        self._in_string = False

    def is_whole(self) -> bool:
        """Looks only at what has been added since it was asked before."""
        content, position = self.content, self._position
        while position < len(content):
            quote = content.find(b'"', position)
            end = len(content) if quote < 0 else quote
            if self._in_string:
                if quote < 0:
                    break
                escapes = quote - len(content[position:quote].rstrip(b"\\")) - position
                position = quote + 1
                self._in_string = escapes % 2 == 1
            else:
                opened = content.count(b"{", position, end) + content.count(b"[", position, end)
                closed = content.count(b"}", position, end) + content.count(b"]", position, end)
                self._depth += opened - closed
                position = end + 1 if quote >= 0 else end
                self._in_string = quote >= 0
        self._position = position
        return self._depth == 0 and not self._in_string and content.rstrip().endswith((b"}", b"]"))


def read_event(descriptor: int = 0) -> bytes:
    """Until the end of the input, or of the document if the input stays open behind it."""
    document = Document()
    while chunk := os.read(descriptor, CHUNK_BYTES):
        document.content += chunk
        if len(document.content) > LARGEST_READ:
            return b""
        if not _has_more(descriptor) and document.is_whole():
            break
    return bytes(document.content)


def argument_bytes(argument: str) -> bytes:
    """As the agent passed it, whatever the locale says."""
    return argument.encode() if sys.platform == "win32" else os.fsencode(argument)


def mended(event: bytes) -> bytes:
    """Without a byte order mark, in UTF-8 where it was UTF-16, and with U+FFFD for an escaped half
    of a character, which JSON forbids and JavaScript writes. Bytes that are not UTF-8 stay."""
    if event.startswith(b"\xef\xbb\xbf"):
        event = event[3:]
    elif event.startswith((b"\xff\xfe", b"\xfe\xff")):
        event = event.decode("utf-16", "replace").encode()
    lowered = event.lower() if b"\\u" in event else b""
    return _without_halves(event) if b"\\ud" in lowered else event


def shortened(event: bytes) -> bytes:
    """At most MAX_BYTES: long strings lose their middle, and a marker says how much it was. Empty
    for an event of that size that is not JSON."""
    if len(event) <= LARGE_BYTES:
        return event
    import json  # noqa: PLC0415 - see above

    try:
        value = json.loads(event.decode("utf-8", "replace"))
        for limit in STRING_BYTES:
            value = _cut(value, limit)
            event = _encoded(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
            if len(event) <= MAX_BYTES:
                return event
        # So many small values: what tells the event and its session apart stays.
        plain = {name: field for name, field in value.items() if _is_short(name, field)}
    except (ValueError, RecursionError, MemoryError, AttributeError):
        return event if len(event) <= MAX_BYTES else b""
    return _encoded(json.dumps(dict(list(plain.items())[:100])))


def _has_more(descriptor: int) -> bool:
    """Whether a read would return at once, at the end of the input as well."""
    import select  # noqa: PLC0415 - an event in an argument needs none

    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    except (OSError, ValueError):  # Windows knows this only for sockets
        return False


def _without_halves(event: bytes) -> bytes:
    import re  # noqa: PLC0415 - see above

    # An escaped backslash, a whole pair, or a half.
    pattern = rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F].."
    return re.sub(pattern, lambda m: b"\\ufffd" if len(m[0]) == 6 else m[0], event)


def _cut(value: object, limit: int) -> object:
    if isinstance(value, str):
        return _cut_text(value, limit)
    if isinstance(value, list):
        return [_cut(item, limit) for item in value]
    if isinstance(value, dict):
        return {name: _cut(item, limit) for name, item in value.items()}
    return value


def _is_short(name: str, value: object) -> bool:
    return len(name) < 256 and not isinstance(value, (dict, list))


def _cut_text(text: str, limit: int) -> str:
    """As the server cuts it, which therefore has nothing left to cut."""
    if len(text) * 4 <= limit:
        return text
    encoded = _encoded(text)
    if len(encoded) <= limit:
        return text
    half = max(0, limit - 64) // 2
    head, tail = encoded[:half], encoded[len(encoded) - half :]
    start, end = head.decode(errors="ignore"), tail.decode(errors="ignore")
    missing = len(encoded) - len(start.encode()) - len(end.encode())
    return f"{start}\n[… {missing} bytes truncated …]\n{end}"


def _encoded(text: str) -> bytes:
    """A lone half of a character becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
