"""A queue in which appends that arrive together share a transaction.

Those of equal Scopes that arrive while a transaction is under way go into the next one: BEGIN, the
feed and COMMIT are paid once for all of them. Each is still answered after the COMMIT that holds
it, and one that is refused is refused alone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from app.contexts.sessions.appending.guesses import Guesses
from app.contexts.sessions.appending.plan import (
    Appended,
    Outdated,
    Plan,
    Posting,
    append_interactions,
    append_together,
    foresee,
)
from app.db import Database, Db
from app.errors import AppError, Unavailable
from app.schemas.base import MAX_BATCH
from app.schemas.sessions import InteractionInput
from app.scope import Scope


class _Waiting(NamedTuple):
    posting: Posting
    answer: asyncio.Future[Appended]
    committed: asyncio.Future[Exception | None]


class _Group:
    """Appends that share a transaction: their plan, then their answers."""

    def __init__(self, waiting: list[_Waiting]) -> None:
        self.waiting = waiting
        self.postings = [one.posting for one in waiting]
        self.plan: Plan | None = None
        self.answers: list[Appended | AppError | None] = []


class _Lane:
    """The appends of one Scope, which has at most one shared transaction under way."""

    def __init__(self) -> None:
        self.running = False
        self.unanswered = 0
        self.queue: list[_Waiting] = []

    def take(self) -> _Group:
        """Take at most half of the unanswered: while PostgreSQL has these, the others are read and
        answered."""
        half = (self.unanswered + 1) // 2
        size = _fitting(self.queue[:half])
        taken, self.queue = self.queue[:size], self.queue[size:]
        return _Group(taken)

    def put_back(self, group: _Group) -> None:
        self.queue[:0] = group.waiting


class AppendQueue:
    """The appends of one process. Only equal Scopes share a transaction: to row security and to the
    feed they are one caller."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guesses = Guesses()
        self._lanes: dict[Scope, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(
        self, scope: Scope, session_id: int, posted: Sequence[InteractionInput]
    ) -> tuple[Appended, asyncio.Future[Exception | None]]:
        """Append in a shared transaction, and return as soon as the statement is carried out.

        The answer can be written during the COMMIT, but may be sent only when the future is done:
        it holds None after a successful COMMIT, else the error. Raises what `append_interactions`
        raises.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Posting(session_id, posted), loop.create_future(), loop.create_future())
        lane = self._lanes.setdefault(scope, _Lane())
        lane.queue.append(waiting)
        lane.unanswered += 1
        if not lane.running:
            lane.running = True
            self._start(self._run(scope, lane))
        return await waiting.answer, waiting.committed

    async def _run(self, scope: Scope, lane: _Lane) -> None:
        try:
            while lane.queue:
                await self._append_all(scope, lane)
        finally:
            lane.running = False

    async def _append_all(self, scope: Scope, lane: _Lane) -> None:
        """Run one transaction after the other until the lane is empty or one fails."""
        loop = asyncio.get_running_loop()
        group, following, committing = self._next(scope, lane), None, False
        try:
            async with self._database.transaction(scope, hot=True) as db:
                await self._store(scope, db, group)
                while lane.queue:
                    following, committing = self._next(scope, lane), True
                    await self._database.commit_and_begin(db)
                    # As soon as the database is busy again.
                    loop.call_soon(self._settle, scope, lane, group)
                    group, following, committing = following, None, False
                    await self._store(scope, db, group)
                committing = True
        except Outdated:
            lane.put_back(group)
        except Exception as error:  # noqa: BLE001 - each waiting request gets it
            # A COMMIT that fails may have happened: appending again could store twice.
            final = committing or isinstance(error, Unavailable)
            self._settle(scope, lane, group, error if final else None)
        else:
            self._settle(scope, lane, group)
        if following is not None:
            lane.put_back(following)

    def _next(self, scope: Scope, lane: _Lane) -> _Group:
        """Take the next group; it is planned while this task waits for the database."""
        group = lane.take()
        asyncio.get_running_loop().call_soon(self._plan, scope, group)
        return group

    def _plan(self, scope: Scope, group: _Group) -> None:
        group.plan = foresee(scope, self._guesses, group.postings)

    async def _store(self, scope: Scope, db: Db, group: _Group) -> None:
        group.answers = await append_together(scope, db, self._guesses, group.postings, group.plan)
        # The COMMIT goes first: answers are written during it.
        asyncio.get_running_loop().call_soon(_answer_all, group)

    def _settle(
        self, scope: Scope, lane: _Lane, group: _Group, error: Exception | None = None
    ) -> None:
        """Finish a group after its transaction. An append without an answer was not stored, so it
        is tried by itself, unless an error leaves that unknown."""
        for waiting, answer in zip_longest(group.waiting, group.answers):
            if answer is None and error is None:
                self._start(self._append_alone(scope, lane, waiting))
                continue
            _finish(waiting, error)
            self._answered(scope, lane)

    async def _append_alone(self, scope: Scope, lane: _Lane, waiting: _Waiting) -> None:
        failure = None
        try:
            async with self._database.transaction(scope, hot=True) as db:
                _answer(waiting, await append_interactions(scope, db, *waiting.posting))
        except Exception as error:  # noqa: BLE001 - the waiting request gets it
            failure = error
        _finish(waiting, failure)
        self._answered(scope, lane)

    def _answered(self, scope: Scope, lane: _Lane) -> None:
        lane.unanswered -= 1
        if not lane.unanswered:
            del self._lanes[scope]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answer_all(group: _Group) -> None:
    for waiting, answer in zip(group.waiting, group.answers, strict=True):
        if answer is not None:
            _answer(waiting, answer)


def _answer(waiting: _Waiting, answer: Appended | AppError) -> None:
    if waiting.answer.done():  # cancelled with its request
        return
    if isinstance(answer, AppError):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)


def _finish(waiting: _Waiting, error: Exception | None) -> None:
    if error is not None and not waiting.answer.done():
        waiting.answer.set_exception(error)
    if not waiting.committed.done():
        waiting.committed.set_result(error)


def _fitting(queue: list[_Waiting]) -> int:
    """Count how many go into one transaction: at least one, `MAX_BATCH` interactions at most."""
    total = 0
    for number, waiting in enumerate(queue):
        total += len(waiting.posting.interactions)
        if number and total > MAX_BATCH:
            return number
    return len(queue)
