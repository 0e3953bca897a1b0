"""Appends events to an instance, numbered under the lock of its row."""

from collections.abc import Sequence
from typing import NamedTuple

from app.cleaning import clean, is_same
from app.contexts.continuity.projection import epic_after
from app.db import Db
from app.errors import Conflict
from app.models import StoredEvent, SupervisorSession
from app.schemas.continuity import EventInput
from app.scope import Scope


class Emitted(NamedTuple):
    """The events in the order they were posted, stored ones included; `new` are those that were not
    stored before."""

    events: list[StoredEvent]
    new: list[StoredEvent]


async def append(
    scope: Scope, db: Db, instance: SupervisorSession, posted: Sequence[EventInput]
) -> Emitted:
    """Appends to an instance that is locked, and keeps the epic of its row up to date.

    Raises Conflict `sequence_gap` for a number beyond the next one, and `sequence_taken` for a
    number that another event has.
    """
    now = await db.now()
    wanted = [e.sequence_num for e in posted if e.sequence_num is not None]
    known = await _known(scope, db, instance, wanted)
    events: list[StoredEvent] = []
    new: list[StoredEvent] = []
    for given in posted:
        following = instance.event_count + 1
        number = given.sequence_num or following
        require_next(number, following)
        if number < following:
            events.append(_same(known.get(number), given))
            continue
        data, metadata = clean(given.event_data), clean(given.metadata)
        event = scope.build(
            StoredEvent,
            instance_id=instance.instance_id,
            event_type=given.event_type,
            sequence_num=number,
            timestamp=given.timestamp or now,
            created_at=now,
            event_data=data,
            event_metadata=metadata,
        )
        instance.event_count = number
        epic = epic_after(given.event_type, data, instance.current_epic)
        instance.current_epic = clean(epic)
        known[number] = event
        new.append(event)
        events.append(event)
    db.session.add_all(new)
    await db.session.flush()  # later statements of the transaction read them
    return Emitted(events, new)


def require_next(number: int, following: int) -> None:
    """Raises Conflict `sequence_gap`."""
    if number > following:
        raise Conflict(
            f"The next sequence number is {following}.",
            code="sequence_gap",
            next_sequence_num=following,
        )


def sequence_taken() -> Conflict:
    return Conflict(
        "This sequence number is already used by different content.", code="sequence_taken"
    )


async def _known(
    scope: Scope, db: Db, instance: SupervisorSession, numbers: list[int]
) -> dict[int, StoredEvent]:
    if not numbers:
        return {}
    found = await db.session.scalars(
        scope.select(StoredEvent).where(
            StoredEvent.instance_id == instance.instance_id, StoredEvent.sequence_num.in_(numbers)
        )
    )
    return {event.sequence_num: event for event in found}


def _same(event: StoredEvent | None, given: EventInput) -> StoredEvent:
    """Compares with what is stored, because a secret in the posted event was not kept."""
    if (
        event is None
        or event.event_type != given.event_type
        or not is_same(event.event_data, clean(given.event_data))
        or not is_same(event.event_metadata, clean(given.metadata))
        or given.timestamp not in {None, event.timestamp}
    ):
        raise sequence_taken()
    return event
