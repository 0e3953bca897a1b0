"""Runs one command on this machine and passes its output on as it comes.

Memory stays flat whatever the command prints: only the beginning and the end of each stream are
kept, as much as the server stores.
"""

import codecs
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from app.cleaning import MAX_STRING_BYTES, elide, kept_at_each_end

CHUNK_BYTES = 64 * 1024
TICK_SECONDS = 0.2
LINGER_SECONDS = 1.0
"""How long a background process of the command may keep the output open."""
GRACE_SECONDS = 3.0
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Show = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr` and a chunk, and with an empty name while nothing comes."""


class Execution(NamedTuple):
    """`code` is the shell's: 127 for a command that is not found, 128 + n for signal n."""

    code: int
    stdout: str
    stderr: str
    duration_ms: int


class Capture:
    """The beginning and the end of a stream, as text that PostgreSQL can hold."""

    def __init__(self, limit: int = MAX_STRING_BYTES) -> None:
        self._limit = limit
        self._half = kept_at_each_end(limit)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head = bytearray()
        self._tail = bytearray()
        self._length = 0

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(chunk, final).replace("\0", "\ufffd").encode()
        self._length += len(text)
        self._head += text[: self._limit - len(self._head)]
        self._tail += text
        if len(self._tail) > 2 * self._limit:
            del self._tail[: -self._half]

    def text(self) -> str:
        self.feed(b"", final=True)
        if self._length <= self._limit:
            return self._head.decode()
        head, tail = bytes(self._head[: self._half]), bytes(self._tail[-self._half :])
        return elide(head, tail, self._length)


def execute(command: str, pipe: str | None, folder: Path, show: Show) -> Execution:
    """Runs the command in a shell. Without `pipe` its input is empty; it never has a terminal, so
    it cannot wait for a person. An interruption ends the command and all it has started."""
    started = time.monotonic()
    captures = {"stdout": Capture(), "stderr": Capture()}
    process = None
    try:
        with _held_signals():  # the command may run before it is known here which process it is
            process = subprocess.Popen(  # noqa: S603 - running it is what we are for
                ["/bin/sh", "-c", command],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        _exchange(process, (pipe or "").encode(errors="replace"), captures, show)
        code = process.wait()
    except BaseException:
        if process is not None:
            _stop(process)
        raise
    finally:
        if process is not None:
            _close(process.stdin, process.stdout, process.stderr)
    return Execution(
        code if code >= 0 else 128 - code,
        captures["stdout"].text(),
        captures["stderr"].text(),
        round((time.monotonic() - started) * 1000),
    )


def _exchange(
    process: subprocess.Popen[bytes], data: bytes, captures: dict[str, Capture], show: Show
) -> None:
    assert process.stdin is not None, "it is a pipe"  # noqa: S101
    with selectors.DefaultSelector() as selector:
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream is not None, "it is a pipe"  # noqa: S101
            selector.register(stream, selectors.EVENT_READ, name)
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        position, ended = 0, None
        while selector.get_map():
            for key, _ in selector.select(TICK_SECONDS):
                if key.data == "stdin":
                    position = _write(key.fd, data, position)
                    if position == len(data):
                        selector.unregister(key.fileobj)
                        _close(process.stdin)
                elif chunk := os.read(key.fd, CHUNK_BYTES):
                    captures[key.data].feed(chunk)
                    show(key.data, chunk)
                else:
                    selector.unregister(key.fileobj)
            show("", b"")
            if process.poll() is not None:
                ended = ended or time.monotonic()
                if time.monotonic() - ended > LINGER_SECONDS:
                    return


def _write(descriptor: int, data: bytes, position: int) -> int:
    """Returns the new position. A command that closes its input has read all it wants."""
    try:
        return position + os.write(descriptor, data[position : position + CHUNK_BYTES])
    except BlockingIOError:
        return position
    except BrokenPipeError:
        return len(data)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process group: SIGTERM, then SIGKILL after a while, or at once on a second
    interruption."""
    with _held_signals() as insisting:
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not insisting and time.monotonic() < deadline and _signal(process, 0):
            process.poll()
            time.sleep(0.02)
        _signal(process, signal.SIGKILL)
        process.wait()


@contextmanager
def _held_signals() -> Iterator[list[int]]:
    """Holds back interruptions during work that must not stop half done, until its end."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    for number in INTERRUPTIONS:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for held in came:
            signal.raise_signal(held)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Signals the process group. Returns whether any process of it is left."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _close(*streams: IO[bytes] | None) -> None:
    for stream in streams:
        if stream is not None:
            with suppress(OSError):
                stream.close()
