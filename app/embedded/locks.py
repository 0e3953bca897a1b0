import fcntl
import os
import time
from pathlib import Path
from typing import TextIO

POLL_SECONDS = 0.02


def try_lock(path: Path) -> TextIO | None:
    """Returns the locked file, or None when another open file holds the lock.

    The lock lasts until every copy of the descriptor is closed: a child that inherits it keeps the
    lock when this process dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "r+")


def wait_lock(path: Path, seconds: float) -> TextIO | None:
    deadline = time.monotonic() + seconds
    while (lock := try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return lock
