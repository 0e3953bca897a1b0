"""Resumes the work of an instance that was interrupted."""

import datetime
import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select

from app.contexts.continuity.checkpoints import get_checkpoint
from app.contexts.continuity.event_log import append
from app.contexts.continuity.handoff import instructions, next_steps
from app.contexts.continuity.instances import instance_closed, lock_instance
from app.db import Db
from app.errors import Conflict, NotFound
from app.models import Checkpoint, LoggedCommand, StoredEvent, SupervisorSession
from app.schemas.continuity import (
    CheckpointOut,
    Choice,
    EventInput,
    EventOut,
    Handoff,
    InstanceOut,
    LoggedCommandOut,
    Restored,
    Resumed,
)
from app.schemas.rendering import rendered
from app.scope import Scope

SILENT_SECONDS = 120
CHECKPOINT_FRESH = datetime.timedelta(hours=1)
EVENTS, COMMANDS, SINCE, CHOICES = 50, 20, 100, 20
_FRAGMENT = re.compile(r"[a-z0-9]{4,6}")


async def restore_checkpoint(
    scope: Scope, db: Db, instance_id: str, checkpoint_id: UUID
) -> Restored:
    """Emits `checkpoint_loaded`, which is not among the events since the checkpoint."""
    scope.require_write()
    instance = await lock_instance(scope, db, instance_id)
    checkpoint = await get_checkpoint(scope, db, instance_id, checkpoint_id)
    events = await _events(scope, db, instance_id, SINCE, after=checkpoint.event_sequence)
    commands = await _commands(scope, db, instance_id, SINCE, since=checkpoint.created_at)
    steps = next_steps(instance, checkpoint.work_state, events, commands)
    loaded = EventInput(
        event_type="checkpoint_loaded", event_data={"checkpoint_id": str(checkpoint_id)}
    )
    await append(scope, db, instance, [loaded])
    return Restored(
        checkpoint=rendered(checkpoint, CheckpointOut),
        work_state=checkpoint.work_state,
        instructions=instructions(instance, checkpoint.work_state, events, commands, steps),
        events=[rendered(event, EventOut) for event in events],
        commands=[rendered(command, LoggedCommandOut) for command in commands],
    )


async def resume_instance(scope: Scope, db: Db, hint: str | None = None) -> Resumed:
    """Changes nothing, so that any number of agents may ask.

    Raises NotFound when the hint matches no open instance, Conflict `instance_closed` for the id of
    a closed one and `instance_active` when every match sent a heartbeat in the last 120 s.
    """
    found = await _candidates(scope, db, hint)
    now = await db.now()
    silent = [i for i in found if _silence(i, now) >= SILENT_SECONDS]
    if not silent:
        wait = SILENT_SECONDS - max(_silence(instance, now) for instance in found)
        raise Conflict(
            f"The instance is still alive; try again after {wait} s of silence.",
            code="instance_active",
            retry_after_seconds=wait,
        )
    if hint is None or len(silent) == 1:
        return Resumed(handoff=await _handoff(scope, db, silent[0], now))
    choices = [
        Choice(
            instance_id=instance.instance_id,
            project=instance.project,
            current_epic=instance.current_epic,
            status=instance.status,  # type: ignore[arg-type]
            silent_seconds=_silence(instance, now),
        )
        for instance in silent[:CHOICES]
    ]
    return Resumed(choices=choices)


async def _candidates(scope: Scope, db: Db, hint: str | None) -> list[SupervisorSession]:
    """The instances of the first reading of the hint that matches any, most recent heartbeat
    first."""
    is_open = SupervisorSession.status != "closed"
    listed = scope.select_listed(SupervisorSession).where(is_open)
    if hint is None:
        return await _require(db, [listed])
    exact = await db.session.scalar(
        scope.select(SupervisorSession).where(SupervisorSession.instance_id == hint)
    )
    if exact is not None:
        if exact.status == "closed":
            raise instance_closed()
        return [exact]
    readings = [
        listed.where(SupervisorSession.current_epic == hint),
        listed.where(SupervisorSession.project == hint),
    ]
    if _FRAGMENT.fullmatch(hint):
        # The beginning of the six characters after the last hyphen.
        ending = SupervisorSession.instance_id.regexp_match(f"{hint}[a-z0-9]{{0,2}}$")
        readings.insert(0, listed.where(ending))
    return await _require(db, readings)


async def _require(
    db: Db, readings: Sequence[Select[tuple[SupervisorSession]]]
) -> list[SupervisorSession]:
    for statement in readings:
        newest = statement.order_by(SupervisorSession.last_heartbeat.desc())
        if found := list(await db.session.scalars(newest.limit(1000))):
            return found
    raise NotFound


async def _handoff(
    scope: Scope, db: Db, instance: SupervisorSession, now: datetime.datetime
) -> Handoff:
    newest = scope.select(Checkpoint).where(Checkpoint.instance_id == instance.instance_id)
    checkpoint = await db.session.scalar(newest.order_by(Checkpoint.sequence_num.desc()).limit(1))
    if checkpoint is not None and now - checkpoint.created_at >= CHECKPOINT_FRESH:
        checkpoint = None
    after = 0 if checkpoint is None else checkpoint.event_sequence
    events = await _events(scope, db, instance.instance_id, EVENTS, after=after)
    commands = await _commands(scope, db, instance.instance_id, COMMANDS)
    work_state = {} if checkpoint is None else checkpoint.work_state
    steps = next_steps(instance, work_state, events, commands)
    if checkpoint is not None:
        age = (now - checkpoint.created_at).total_seconds() / 60
        source, confidence = "checkpoint", 95 - int(age // 3)
    elif any(not event.event_type.startswith("instance_") for event in events):
        source, confidence = "events", 60
    elif commands:
        source, confidence = "commands", 40
    else:
        source, confidence = "instance", 20
    return Handoff(
        instance=rendered(instance, InstanceOut),
        source=source,  # type: ignore[arg-type]
        confidence=confidence,
        current_epic=instance.current_epic,
        silent_seconds=_silence(instance, now),
        work_state=work_state,
        checkpoint=None if checkpoint is None else rendered(checkpoint, CheckpointOut),
        events=[rendered(event, EventOut) for event in events],
        commands=[rendered(command, LoggedCommandOut) for command in commands],
        next_steps=steps,
        instructions=instructions(instance, work_state, events, commands, steps),
    )


async def _events(
    scope: Scope, db: Db, instance_id: str, limit: int, *, after: int
) -> list[StoredEvent]:
    """The newest events, oldest of them first."""
    found = await db.session.scalars(
        scope.select(StoredEvent)
        .where(StoredEvent.instance_id == instance_id, StoredEvent.sequence_num > after)
        .order_by(StoredEvent.sequence_num.desc())
        .limit(limit)
    )
    return list(found)[::-1]


async def _commands(
    scope: Scope,
    db: Db,
    instance_id: str,
    limit: int,
    *,
    since: datetime.datetime | None = None,
) -> list[LoggedCommand]:
    """The newest commands, oldest of them first."""
    statement = scope.select(LoggedCommand).where(LoggedCommand.instance_id == instance_id)
    if since is not None:
        statement = statement.where(LoggedCommand.created_at > since)
    newest = statement.order_by(LoggedCommand.created_at.desc(), LoggedCommand.id.desc())
    return list(await db.session.scalars(newest.limit(limit)))[::-1]


def _silence(instance: SupervisorSession, now: datetime.datetime) -> int:
    return max(0, int((now - instance.last_heartbeat).total_seconds()))
