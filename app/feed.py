"""The feed: what happened in an account, recorded in the transaction of each change."""

import datetime
from typing import Any, NamedTuple

import msgspec

from app.db import Db
from app.outbox import FeedEvent
from app.schemas.events import EVENTS, Payload
from app.schemas.feed import FeedEventOut
from app.scope import Scope

_encode = msgspec.json.Encoder().encode
# A change to one of these may decide who a token is or what it sees.
IDENTITY_KINDS = frozenset({"account", "token", "member", "preference", "project"})

# Hot: the hub asks for each account that a stream follows, whenever something happens in it.
_EVENTS = """
SELECT sequence, name, entity_kind, entity_id, account_id, project_id, user_id, token_id,
       payload, at
FROM feed_events WHERE account_id = $1 AND sequence > $2
"""
_PAGE = " ORDER BY sequence LIMIT $3"
_OF_PROJECT = " AND project_id = $4"
_OF_SESSION = """
 AND (entity_kind = 'session' AND entity_id = ${n}::bigint::text
      OR payload -> 'session_id' = to_jsonb(${n}::bigint))
"""
_BOUNDS = """
SELECT coalesce((SELECT sequence FROM feed_counters WHERE account_id = $1), 0) AS newest,
       (SELECT min(sequence) FROM feed_events WHERE account_id = $1) AS oldest
"""
_TRIM = "DELETE FROM feed_events WHERE account_id = $1 AND at < now() - $2::interval"


class FeedBounds(msgspec.Struct, frozen=True):
    """`newest` is the last sequence assigned, `first_kept` the first that was not trimmed."""

    newest: int
    first_kept: int


def record(
    scope: Scope,
    db: Db,
    name: str,
    entity_id: object,
    *,
    project_id: int | None = None,
    **payload: object,
) -> None:
    """Buffer an event; `transaction()` numbers and writes all of them at its end.

    Raises KeyError for a name and TypeError for payload fields that the catalogue does not have.
    """
    told = EVENTS[name].payload(**payload)
    db.events.append(event(scope, name, entity_id, told, project_id=project_id))


def event(
    scope: Scope,
    name: str,
    entity_id: object,
    payload: Payload,
    *,
    project_id: int | None = None,
) -> FeedEvent:
    """Build an event of the catalogue. `project_id` decides which project-scoped readers see it.

    Raises KeyError for a name that the catalogue does not have, TypeError for another payload.
    """
    if type(payload) is not EVENTS[name].payload:
        raise TypeError(f"{name} has another payload than {type(payload).__name__}")
    return FeedEvent(
        name=name,
        entity_kind=name.partition(".")[0],
        entity_id=str(entity_id),
        project_id=project_id,
        user_id=scope.user_id,
        token_id=scope.token_id,
        payload=msgspec.Raw(_encode(payload)),
    )


async def list_feed_events(
    scope: Scope, db: Db, *, after: int, limit: int, session_id: int | None = None
) -> list[FeedEventOut]:
    """Ascending. With a project in the scope only that project's events."""
    statement, parameters = _EVENTS, [scope.account_id, after, limit]
    if scope.project_id is not None:
        statement += _OF_PROJECT
        parameters.append(scope.project_id)
    if session_id is not None:
        parameters.append(session_id)
        statement += _OF_SESSION.format(n=len(parameters))
    rows = await db.driver.fetch(statement + _PAGE, *parameters)
    return [FeedEventOut(**row) for row in rows]


async def feed_bounds(scope: Scope, db: Db) -> FeedBounds:
    row = await db.fetch_one(_BOUNDS, scope.account_id)
    newest, oldest = row["newest"], row["oldest"]
    return FeedBounds(newest, newest + 1 if oldest is None else oldest)


async def trim_events(scope: Scope, db: Db, kept: datetime.timedelta) -> None:
    await db.driver.execute(_TRIM, scope.account_id, kept)


class Shown(NamedTuple):
    """The filter of `list_feed_events` for events already at hand. None filters nothing."""

    project_id: int | None
    session_id: int | None

    def __call__(self, event: FeedEventOut) -> bool:
        if self.project_id is not None and event.project_id != self.project_id:
            return False
        return self.session_id is None or _concerns(event, self.session_id)


def _concerns(event: FeedEventOut, session_id: int) -> bool:
    payload: dict[str, Any] = event.payload
    of_session = event.entity_kind == "session" and event.entity_id == str(session_id)
    return of_session or payload.get("session_id") == session_id
