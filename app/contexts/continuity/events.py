"""The events of instances, in order."""

import datetime
from collections.abc import Sequence

import msgspec
from sqlalchemy import Select, Text, cast, or_

from app import feed
from app.contexts.continuity.checkpoints import checkpoint_locked
from app.contexts.continuity.event_log import Emitted, append
from app.contexts.continuity.instances import get_instance, lock_instance, of_listed
from app.contexts.continuity.projection import KINDS
from app.contexts.continuity.settings import get_continuity_settings
from app.db import Db
from app.models import StoredEvent
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import Page
from app.schemas.continuity import CheckpointInput, EventInput, EventTypeOut
from app.scope import Scope


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `since` is inclusive, `until` exclusive."""

    event_type: list[str] | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    q: str | None = None


EVENT_TYPES = [
    EventTypeOut(event_type=name, category=kind.category, description=kind.description)
    for name, kind in KINDS.items()
]


async def emit_instance_events(
    scope: Scope, db: Db, instance_id: str, posted: Sequence[EventInput]
) -> Emitted:
    """Appends all events or none. A closed instance still accepts late ones, so that none is lost.

    Raises Conflict `sequence_gap` or `sequence_taken`.
    """
    scope.require_write()
    instance = await lock_instance(scope, db, instance_id)
    emitted = await append(scope, db, instance, posted)
    if emitted.new:
        last = emitted.new[-1]
        feed.record(
            scope,
            db,
            "instance.events_emitted",
            instance_id,
            project_id=instance.project_id,
            sequence_num=last.sequence_num,
            count=len(emitted.new),
            event_type=last.event_type,
        )
    if any(event.event_type == "epic_completed" for event in emitted.new):
        settings = await get_continuity_settings(scope, db)
        if settings.checkpoint_on_epic_completed:
            data = CheckpointInput(checkpoint_type="epic_completion")
            await checkpoint_locked(scope, db, instance, data)
    return emitted


async def list_instance_events(
    scope: Scope, db: Db, instance_id: str, request: PageRequest, filters: EventFilter
) -> Page[StoredEvent]:
    """Lists the events of one instance, lowest sequence number first."""
    await get_instance(scope, db, instance_id)
    statement = scope.select(StoredEvent).where(StoredEvent.instance_id == instance_id)
    statement = _filtered(statement, filters)
    return await fetch_page(db, statement, [StoredEvent.sequence_num], request, descending=False)


async def search_instance_events(
    scope: Scope, db: Db, request: PageRequest, filters: EventFilter
) -> Page[StoredEvent]:
    """Lists the events of all instances, newest `timestamp` first."""
    statement = of_listed(scope, scope.select(StoredEvent), StoredEvent.instance_id)
    statement = _filtered(statement, filters)
    return await fetch_page(db, statement, [StoredEvent.timestamp, StoredEvent.event_id], request)


def _filtered(
    statement: Select[tuple[StoredEvent]], filters: EventFilter
) -> Select[tuple[StoredEvent]]:
    statement = filtered(statement, filters, event_type=StoredEvent.event_type)
    if filters.since is not None:
        statement = statement.where(StoredEvent.timestamp >= filters.since)
    if filters.until is not None:
        statement = statement.where(StoredEvent.timestamp < filters.until)
    if filters.q:
        # Row security rules out an index: this filters the rows that the other conditions leave.
        texts = (
            cast(column, Text) for column in (StoredEvent.event_data, StoredEvent.event_metadata)
        )
        wanted = msgspec.json.encode(filters.q)[1:-1].decode()  # as JSON text spells it
        statement = statement.where(or_(*(t.icontains(wanted, autoescape=True) for t in texts)))
    return statement
