"""What `run` shows while a command runs; all but the command's own output goes to stderr."""

import sys
import time
from types import TracebackType
from typing import Self

import click

from app.cli.output import printable

REFRESH_SECONDS = 1.0
_ERASE = "\r\x1b[K"


def say(text: str, prefix: str = "") -> None:
    for line in printable(text).splitlines():
        click.echo(f"{prefix}{line}", err=True)


def visible(text: str) -> str:
    """Spells out control and invisible characters, so that no part of a command is hidden from the
    person who confirms it."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


class Progress:
    """Passes the command's output on, and shows how long it has been running to a terminal."""

    def __init__(self, step: str, *, streams: bool) -> None:
        self._step = step
        self._streams = streams
        self._terminal = streams and sys.stderr.isatty()
        self._started = time.monotonic()
        self._bytes = 0
        self._shown_at = 0.0
        self._is_shown = False
        self._at_line_start = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._erase()
        if not self._at_line_start:
            click.echo(err=True)

    def show(self, name: str, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if chunk and self._streams:
            self._erase()
            stream = (sys.stderr if name == "stderr" else sys.stdout).buffer
            stream.write(chunk)
            stream.flush()
            self._at_line_start = chunk.endswith((b"\n", b"\r"))
        now = time.monotonic()
        if self._terminal and self._at_line_start and now - self._shown_at >= REFRESH_SECONDS:
            seconds = round(now - self._started)
            line = f"{_ERASE}… {self._step}: {seconds} s, {self._bytes:,} bytes of output"
            click.echo(line, err=True, nl=False)
            self._shown_at, self._is_shown = now, True

    def _erase(self) -> None:
        if self._is_shown:
            click.echo(_ERASE, err=True, nl=False)
            self._is_shown, self._shown_at = False, 0.0
