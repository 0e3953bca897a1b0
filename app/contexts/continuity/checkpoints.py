"""Snapshots of an agent's work, to resume from."""

from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Select

from app import feed
from app.cleaning import clean, is_same
from app.contexts.continuity.event_log import append, require_next, sequence_taken
from app.contexts.continuity.instances import get_instance, lock_instance, of_listed
from app.contexts.continuity.replay import replay
from app.db import Db
from app.models import Checkpoint, SupervisorSession
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page
from app.schemas.base import Page
from app.schemas.continuity import CheckpointInput, EventInput
from app.scope import Scope, one


class Checkpointed(NamedTuple):
    checkpoint: Checkpoint
    created: bool


async def create_checkpoint(
    scope: Scope, db: Db, instance_id: str, data: CheckpointInput
) -> Checkpointed:
    """Emits `checkpoint_created`; the checkpoint includes that event.

    Raises Conflict `sequence_gap` or `sequence_taken`.
    """
    scope.require_write()
    instance = await lock_instance(scope, db, instance_id)
    following = instance.checkpoint_count + 1
    number = data.sequence_num or following
    require_next(number, following)
    if number == following:
        return Checkpointed(await checkpoint_locked(scope, db, instance, data), created=True)
    stored = await db.session.scalar(
        _of(scope, instance_id).where(Checkpoint.sequence_num == number)
    )
    if stored is None or not _is_same(stored, data):
        raise sequence_taken()
    return Checkpointed(stored, created=False)


async def checkpoint_locked(
    scope: Scope, db: Db, instance: SupervisorSession, data: CheckpointInput
) -> Checkpoint:
    """Creates a checkpoint of an instance that is already locked."""
    identifier = new_uuid()
    percent = data.context_window_percent
    instance.checkpoint_count += 1
    event = EventInput(
        event_type="checkpoint_created",
        event_data={
            "checkpoint_id": str(identifier),
            "checkpoint_type": data.checkpoint_type,
            "checkpoint_sequence_num": instance.checkpoint_count,
        },
    )
    await append(scope, db, instance, [event])
    replayed = await replay(scope, db, instance, instance.event_count)
    now = await db.now()
    checkpoint = scope.build(
        Checkpoint,
        checkpoint_id=identifier,
        instance_id=instance.instance_id,
        checkpoint_type=data.checkpoint_type,
        sequence_num=instance.checkpoint_count,
        timestamp=data.timestamp or now,
        context_window_percent=instance.context_percent if percent is None else percent,
        work_state=clean(data.work_state),
        checkpoint_metadata=clean(data.metadata),
        event_sequence=instance.event_count,
        replay_state=msgspec.to_builtins(replayed.state),
        created_at=now,
    )
    db.session.add(checkpoint)
    feed.record(
        scope,
        db,
        "checkpoint.created",
        identifier,
        project_id=instance.project_id,
        instance_id=instance.instance_id,
        checkpoint_type=data.checkpoint_type,
        sequence_num=instance.checkpoint_count,
    )
    return checkpoint


async def list_checkpoints(
    scope: Scope,
    db: Db,
    instance_id: str,
    request: PageRequest,
    *,
    checkpoint_type: str | None = None,
) -> Page[Checkpoint]:
    """Lists those of one instance, newest first."""
    await get_instance(scope, db, instance_id)
    statement = _of(scope, instance_id)
    if checkpoint_type is not None:
        statement = statement.where(Checkpoint.checkpoint_type == checkpoint_type)
    return await fetch_page(db, statement, [Checkpoint.sequence_num], request)


async def search_checkpoints(
    scope: Scope, db: Db, request: PageRequest, *, checkpoint_type: str | None = None
) -> Page[Checkpoint]:
    """Lists those of all instances, newest first."""
    statement = of_listed(scope, scope.select(Checkpoint), Checkpoint.instance_id)
    if checkpoint_type is not None:
        statement = statement.where(Checkpoint.checkpoint_type == checkpoint_type)
    return await fetch_page(
        db, statement, [Checkpoint.created_at, Checkpoint.checkpoint_id], request
    )


async def get_checkpoint(scope: Scope, db: Db, instance_id: str, checkpoint_id: UUID) -> Checkpoint:
    await get_instance(scope, db, instance_id)
    return await one(db, _of(scope, instance_id).where(Checkpoint.checkpoint_id == checkpoint_id))


async def get_latest_checkpoint(scope: Scope, db: Db, instance_id: str) -> Checkpoint:
    """Raises NotFound when there is none yet."""
    await get_instance(scope, db, instance_id)
    newest = _of(scope, instance_id).order_by(Checkpoint.sequence_num.desc()).limit(1)
    return await one(db, newest)


def _of(scope: Scope, instance_id: str) -> Select[tuple[Checkpoint]]:
    return scope.select(Checkpoint).where(Checkpoint.instance_id == instance_id)


def _is_same(stored: Checkpoint, data: CheckpointInput) -> bool:
    """Compares with what is stored, because a secret in the posted document was not kept."""
    return (
        stored.checkpoint_type == data.checkpoint_type
        and is_same(stored.work_state, clean(data.work_state))
        and is_same(stored.checkpoint_metadata, clean(data.metadata))
        and data.context_window_percent in {None, stored.context_window_percent}
        and data.timestamp in {None, stored.timestamp}
    )
