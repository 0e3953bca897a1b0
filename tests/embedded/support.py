import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

import asyncpg

from app.embedded.account import Account, server_account
from app.embedded.locks import try_lock
from app.embedded.programs import bundled_bin_dir

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 20.0
IS_ROOT = os.geteuid() == 0
SERVER = server_account()
BUNDLED = bundled_bin_dir()


class Holder:
    """A process that runs holder.py; `answer` blocks until it has started its cluster."""

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        python: str = sys.executable,
        account: Account | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "tests.embedded.holder", str(data_dir), str(bin_dir or BUNDLED)],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
        )

    @cached_property
    def answer(self) -> dict[str, str | bool]:
        assert self.process.stdout is not None
        answer: dict[str, str | bool] = json.loads(self.process.stdout.readline())
        return answer

    @property
    def url(self) -> str:
        assert "url" in self.answer, self.answer
        return str(self.answer["url"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, last_words: str = "") -> None:
        self.process.communicate(last_words, timeout=WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def fetch(url: str, statement: str) -> list[tuple[object, ...]]:
    return asyncio.run(_fetch(url, statement))


async def _fetch(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(record) for record in await connection.fetch(statement)]
    finally:
        await connection.close()


def write_row(url: str) -> None:
    fetch(url, "CREATE TABLE kept AS SELECT 7 AS value")


def read_row(url: str) -> object:
    return fetch(url, "SELECT value FROM kept")[0][0]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def answers(url: str) -> bool:
    try:
        fetch(url, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def no_server_left(data_dir: Path) -> bool:
    """Whether every process of the folder's server has ended (they all hold the lock)."""
    lock = try_lock(data_dir / "postgres/server.lock")
    if lock is not None:
        lock.close()
    return lock is not None


def log_text(data_dir: Path) -> str:
    return (data_dir / "postgres/postgres.log").read_text()


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/data/postmaster.pid").read_text().split("\n")[0])


@contextmanager
def foreign_server(
    data_dir: Path, *, lock: int | None = None, variables: dict[str, str] | None = None
) -> Iterator[int]:
    """A postgres that no cluster owns; with the lock, one left by an owner that died."""
    data = data_dir / "postgres/data"
    folder = os.open(data, os.O_RDONLY)
    process = subprocess.Popen(
        [
            BUNDLED / "postgres",
            *("-D", f"/proc/self/fd/{folder}"),
            *("-c", "listen_addresses="),
            *("-c", "unix_socket_directories=../run"),
        ],
        cwd="/",
        env={"LC_ALL": "C", **(variables or {})},
        user=SERVER.uid,
        group=SERVER.gid,
        extra_groups=[] if os.geteuid() == 0 else None,
        pass_fds=[folder] if lock is None else [folder, lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(folder)
    try:
        wait_until((data_dir / "postgres/run/.s.PGSQL.5432").exists)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
