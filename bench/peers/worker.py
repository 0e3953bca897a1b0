"""A peer in a process of its own: one job per line of standard input, one answer per line out.

Only the standard library and asyncpg: it runs in the peers' environment as well as in ours.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

import asyncpg

ITEM_BYTES = 1024
PAGE = 50
PATIENCE_SECONDS = 20.0


class Peer(Protocol):
    """All calls after `seed_session` are about the session it has made."""

    lacks: Mapping[str, str]
    """The operations that it has no call for, and what it does instead."""

    async def seed_sessions(self, users: int, each: int) -> None:
        """Sessions of one item: as many for each of the users."""

    async def seed_session(self, length: int) -> None: ...

    async def append(self, text: str) -> None: ...

    async def load(self) -> int:
        """How many items the session has; all of them decoded."""

    async def newest(self) -> int:
        """How many items came back, at most PAGE."""

    async def list(self) -> int:
        """How many sessions of one user came back."""


def serve(peer: Callable[[], Awaitable[Peer]], *packages: str) -> None:
    """Until standard input ends. A failure ends the process, with its traceback."""
    # What a library prints is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    async def run() -> None:
        made = await peer()
        versions = {name: version(name) for name in packages}
        answer: dict[str, Any] = {"versions": versions, "lacks": made.lacks}
        while True:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            line = sys.stdin.readline()
            if not line:
                return
            answer = await _do(made, **json.loads(line))

    asyncio.run(run())


async def _do(peer: Peer, do: str, **options: Any) -> dict[str, Any]:
    if do == "seed_sessions":
        await peer.seed_sessions(**options)
        return {}
    if do == "seed_session":
        await peer.seed_session(**options)
        return {}
    return await _measure(peer, do, **options)


async def _measure(
    peer: Peer, operation: str, length: int, seconds: float, at_least: int, at_most: int
) -> dict[str, Any]:
    """Gives up when a call takes longer than PATIENCE_SECONDS, where that can be interrupted.

    Raises RuntimeError when what came back is not what had been stored.
    """
    milliseconds: list[float] = []
    answered: int | None = None
    end = time.perf_counter() + seconds
    while len(milliseconds) < at_least or (
        len(milliseconds) < at_most and time.perf_counter() < end
    ):
        call = (
            peer.append(item_text(length + len(milliseconds)))
            if operation == "append"
            else getattr(peer, operation)()
        )
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answered = await call
        except TimeoutError:
            return {"milliseconds": milliseconds, "gave_up": True}
        milliseconds.append((time.perf_counter() - begun) * 1e3)
    expected = {
        "append": None,
        "load": length,
        "newest": min(length, PAGE),
        "list": answered or PAGE,
    }
    if answered != expected[operation]:
        raise RuntimeError(f"{operation}: {answered} instead of {expected[operation]}")
    return {"milliseconds": milliseconds, "answered": answered or 0}


def item_text(number: int) -> str:
    """Each is another one: equal texts would let a database compress a list of them to one."""
    return random.Random(number).randbytes(ITEM_BYTES // 2).hex()


async def execute(database_url: str, *statements: tuple[Any, ...]) -> None:
    """Each with its parameters."""
    connection = await asyncpg.connect(database_url)
    try:
        for statement, *parameters in statements:
            await connection.execute(statement, *parameters)
    finally:
        await connection.close()
