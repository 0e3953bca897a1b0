"""Events, commands and checkpoints of one instance, merged by time."""

import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, DateTime, and_, column, or_

from app.contexts.continuity.instances import get_instance
from app.db import Db
from app.models import Checkpoint, LoggedCommand, StoredEvent
from app.paging import Key, PageRequest, decode_cursor, encode_cursor
from app.schemas.base import Page
from app.schemas.continuity import (
    CheckpointOut,
    EventOut,
    LoggedCommandOut,
    TimelineEntry,
    TimelineKind,
)
from app.schemas.rendering import rendered
from app.scope import Scope


class _Log(NamedTuple):
    """`key` is unique among the rows of one instance."""

    kind: TimelineKind
    model: Any
    at: Any
    key: Any
    schema: type[Any]


class _Position(NamedTuple):
    """The position of an entry: its time, the number of its log, its key there."""

    at: datetime.datetime
    log: int
    key: int


_KEYS: list[Key] = [column("at", DateTime), column("log", BigInteger), column("key", BigInteger)]
_LOGS = (
    _Log("checkpoint", Checkpoint, Checkpoint.timestamp, Checkpoint.sequence_num, CheckpointOut),
    _Log("command", LoggedCommand, LoggedCommand.created_at, LoggedCommand.id, LoggedCommandOut),
    _Log("event", StoredEvent, StoredEvent.timestamp, StoredEvent.sequence_num, EventOut),
)


async def list_instance_timeline(
    scope: Scope, db: Db, instance_id: str, request: PageRequest
) -> Page[TimelineEntry]:
    """Newest first. Reads each log through its own index, no further than the page needs."""
    await get_instance(scope, db, instance_id)
    before = None
    if request.cursor is not None:
        before = _Position(*decode_cursor(request.cursor, _KEYS))
    found: list[tuple[_Position, TimelineEntry]] = []
    for number, log in enumerate(_LOGS):
        statement = scope.select(log.model).where(log.model.instance_id == instance_id)
        if before is not None:
            statement = statement.where(_follows(log, number, before))
        statement = statement.order_by(log.at.desc(), log.key.desc()).limit(request.limit + 1)
        for row in await db.session.scalars(statement):
            at = getattr(row, log.at.key)
            entry = TimelineEntry(
                at=at,
                kind=log.kind,
                **{log.kind: rendered(row, log.schema)},
            )
            found.append((_Position(at, number, getattr(row, log.key.key)), entry))
    found.sort(key=itemgetter(0), reverse=True)
    shown = found[: request.limit]
    more = len(found) > request.limit
    return Page([e for _, e in shown], encode_cursor(shown[-1][0], _KEYS) if more else None)


def _follows(log: _Log, number: int, before: _Position) -> Any:
    if number > before.log:
        return log.at < before.at
    if number < before.log:
        return log.at <= before.at
    return or_(log.at < before.at, and_(log.at == before.at, log.key < before.key))
