"""Appends that arrive while one of their Scope is under way go together in the next transaction.

BEGIN, the feed and COMMIT are then paid once for all of them. Each is still answered after the
COMMIT that holds it, and one that is refused is refused alone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from app.contexts import sessions
from app.contexts.sessions import Appended, Posting
from app.db import Database, Db
from app.errors import Unavailable
from app.schemas.base import MAX_BATCH
from app.schemas.sessions import InteractionInput
from app.scope import Scope


class _Waiting(NamedTuple):
    posting: Posting
    answer: asyncio.Future[Appended]


_Answer = Appended | Exception | None


class _Lane:
    """The appends of one Scope: at most one shared transaction is under way."""

    def __init__(self) -> None:
        self.running = False
        self.unanswered = 0
        self.queue: list[_Waiting] = []

    def take(self) -> list[_Waiting]:
        """At most half of all: while these are in PostgreSQL, the others are read and answered."""
        half = (self.unanswered + 1) // 2
        size = _fitting(self.queue[: max(1, half)])  # who waited may have gone away
        taken, self.queue = self.queue[:size], self.queue[size:]
        return taken


class Appends:
    """Only equal Scopes share: to row security and to the feed they are one caller."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lanes: dict[Scope, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(
        self, scope: Scope, session_id: int, posted: Sequence[InteractionInput]
    ) -> Appended:
        """Raises what `sessions.append_interactions` raises."""
        answer: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(scope, _Lane())
        lane.queue.append(_Waiting(Posting(session_id, posted), answer))
        lane.unanswered += 1
        if not lane.running:
            lane.running = True
            self._start(self._run(scope, lane))
        try:
            return await answer
        finally:
            lane.unanswered -= 1
            if not lane.unanswered:
                del self._lanes[scope]

    async def _run(self, scope: Scope, lane: _Lane) -> None:
        try:
            while lane.queue:
                await self._append_all(scope, lane)
        finally:
            lane.running = False

    async def _append_all(self, scope: Scope, lane: _Lane) -> None:
        """One transaction after the other until nobody waits, or until an error."""
        together, committing = lane.take(), False
        try:
            async with self._database.transaction(scope, hot=True) as db:
                answers = await self._append_together(scope, db, together)
                while lane.queue:
                    committing = True
                    await self._database.commit_and_begin(db)
                    self._answer_all(scope, together, answers)
                    together, committing = lane.take(), False
                    answers = await self._append_together(scope, db, together)
                committing = True
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            # When the COMMIT fails nobody knows whether it happened: appending again could double.
            final = committing or isinstance(error, Unavailable)
            answers = [error if final else None] * len(together)
        self._answer_all(scope, together, answers)

    async def _append_together(
        self, scope: Scope, db: Db, together: list[_Waiting]
    ) -> list[_Answer]:
        postings = [waiting.posting for waiting in together]
        return [*await sessions.append_together(scope, db, postings)]

    def _answer_all(self, scope: Scope, together: list[_Waiting], answers: list[_Answer]) -> None:
        """Those without an answer are tried by themselves: nothing of them was stored."""
        for waiting, answer in zip(together, answers, strict=True):
            if answer is None:
                self._start(self._append_alone(scope, waiting))
            else:
                _answer(waiting, answer)

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


def _answer(waiting: _Waiting, answer: Appended | Exception) -> None:
    if waiting.answer.done():
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
