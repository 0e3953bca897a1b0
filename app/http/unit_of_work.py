"""One request, one transaction: a write is answered only after its COMMIT.

The middleware authenticates, opens the transaction when a handler asks for `db`, holds the response
back, commits, and only then sends it: a COMMIT that fails is a 5xx, never a 2xx. A read is answered
before its transaction ends, since PostgreSQL refuses to write in it.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import Headers
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send
from litestar.types import Scope as ASGIScope

from app.contexts.accounts import Authenticator
from app.contexts.idempotency import find_answer, store_answer
from app.db import Database, Db
from app.errors import Invalid, NotFound, Unauthenticated, Unavailable, is_deadlock
from app.http.etags import if_match, not_modified, status_of
from app.http.idempotency import repeated_request, replayed, stored_answer
from app.http.rate_limit import RateLimit
from app.library_internals import forget_response
from app.schemas.base import MAX_BIGINT
from app.scope import Scope

MAX_ATTEMPTS = 3
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Unit:
    """One request's share of the database: nothing, a transaction of its own, or a part of a
    transaction that it waits for."""

    def __init__(
        self,
        database: Database,
        current_scope: Scope,
        expected_versions: frozenset[str] | None,
        *,
        hot: bool,
        read_only: bool,
    ) -> None:
        self.current_scope = current_scope
        self._database = database
        self._expected_versions = expected_versions
        self._hot = hot
        self._read_only = read_only
        self._db: Db | None = None
        self._transaction: AbstractAsyncContextManager[Db] | None = None
        self._awaited: asyncio.Future[Exception | None] | None = None

    async def open(self) -> Db:
        if self._db is None:
            transaction = self._database.transaction(
                self.current_scope, hot=self._hot, read_only=self._read_only
            )
            self._db = await transaction.__aenter__()
            self._db.expected_versions = self._expected_versions
            self._transaction = transaction
        return self._db

    @property
    def may_share(self) -> bool:
        """Whether the request can join a transaction shared with others: it has none of its own,
        and asks for no version."""
        return self._db is None and self._expected_versions is None

    def answer_when_done(self, committed: asyncio.Future[Exception | None]) -> None:
        """Hold the answer until another transaction, which stores this request's write, has ended;
        the future's result is the error of its COMMIT."""
        self._awaited = committed

    async def end(self, error: BaseException | None = None) -> None:
        """Commit, or roll back a failed request; the second call does nothing. A shared transaction
        ends by itself, whatever becomes of this request."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None and error is None:
            failure = await awaited
            if failure is not None:
                raise failure
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            kind, trace = (None, None) if error is None else (type(error), error.__traceback__)
            await transaction.__aexit__(kind, error, trace)

    def discard(self) -> None:
        if self._db is not None:
            self._db.rollback_only = True


class UnitOfWork(ASGIMiddleware):
    """Routes with `public=True` need no token and get neither `current_scope` nor `db`; those with
    `stream=True` answer at once and open transactions of their own."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "public"

    def __init__(
        self, database: Database, authenticator: Authenticator, rate_limit: RateLimit
    ) -> None:
        self.database = database
        self.authenticator = authenticator
        self.rate_limit = rate_limit

    async def handle(
        self, scope: ASGIScope, receive: Receive, send: Send, next_app: ASGIApp
    ) -> None:
        scope = cast("HTTPScope", scope)
        headers = Headers.from_scope(scope)
        opt = scope["route_handler"].opt
        current_scope = await self._authenticate(headers)
        scope["state"]["account_id"] = current_scope.account_id
        if not opt.get("unlimited"):
            self.rate_limit.take(current_scope.token_id)
        _require_possible_ids(scope["path_params"])
        _refuse_nul(scope["query_string"])
        reads = scope["method"] in _READS
        if not reads:
            current_scope.require_change()
            if not opt.get("viewers"):
                current_scope.require_write()
        if opt.get("reach") != "project" and scope["method"] != "OPTIONS":
            current_scope.require_whole_account()
        new_unit = partial(
            Unit,
            self.database,
            current_scope,
            if_match(headers),
            hot=bool(opt.get("hot")),
            read_only=reads,
        )
        if not reads:
            held = await self._write(scope, new_unit, receive, next_app)
            await _send_all(scope, held, send)
            return
        unit = scope["state"]["unit"] = new_unit()
        if opt.get("stream"):
            await next_app(scope, receive, send)
            return
        try:
            held = await self._carry_out(scope, unit, receive, next_app)
        except BaseException as error:
            await unit.end(error)
            raise
        # A task starts when this one waits: after the answer, unless its taker is slow.
        ending = asyncio.create_task(unit.end())
        try:
            await _send_all(scope, held, send)
        finally:
            with contextlib.suppress(Unavailable):  # what was read is read
                await ending

    async def _write(
        self, scope: HTTPScope, new_unit: Callable[[], Unit], receive: Receive, next_app: ASGIApp
    ) -> list[Message]:
        """Return the answer after the COMMIT. A transaction that PostgreSQL ends for a deadlock has
        left nothing and is carried out again: agents do not resend their hooks."""
        for attempt in itertools.count(1):
            unit = scope["state"]["unit"] = new_unit()
            try:
                held = await self._carry_out(scope, unit, receive, next_app)
                await unit.end()
            except BaseException as error:
                await unit.end(error)
                if attempt == MAX_ATTEMPTS or not is_deadlock(error):
                    raise
            else:
                return held
        raise AssertionError("unreachable")

    async def _carry_out(
        self, scope: HTTPScope, unit: Unit, receive: Receive, next_app: ASGIApp
    ) -> list[Message]:
        """Return the answer, of which nothing is sent yet."""
        repeat = await repeated_request(scope, receive)
        if repeat:
            stored = await find_answer(unit.current_scope, await unit.open(), repeat)
            if stored:
                return replayed(stored)
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await next_app(scope, receive, hold)
        if (deadlock := scope["state"].pop("deadlock", None)) is not None:
            raise deadlock
        # Litestar believes it is under way; until the COMMIT it can still become an error.
        forget_response(scope)
        if status_of(held) >= 400:
            unit.discard()
        elif repeat:
            answer = stored_answer(held, secret=bool(scope["route_handler"].opt.get("secret")))
            await store_answer(unit.current_scope, await unit.open(), repeat, answer)
        return held

    async def _authenticate(self, headers: Headers) -> Scope:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        return await self.authenticator.authenticate(token.strip(), headers.get("x-project"))


