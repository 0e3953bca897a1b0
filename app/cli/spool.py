"""Hook events that the server has not taken yet, one file each, oldest first.

The events hold what agents said, secrets included: no other user may read them. Each server and
account has a spool of its own, so that no event reaches another tenant. A file's name is
`order-time-process-agent.json`: the order is the time unless the clock was set back, and time and
process together are the event's id, the same whenever it is sent. A `~` behind the agent stands for
each time when the server took other events but not this one.
"""
# For the reason that `credentials` gives:
# ruff: noqa: PTH105, PTH108, PTH116, PTH118, PTH123, PTH208, SIM105

import os
import time

from app.cli.credentials import (
    Credentials,
    make_folder,
    state_folder,
    write_private,
    write_secret,
)

MAX_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024
PAUSE_SECONDS = 30.0
MAX_FAILURES = 5
ABANDONED_SECONDS = 60
_LONGEST_NAME = 200


class Spooled:
    """One event. `time_ns` is when the hook read it, in nanoseconds since 1970; `agent` is the
    name as it stands in a URL."""

    __slots__ = ("agent", "event_id", "failures", "path", "time_ns")

    def __init__(self, folder: str, name: str) -> None:
        _, time_ns, process, marked = name.removesuffix(".json").split("-", 3)
        self.path = os.path.join(folder, name)
        self.time_ns = int(time_ns)
        self.event_id = f"{time_ns}-{process}"
        self.agent = marked.rstrip("~")
        self.failures = len(marked) - len(self.agent)

    def read(self) -> bytes | None:
        """None when it is gone: delivered by another process, or dropped."""
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass


class Spool:
    """`folder` is created with the first event."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def entries(self) -> list[Spooled]:
        """In the order in which they were added; behind them those that have failed before."""
        entries = [Spooled(self.folder, name) for name in self._names()]
        return sorted(entries, key=lambda entry: entry.failures)

    def add(self, agent: str, event: bytes, time_ns: int | None = None) -> Spooled:
        """Drops the oldest events when the spool is full. Raises OSError when the event cannot be
        kept."""
        make_folder(self.folder)
        names = self._names()
        if names:
            self._make_room(names, len(event))
        time_ns = time_ns or time.time_ns()
        # A clock that was set back must not change the order.
        order = max(time_ns, int(names[-1].partition("-")[0]) + 1) if names else time_ns
        name = self.name_of(agent, time_ns, order)
        added = Spooled(self.folder, name)
        write_private(added.path, event, os.path.join(self.folder, f".{name}"))
        return added

    @staticmethod
    def name_of(agent: str, time_ns: int, order: int = 0) -> str:
        return f"{order:020d}-{time_ns}-{os.getpid()}-{quoted(agent)}.json"

    def dropped(self) -> int:
        """How many events were dropped because the spool was full."""
        try:
            with open(os.path.join(self.folder, "dropped"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def mark_failed(self, entry: Spooled) -> None:
        """Drops the event when it has failed MAX_FAILURES times."""
        if entry.failures + 1 >= MAX_FAILURES:
            entry.remove()
            self._count_dropped(1)
            return
        try:
            os.replace(entry.path, f"{entry.path.removesuffix('.json')}~.json")
        except FileNotFoundError:  # it has just been delivered
            pass

    def pause(self) -> None:
        """Hooks only spool for the next PAUSE_SECONDS."""
        write_secret(os.path.join(self.folder, "pause"), "")

    def is_paused(self) -> bool:
        try:
            age = time.time() - os.stat(os.path.join(self.folder, "pause")).st_mtime
        except OSError:
            return False
        return 0 <= age < PAUSE_SECONDS

    def resume(self) -> None:
        try:
            os.unlink(os.path.join(self.folder, "pause"))
        except OSError:
            pass

    def locked(self) -> "Lock":
        return Lock(os.path.join(self.folder, "lock"))

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self.folder)
        except OSError:  # none yet, or none that can be had
            return []
        for name in names:
            if name.startswith(".") and _is_entry(name[1:]):
                self._remove_abandoned(name)
        return sorted(name for name in names if _is_entry(name))

    def _remove_abandoned(self, name: str) -> None:
        """A hook that was killed while it wrote has left a part of its event."""
        part = Spooled(self.folder, name)
        if time.time_ns() - part.time_ns > ABANDONED_SECONDS * 10**9:
            part.remove()

    def _make_room(self, names: list[str], size: int) -> None:
        sizes = [self._size(name) for name in names]
        total, excess = sum(sizes) + size, 0
        while excess < len(names) and (len(names) - excess >= MAX_EVENTS or total > MAX_BYTES):
            total -= sizes[excess]
            excess += 1
        for name in names[:excess]:
            Spooled(self.folder, name).remove()
        if excess:
            self._count_dropped(excess)

    def _count_dropped(self, count: int) -> None:
        write_secret(os.path.join(self.folder, "dropped"), str(self.dropped() + count))

    def _size(self, name: str) -> int:
        try:
            return os.stat(os.path.join(self.folder, name)).st_size
        except FileNotFoundError:  # another hook has just delivered it
            return 0


class Lock:
    """Held by one process at a time; entering tells whether this one holds it."""

    def __init__(self, path: str) -> None:
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
    name = quoted(f"{credentials.url} {credentials.token.partition('-')[0]}")
    if len(name) > _LONGEST_NAME:
        import hashlib  # noqa: PLC0415 - loads OpenSSL, and hardly a URL is so long

        name = hashlib.sha256(name.encode()).hexdigest()
    return Spool(os.path.join(state_folder(), "spool", name))


def _is_entry(name: str) -> bool:
    parts = name.split("-", 3)
    return name.endswith(".json") and len(parts) == 4 and all(p.isdecimal() for p in parts[:3])


def quoted(text: str) -> str:
    """Percent-encoded, for a header, a URL or a file's name: `urllib` takes longer to import."""
    if text.isascii() and text.replace("-", "a").replace("_", "a").isalnum():
        return text
    encoded = text.encode("utf-8", "surrogateescape")
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in encoded)
