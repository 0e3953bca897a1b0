import os
from pathlib import Path
from typing import BinaryIO

ROTATE_BYTES = 8 * 1024 * 1024
TAIL_LINES = 4


class ServerLog:
    """The output of initdb and postgres. The previous file is kept as `.1`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> BinaryIO:
        if self.path.exists() and self.path.stat().st_size > ROTATE_BYTES:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        self._start = os.fstat(descriptor).st_size
        return os.fdopen(descriptor, "ab")

    def tail(self) -> str:
        """The last lines since `open`, as one line."""
        with self.path.open("rb") as stream:
            stream.seek(self._start)
            text = stream.read().decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " / ".join(lines[-TAIL_LINES:]) or "it printed nothing"