async def _send_all(scope: HTTPScope, held: list[Message], send: Send) -> None:
    for message in not_modified(scope, held):
        await send(message)


def _require_possible_ids(path_params: dict[str, Any]) -> None:
    """Raises NotFound for an id that no row could have."""
    for value in path_params.values():
        if isinstance(value, int) and not 1 <= value <= MAX_BIGINT:
            raise NotFound
        if isinstance(value, str) and "\0" in value:
            raise NotFound


def _refuse_nul(query: bytes) -> None:
    """Raises Invalid: PostgreSQL's text cannot hold NUL, so no row could match."""
    if b"%00" in query:
        for name, value in parse_qsl(query.decode("latin-1")):
            if "\0" in f"{name}{value}":
                raise Invalid.field(name, "must not contain NUL characters")


async def note_deadlock(error: Exception, scope: ASGIScope) -> None:
    """Remember a deadlock: Litestar turns it into an answer before `UnitOfWork` can retry."""
    if is_deadlock(error):
        scope["state"]["deadlock"] = error


def unit_of(request: Request[Any, Any, Any]) -> Unit:
    unit: Unit = request.scope["state"]["unit"]
    return unit


async def provide_current_scope(request: Request[Any, Any, Any]) -> Scope:
    return unit_of(request).current_scope


async def provide_db(
    request: Request[Any, Any, Any],
    current_scope: NamedDependency[Scope],
) -> Db:
    """Depends on the scope: Litestar starts a task for each dependency of a batch."""
    return await unit_of(request).open()
