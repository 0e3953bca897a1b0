"""Serves `GET /api/feed/stream`: the feed as server-sent events, resumable without gap or
repetition."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from app import feed
from app.contexts.accounts import Authenticator
from app.db import Database
from app.errors import AppError, Unavailable
from app.http.dependencies import CurrentScope
from app.schemas.base import MAX_BIGINT
from app.schemas.feed import FeedEventOut
from app.scope import Scope
from app.stream.hub import BATCH, Channel, Hub, Listener

PING_SECONDS = 15.0
CHECK_SECONDS = 4.0  # a revoked token loses its streams within five seconds
_DIGITS = len(str(MAX_BIGINT))
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get(
    "/api/feed/stream",
    operation_id="stream_feed_events",
    tags=["feed"],
    summary="Follow the feed",
    stream=True,
    reach="project",
)
async def stream_feed_events(
    request: Request[Any, Any, Any],
    current_scope: CurrentScope,
    after: Annotated[int | None, QueryParameter(ge=0, le=MAX_BIGINT)] = None,
    session_id: Annotated[int | None, QueryParameter(ge=1, le=MAX_BIGINT)] = None,
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    project: Annotated[str | None, HeaderParameter(name="X-Project")] = None,
) -> Stream:
    """`id` is the sequence, `event` the name, `data` the event as `GET /api/feed` shows it.

    `Last-Event-ID` (or `after`) resumes after that sequence; without it the stream starts now. A
    comment every 15 s keeps the connection alive. An event `gap` {from, to} stands for events that
    were trimmed.
    """
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
        after = min(int(last_event_id[:_DIGITS]), MAX_BIGINT)
    state = request.app.state
    follower = Follower(state.database, state.hub, current_scope, session_id)
    events = follower.follow(after)
    token = request.headers["authorization"].partition(" ")[2].strip()
    stream = _while_allowed(events, state.authenticator, token, project)
    return Stream(stream, media_type="text/event-stream; charset=utf-8", headers=_HEADERS)


class Follower:
    """The progress of one stream through the feed: first the table, then what the hub offers."""

    def __init__(self, database: Database, hub: Hub, scope: Scope, session_id: int | None) -> None:
        self._database = database
        self._hub = hub
        self._scope = scope
        self._session_id = session_id
        self._last = 0

    async def follow(self, after: int | None) -> AsyncGenerator[bytes]:
        """Yields the events; an empty chunk lets the caller check the token and the clock."""
        listener = Listener(feed.Shown(self._scope.project_id, self._session_id))
        channel = await self._hub.join(self._scope, listener)
        try:
            self._last = channel.position if after is None else await self._resumed(after)
            yield b": welcome\n\n"
            async for chunk in self._catch_up(channel.position):
                yield chunk
            while not self._hub.closing:
                async for chunk in self._deliver(listener, channel):
                    yield chunk
                listener.wake.clear()
                if not (listener.waiting or listener.behind or self._hub.closing):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(listener.wake.wait(), CHECK_SECONDS)
                    yield b""
        finally:
            self._hub.leave(self._scope, listener)

    async def _resumed(self, after: int) -> int:
        """The position to resume from. It may be ahead of the hub, when another worker is; but not
        ahead of the feed, which may have been restored from a backup."""
        async with self._database.transaction(self._scope) as db:
            bounds = await feed.feed_bounds(self._scope, db)
        return min(after, bounds.newest)

    async def _deliver(self, listener: Listener, channel: Channel) -> AsyncIterator[bytes]:
        if listener.behind:
            listener.behind = False
            async for chunk in self._catch_up(channel.position):
                yield chunk
        while listener.waiting:
            event = listener.waiting.popleft()
            if event.sequence > self._last:
                yield self._render(event)

    async def _catch_up(self, until: int) -> AsyncIterator[bytes]:
        while self._last < until:
            async with self._database.transaction(self._scope) as db:
                bounds = await feed.feed_bounds(self._scope, db)
                events = await feed.list_feed_events(
                    self._scope, db, after=self._last, limit=BATCH, session_id=self._session_id
                )
            if self._last + 1 < bounds.first_kept:
                yield self._gap(bounds.first_kept - 1)
            for event in events:
                if event.sequence > until:
                    break
                yield self._render(event)
            if len(events) < BATCH:
                self._last = max(self._last, until)

    def _gap(self, to: int) -> bytes:
        gap = msgspec.json.encode({"from": self._last + 1, "to": to})
        self._last = to
        return b"id: %d\nevent: gap\ndata: %b\n\n" % (to, gap)

    def _render(self, event: FeedEventOut) -> bytes:
        self._last = event.sequence
        data = msgspec.json.encode(event)
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.sequence, event.name.encode(), data)


async def _while_allowed(
    chunks: AsyncGenerator[bytes], authenticator: Authenticator, token: str, project: str | None
) -> AsyncIterator[bytes]:
    """Ends when the token is no longer valid, and sends a ping while there are no events."""
    checked = pinged = time.monotonic()
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            now = time.monotonic()
            if chunk:
                pinged = now
                yield chunk
            elif now - pinged >= PING_SECONDS:
                pinged = now
                yield b": ping\n\n"
            if now - checked >= CHECK_SECONDS:
                checked = now
                if not await _still_allowed(authenticator, token, project):
                    return


async def _still_allowed(authenticator: Authenticator, token: str, project: str | None) -> bool:
    """Whether the token is still valid. A stream outlives a database that is away for a moment."""
    try:
        await authenticator.authenticate(token, project)
    except Unavailable:
        return True
    except AppError:
        return False
    return True
