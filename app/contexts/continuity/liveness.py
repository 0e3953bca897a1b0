"""Tells by heartbeats which instances are alive."""

import datetime

from msgspec import UNSET
from sqlalchemy import func

from app.cleaning import clean_within
from app.contexts.continuity.event_log import append
from app.contexts.continuity.instances import instance_closed, is_silent, lock_instance, record
from app.contexts.continuity.settings import get_continuity_settings
from app.db import Db
from app.models import SupervisorSession
from app.schemas.base import MAX_NAME
from app.schemas.continuity import EventInput, Heartbeat
from app.scope import Scope

HEARTBEAT_EVENT_PERIOD = datetime.timedelta(minutes=1)
STALE_BATCH = 100


async def record_instance_heartbeat(
    scope: Scope, db: Db, instance_id: str, data: Heartbeat
) -> SupervisorSession:
    """Makes a stale instance active again. Raises Conflict `instance_closed`."""
    scope.require_write()
    instance = await lock_instance(scope, db, instance_id)
    if instance.status == "closed":
        raise instance_closed()
    now = await db.now()
    before = instance.context_percent, instance.current_epic
    instance.last_heartbeat, instance.status = now, "active"
    if isinstance(data.context_percent, int):
        instance.context_percent = data.context_percent
    if data.current_epic is not UNSET:
        instance.current_epic = clean_within(MAX_NAME, data.current_epic)
    state = {
        "context_percent": instance.context_percent,
        "current_epic": instance.current_epic,
    }
    events: list[EventInput] = []
    noted = instance.heartbeat_event_at
    if noted is None or abs(now - noted) >= HEARTBEAT_EVENT_PERIOD:
        instance.heartbeat_event_at = now
        events.append(EventInput(event_type="instance_heartbeat", event_data=state))
    if before != (instance.context_percent, instance.current_epic):
        events.append(EventInput(event_type="context_window_updated", event_data=state))
    await append(scope, db, instance, events)
    return instance


async def mark_stale_instances(scope: Scope, db: Db) -> int:
    """Marks at most 100 instances, each once until its next heartbeat, and returns how many. Skips
    instances that are locked, since they are sending a heartbeat."""
    scope.require_write()
    settings = await get_continuity_settings(scope, db)
    await _rewind_heartbeats(scope, db)
    found = await db.session.scalars(
        scope.select(SupervisorSession)
        .where(
            SupervisorSession.status == "active",
            is_silent(datetime.timedelta(minutes=settings.stale_minutes)),
        )
        .order_by(SupervisorSession.last_heartbeat)
        .limit(STALE_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    instances = list(found)
    for instance in instances:
        instance.status = "stale"
        data = {"last_heartbeat": instance.last_heartbeat.isoformat()}
        event = EventInput(event_type="instance_stale", event_data=data)
        await append(scope, db, instance, [event])
        record(scope, db, instance, "stale")
    return len(instances)


async def _rewind_heartbeats(scope: Scope, db: Db) -> None:
    """Resets heartbeats in the future, written before the clock was set back: an instance that died
    then would seem alive until the clock has caught up."""
    ahead = await db.session.scalars(
        scope.select(SupervisorSession)
        .where(
            SupervisorSession.status == "active",
            SupervisorSession.last_heartbeat > func.now(),
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    for instance in ahead.all():
        instance.last_heartbeat = await db.now()
