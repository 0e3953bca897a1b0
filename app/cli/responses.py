"""What a server answers over HTTP/1.1, read from a socket."""

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    Socket = _socket.socket | ssl.SSLSocket

CHUNK_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024


class Garbled(OSError):
    """The answer is not HTTP, or ends before its end."""


class Response:
    """`headers` have lower-case names. The body is read once, by `chunks` or `read`."""

    def __init__(self, reader: "Reader", method: str) -> None:
        self._reader = reader
        self.status, self.headers = read_head(reader)
        if 100 <= self.status < 200:  # an interim answer, of which there is one at most
            self.status, self.headers = read_head(reader)
        self._has_body = method != "HEAD" and self.status not in {204, 304}
        length = self.headers.get("content-length", "")
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        self._length = int(length) if length.isascii() and length.isdigit() else None
        ends_by_itself = not self._has_body or self._chunked or self._length is not None
        self.keeps_alive = ends_by_itself and self.headers.get("connection", "").lower() != "close"

    def chunks(self) -> "Iterator[bytes]":
        """Parts of the body as they arrive."""
        if not self._has_body:
            return
        if self._chunked:
            while size := _chunk_size(self._reader.line()):
                yield from self._reader.exactly(size)
                self._reader.line()
            while self._reader.line():
                pass
        elif self._length is not None:
            yield from self._reader.exactly(self._length)
        else:
            while chunk := self._reader.some():
                yield chunk

    def read(self, limit: int | None = None) -> bytes:
        """Raises Garbled beyond the limit."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if limit is not None and len(body) > limit:
                raise Garbled("the answer is longer than any of ours")
        return bytes(body)


class Reader:
    def __init__(self, connected: "Socket") -> None:
        self._socket = connected
        self._buffer = b""

    def some(self) -> bytes:
        """Whatever comes next; empty at the end of the connection."""
        if self._buffer:
            chunk, self._buffer = self._buffer, b""
            return chunk
        return self._socket.recv(CHUNK_BYTES)

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            chunk = self._socket.recv(CHUNK_BYTES)
            if not chunk or len(self._buffer) > MAX_HEAD_BYTES:
                raise Garbled("the server hung up without an answer of ours")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def exactly(self, size: int) -> "Iterator[bytes]":
        while size:
            chunk = self.some()
            if not chunk:
                raise Garbled("the server hung up in the middle of its answer")
            self._buffer = chunk[size:]
            yield chunk[:size]
            size -= min(size, len(chunk))


def read_head(reader: Reader) -> tuple[int, dict[str, str]]:
    version, _, rest = reader.line().partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit() or len(status) != 3:
        raise Garbled("the answer is not HTTP")
    headers: dict[str, str] = {}
    size = 0
    while line := reader.line():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
        size += len(line)
        if size > MAX_HEAD_BYTES:
            raise Garbled("the answer has more headers than any of ours")
    return int(status), headers


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise Garbled("the answer is not HTTP") from None
