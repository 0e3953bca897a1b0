"""Starts initdb and postgres as direct children (see launcher.py for the child's side)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

from app.embedded.account import Account

LAUNCHER = Path(__file__).with_name("launcher.py")


def launch(
    account: Account,
    arguments: list[str],
    *,
    data: Path,
    output: BinaryIO,
    lock: TextIO,
) -> subprocess.Popen[bytes]:
    """The child keeps the lock for as long as it, or a child of its own, lives."""
    data_descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return subprocess.Popen(  # noqa: S603 - our own launcher
            command(account, arguments, data_descriptor),
            cwd="/",  # programs before version 16 leave theirs and must be able to come back
            env={**environment(), "PGDATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lock.fileno(), data_descriptor],
            start_new_session=True,  # Ctrl-C in the terminal is for the owner alone
        )
    finally:
        os.close(data_descriptor)


def command(account: Account, arguments: list[str], data_descriptor: int = -1) -> list[str]:
    # Isolated and without site: neither PYTHON* variables nor .pth files, and a faster start.
    python = [sys.executable, "-I", "-S", str(LAUNCHER)]
    numbers = (os.getpid(), account.uid, account.gid, data_descriptor)
    return [*python, *map(str, numbers), *arguments]


def environment() -> dict[str, str]:
    """Passes on nothing of ours: PG* variables change settings, and the server needs no secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}
