"""Guesses about sessions, so that an append need not ask for what the last one left.

They are never trusted: a write names the version it expects, and stores nothing when another
process has changed the session since.
"""

import datetime
import time
from collections.abc import Iterable
from typing import NamedTuple

from app.contexts.sessions.history import LockedSession
from app.scope import Scope

FRESH_SECONDS = 1.0
# A session that others write to as well would disprove every guess.
DOUBTED_SECONDS = 60.0
MAX_SESSIONS = 10_000


class _Left(NamedTuple):
    session: LockedSession | None
    """None after a wrong guess: no other is made for a while."""
    at: float


class Guesses:
    """Sessions this process has written recently, as the last append left them."""

    def __init__(self) -> None:
        self._left: dict[tuple[int, int], _Left] = {}

    def recall(self, scope: Scope, session_ids: Iterable[int]) -> dict[int, LockedSession]:
        """Return those of the sessions that were written a moment ago and are visible; `now` is the
        database's time by our clock."""
        moment = time.monotonic()
        sessions = {}
        for session_id in session_ids:
            left = self._left.get((scope.account_id, session_id))
            if left is None or left.session is None or moment > left.at + FRESH_SECONDS:
                continue
            if scope.strict_project_id in {None, left.session.project_id}:
                now = left.session.now + datetime.timedelta(seconds=moment - left.at)
                sessions[session_id] = left.session._replace(now=now)
        return sessions

    def keep(self, scope: Scope, sessions: Iterable[LockedSession]) -> None:
        moment = time.monotonic()
        for session in sessions:
            key = scope.account_id, session.id
            left = self._left.get(key)
            if left is None or left.session is not None or moment > left.at + DOUBTED_SECONDS:
                self._put(key, _Left(session, moment))

    def doubt(self, scope: Scope, session_ids: Iterable[int]) -> None:
        moment = time.monotonic()
        for session_id in session_ids:
            self._put((scope.account_id, session_id), _Left(None, moment))

    def _put(self, key: tuple[int, int], left: _Left) -> None:
        self._left.pop(key, None)  # the newest last
        self._left[key] = left
        if len(self._left) > MAX_SESSIONS:
            del self._left[next(iter(self._left))]
