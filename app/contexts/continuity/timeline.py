"""Events, commands and checkpoints of one instance, merged by time."""

import base64
import binascii
import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, or_

from app.contexts.continuity.instances import get_instance
from app.db import Db
from app.errors import Invalid
from app.models import Checkpoint, LoggedCommand, StoredEvent
from app.paging import PageRequest
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


class _Position(msgspec.Struct, array_like=True, frozen=True):
    """Of an entry: its time, which of the logs it is in, its key there."""

    at: datetime.datetime
    log: int
    key: int


_LOGS = (
    _Log("checkpoint", Checkpoint, Checkpoint.timestamp, Checkpoint.sequence_num, CheckpointOut),
    _Log("command", LoggedCommand, LoggedCommand.created_at, LoggedCommand.id, LoggedCommandOut),
    _Log("event", StoredEvent, StoredEvent.timestamp, StoredEvent.sequence_num, EventOut),
)


async def list_timeline(
    scope: Scope, db: Db, instance_id: str, request: PageRequest
) -> Page[TimelineEntry]:
    """Newest first. Each log is read through its own index, no further than the page needs."""
    await get_instance(scope, db, instance_id)
    before = None if request.cursor is None else _decode(request.cursor)
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
    found.sort(key=lambda pair: msgspec.structs.astuple(pair[0]), reverse=True)
    shown = found[: request.limit]
    more = len(found) > request.limit
    return Page([entry for _, entry in shown], _encode(shown[-1][0]) if more else None)


def _follows(log: _Log, number: int, before: _Position) -> Any:
    if number > before.log:
        return log.at < before.at
    if number < before.log:
        return log.at <= before.at
    return or_(log.at < before.at, and_(log.at == before.at, log.key < before.key))


def _encode(position: _Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _decode(cursor: str) -> _Position:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode()), type=_Position)
        if position.at.tzinfo is None or abs(position.key) >= 2**63:
            raise ValueError("out of range")
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Invalid.field("cursor", "is not a next_cursor of this list") from None
    return position
