"""Appends that arrive while one of their Scope is under way go together in the next transaction.

BEGIN, the feed and COMMIT are then paid once for all of them. Each is still answered after the
COMMIT that holds it, and one that is refused is refused alone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from app.contexts import sessions
from app.contexts.sessions import Appended, Posting
from app.db import Database
from app.errors import Unavailable
from app.schemas.base import MAX_BATCH
from app.schemas.sessions import InteractionInput
from app.scope import Scope


class _Waiting(NamedTuple):
    posting: Posting
    answer: asyncio.Future[Appended]


class Appends:
    """Only equal Scopes share: to row security and to the feed they are one caller."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A Scope is here while a transaction of its own is under way, with what came meanwhile.
        self._waiting: dict[Scope, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(
        self, scope: Scope, session_id: int, posted: Sequence[InteractionInput]
    ) -> Appended:
        """Raises what `sessions.append_interactions` raises."""
        answer: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(Posting(session_id, posted), answer)
        if scope in self._waiting:
            self._waiting[scope].append(waiting)
        else:
            self._waiting[scope] = []
            await self._append_next(scope, [waiting])
        return await answer

    def _go_on(self, scope: Scope) -> None:
        queue = self._waiting.pop(scope)
        if queue:
            size = _fitting(queue)
            self._waiting[scope] = queue[size:]
            self._start(self._append_next(scope, queue[:size]))

    async def _append_next(self, scope: Scope, together: list[_Waiting]) -> None:
        try:
            alone = await self._append_together(scope, together)
        finally:
            self._go_on(scope)
        for waiting in alone:
            self._start(self._append_alone(scope, waiting))

    async def _append_together(self, scope: Scope, together: list[_Waiting]) -> list[_Waiting]:
        """Those that are to be tried by themselves: nothing of them was stored."""
        committing = False
        answers: list[Appended | Exception | None]
        try:
            async with self._database.transaction(scope, hot=True) as db:
                postings = [waiting.posting for waiting in together]
                answers = [*await sessions.append_together(scope, db, postings)]
                committing = True
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            # When the COMMIT fails nobody knows whether it happened: appending again could double.
            if not committing and not isinstance(error, Unavailable):
                return together
            answers = [error] * len(together)
        for waiting, answer in zip(together, answers, strict=True):
            _answer(waiting, answer)
        return [w for w, answer in zip(together, answers, strict=True) if answer is None]

    async def _append_alone(self, scope: Scope, waiting: _Waiting) -> None:
        try:
            async with self._database.transaction(scope, hot=True) as db:
                answer = await sessions.append_interactions(scope, db, *waiting.posting)
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            _answer(waiting, error)
        else:
            _answer(waiting, answer)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answer(waiting: _Waiting, answer: Appended | Exception | None) -> None:
    if answer is None or waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)


def _fitting(queue: list[_Waiting]) -> int:
    """How many of them make a transaction of at most `MAX_BATCH` interactions, or the first."""
    total = 0
    for number, waiting in enumerate(queue):
        total += len(waiting.posting.interactions)
        if number and total > MAX_BATCH:
            return number
    return len(queue)
