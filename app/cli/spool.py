"""Hook events that no server has taken yet, one file each, oldest first.

Standard library only. The events hold what agents said, secrets included: nobody else may read
them. Each server and account has a spool of its own, so that no event reaches another tenant.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.cli.credentials import Credentials, make_folder, state_folder, write_secret

MAX_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024


class Spooled(NamedTuple):
    path: Path
    agent: str


class Spool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Spooled]:
        """In the order in which they were added."""
        return [Spooled(self.folder / name, name.split("-", 2)[2][:-5]) for name in self._names()]

    def add(self, agent: str, event: bytes) -> None:
        """Drops the oldest when the spool is full. Raises OSError when it cannot be kept."""
        make_folder(self.folder)
        names = self._names()
        self._make_room(names, len(event))
        # A clock that was set back must not change the order.
        newest = int(names[-1].partition("-")[0]) if names else 0
        name = f"{max(time.time_ns(), newest + 1):020d}-{os.getpid()}-{agent}.json"
        temporary = self.folder / f".{name}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(event)
            temporary.replace(self.folder / name)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise

    def dropped(self) -> int:
        """How many events were dropped because the spool was full."""
        try:
            return int((self.folder / "dropped").read_text())
        except (OSError, ValueError):
            return 0

    def locked(self) -> "Lock":
        return Lock(self.folder / "lock")

    def _names(self) -> list[str]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:  # none yet, or none that can be had
            return []
        return sorted(n for n in names if n.endswith(".json") and not n.startswith("."))

    def _make_room(self, names: list[str], size: int) -> None:
        sizes = list(self._sizes(names))
        total, excess = sum(sizes) + size, 0
        while excess < len(names) and (len(names) - excess >= MAX_EVENTS or total > MAX_BYTES):
            total -= sizes[excess]
            excess += 1
        for name in names[:excess]:
            (self.folder / name).unlink(missing_ok=True)
        if excess:
            write_secret(self.folder / "dropped", str(self.dropped() + excess))

    def _sizes(self, names: list[str]) -> Iterator[int]:
        for name in names:
            try:
                yield (self.folder / name).stat().st_size
            except FileNotFoundError:  # another hook has just delivered it
                yield 0


class Lock:
    """Held by one process at a time; entering tells whether it is ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> bool:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            import fcntl  # noqa: PLC0415 - Windows has none

            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return True
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def spool_of(credentials: Credentials) -> Spool:
    """By server and account, not by token: a new token delivers what the old one left."""
    account = credentials.token.partition("-")[0]
    name = hashlib.sha256(f"{credentials.url} {account}".encode()).hexdigest()[:16]
    return Spool(state_folder() / "spool" / name)
