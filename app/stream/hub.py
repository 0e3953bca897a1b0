"""Tells every stream of this process what was committed, here or in another process.

Commits are announced by NOTIFY, at most once in ten milliseconds per process, always after the
COMMIT: a NOTIFY inside a transaction would serialise the commits of the whole server. It carries
only account ids; the events are read from their table. A lost announcement therefore costs at most
a second, after which every reader looks by itself, and never an event.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import structlog

from app import feed
from app.db import Database, Role
from app.engine import connect
from app.errors import Unavailable
from app.schemas.feed import FeedEventOut
from app.scope import Scope

CHANNEL = "agent_sessions_feed"
ANNOUNCE_SECONDS = 0.01
READ_SECONDS = 0.01
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 0.5
BATCH = 500
MAX_WAITING = 1000
_IDS_PER_NOTIFY = 300  # a payload has at most 8,000 bytes, an id 20

_log = structlog.get_logger()
_Lost = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)


class Listener:
    """The events of an account that wait for one stream."""

    def __init__(self, shown: feed.Shown) -> None:
        self.shown = shown
        self.waiting: deque[FeedEventOut] = deque()
        self.wake = asyncio.Event()
        # The stream was too slow: it must read the table from its own position.
        self.behind = False

    def offer(self, event: FeedEventOut) -> None:
        """Never awaits, so that a listener that joins knows its position."""
        if self.behind:
            return
        if len(self.waiting) == MAX_WAITING:
            self.waiting.clear()
            self.behind = True
        else:
            self.waiting.append(event)
        self.wake.set()


class Channel:
    """The listeners of one account, and the position in its feed up to which they were offered
    everything.

    Listeners with the same filter are grouped, so that an event is checked once for all of them.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self.listeners: dict[feed.Shown, set[Listener]] = {}
        self.changed = asyncio.Event()

    def offer(self, events: list[FeedEventOut]) -> None:
        """Without awaiting in between, so that whoever joins knows where it stands."""
        for event in events:
            for shown, listeners in self.listeners.items():
                if shown(event):
                    for listener in listeners:
                        listener.offer(event)
            self.position = event.sequence


class Hub:
    """`direct_url` must reach PostgreSQL itself: LISTEN does not survive a transaction-mode
    pool."""

    def __init__(self, database: Database, direct_url: str) -> None:
        self.closing = False
        self.on_identity_change: Callable[[int], None] = lambda _: None
        self._database = database
        self._direct_url = direct_url
        self._channels: dict[int, Channel] = {}
        self._readers: dict[int, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._unannounced: dict[int, bool] = {}
        self._announce = asyncio.Event()
        database.on_commit.append(self._committed)

    def start(self) -> None:
        loops: list[Coroutine[Any, Any, None]] = [self._listen(), self._announce_commits()]
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        self.close_streams()
        tasks = [*self._tasks, *self._readers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close_streams(self) -> None:
        """Ends every stream at once; clients resume elsewhere with their Last-Event-ID."""
        self.closing = True
        for channel in self._channels.values():
            for listeners in channel.listeners.values():
                for listener in listeners:
                    listener.wake.set()

    async def join(self, scope: Scope, listener: Listener) -> Channel:
        """Offers the listener every event from the channel's position on."""
        channel = self._channels.get(scope.account_id)
        if channel is None:
            async with self._database.transaction(scope) as db:
                bounds = await feed.feed_bounds(scope, db)
            channel = self._channels.setdefault(scope.account_id, Channel(bounds.newest))
        channel.listeners.setdefault(listener.shown, set()).add(listener)
        if scope.account_id not in self._readers:
            reader = asyncio.create_task(self._read(scope.account_id, channel))
            self._readers[scope.account_id] = reader
        return channel

    def leave(self, scope: Scope, listener: Listener) -> None:
        channel = self._channels[scope.account_id]
        channel.listeners[listener.shown].discard(listener)
        if not channel.listeners[listener.shown]:
            del channel.listeners[listener.shown]
        if not channel.listeners:
            del self._channels[scope.account_id]
            self._readers.pop(scope.account_id).cancel()

    async def _read(self, account_id: int, channel: Channel) -> None:
        scope = Scope(account_id=account_id, role=Role.SYSTEM)
        while True:
            channel.changed.clear()
            # Under load one read serves many commits; after a silence the first is read at once.
            due = time.monotonic() + READ_SECONDS
            try:
                async with self._database.transaction(scope, hot=True) as db:
                    after = channel.position
                    events = await feed.list_feed_events(scope, db, after=after, limit=BATCH)
            except _Lost:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            channel.offer(events)
            if len(events) < BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(channel.changed.wait(), POLL_SECONDS)
                await asyncio.sleep(due - time.monotonic())

    def _committed(self, account_id: int, kinds: set[str]) -> None:
        identity = bool(kinds & feed.IDENTITY_KINDS)
        self._unannounced[account_id] = identity or self._unannounced.get(account_id, False)
        self._announce.set()
        self._changed(account_id)

    def _changed(self, account_id: int) -> None:
        if account_id in self._channels:
            self._channels[account_id].changed.set()

    async def _announce_commits(self) -> None:
        """Sends the accounts with new events; an id followed by `!` means that a token, role or
        project changed."""
        while True:
            await self._announce.wait()
            await asyncio.sleep(ANNOUNCE_SECONDS)
            self._announce.clear()
            changed, self._unannounced = self._unannounced, {}
            ids = [f"{account}{'!' * identity}" for account, identity in changed.items()]
            with contextlib.suppress(*_Lost):
                for start in range(0, len(ids), _IDS_PER_NOTIFY):
                    payload = ",".join(ids[start : start + _IDS_PER_NOTIFY])
                    await self._database.notify(CHANNEL, payload)

    async def _listen(self) -> None:
        while True:
            try:
                connection = await connect(self._direct_url)
            except _Lost as error:
                _log.warning("cannot listen for announcements", reason=str(error))
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            lost = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, self._announced)
                # Announcements were missed while there was no connection.
                for account_id in self._channels:
                    self._changed(account_id)
                await lost.wait()
            except _Lost:
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                connection.terminate()

    def _announced(self, *announcement: Any) -> None:
        payload: str = announcement[3]
        for item in payload.split(","):
            account_id = int(item.rstrip("!"))
            if item.endswith("!"):
                self.on_identity_change(account_id)
            self._changed(account_id)
