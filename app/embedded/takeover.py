"""Cleans up after an owner that died: a server that still runs, and files that name its pid."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from app.embedded.errors import EmbeddedError
from app.embedded.home import SOCKET_NAME, Home
from app.embedded.locks import try_lock, wait_lock

# Fast shutdown, immediate shutdown (the next start recovers from the log), kill; in seconds.
STOP_SEQUENCE = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))


def take_server_lock(home: Home) -> TextIO:
    """Takes the lock that proves that no postgres of this folder is left.

    An orphan is stopped, not adopted: a server that is not our child can be neither watched nor
    made to end with us. On Linux it is already ending.
    """
    lock = try_lock(home.server_lock)
    if lock is not None:
        return lock
    for number, seconds in STOP_SEQUENCE:
        pid = _read_pid(home.data / "postmaster.pid")
        if pid is not None and _is_postmaster(pid, home.data):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        lock = wait_lock(home.server_lock, seconds)
        if lock is not None:
            return lock
    raise EmbeddedError(f"a PostgreSQL of {home.path} is still running and does not stop")


def remove_stale_pid_files(data: Path, socket_folder: Path) -> None:
    """To be called with the server lock held and no server started.

    PostgreSQL removes such files itself when their process is dead, but takes any other living
    process of the same user for a server, and a file emptied by a full disk for a starting one.
    """
    for path in (data / "postmaster.pid", socket_folder / f"{SOCKET_NAME}.lock"):
        if not path.exists():
            continue
        pid = _read_pid(path)
        if pid is None or not _is_postmaster(pid, data):
            if pid is None or _is_alive(pid):
                path.unlink()
        else:
            # We hold the lock, so this server was started by hand.
            raise EmbeddedError(
                f"{data} is in use by PostgreSQL process {pid}, which was started by other means: "
                "stop it first"
            )


def _read_pid(path: Path) -> int | None:
    """None when there is no file, or no number in it."""
    try:
        return abs(int(path.read_text().split("\n", 1)[0]))  # negative: a single-user server
    except (FileNotFoundError, ValueError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _is_postmaster(pid: int, data: Path) -> bool:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cwd").samefile(data)  # where postgres always is
        except OSError:
            return False
    listed = subprocess.run(  # noqa: S603 - fixed program, numeric argument
        ["/bin/ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True, check=False
    )
    return Path(listed.stdout.strip()).name == "postgres"
