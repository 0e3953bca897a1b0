"""The life cycle: active and paused, then completed, failed or cancelled."""

from typing import Any
from uuid import UUID

import msgspec

from app.cleaning import clean, clean_text
from app.contexts.orchestrations.common import (
    find_actor,
    invalid_transition,
    lock_alone,
    measure,
)
from app.contexts.orchestrations.decisions import refuse_pending, withdraw_decisions
from app.contexts.orchestrations.events import record_action, record_orchestration
from app.db import Db
from app.models import Orchestration, OrchestrationAction
from app.schemas.orchestrations import OrchestrationFail
from app.scope import Scope

_OPEN = ("active", "paused")
_SOURCES = {
    "paused": ("active",),
    "active": ("paused",),
    "completed": _OPEN,
    "failed": _OPEN,
    "cancelled": _OPEN,
}


async def start_orchestration(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Starting it again changes nothing. Raises Conflict `invalid_transition`."""
    scope.require_write()
    session = await lock_alone(scope, db, session_id)
    if session.session_status != "active":
        raise invalid_transition("orchestration", session.session_status, "started")
    if session.started_at is None:
        session.started_at = await db.now()
        record_orchestration(scope, db, session, "started")
    return session


async def pause_orchestration(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Running actions may end, but none starts. Raises Conflict `invalid_transition`."""
    session = await _lock_for(scope, db, session_id, "paused")
    session.paused_at = await db.now()
    record_orchestration(scope, db, session, "paused")
    return session


async def resume_orchestration(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Raises Conflict `invalid_transition`."""
    session = await _lock_for(scope, db, session_id, "active")
    session.resumed_at = await db.now()
    record_orchestration(scope, db, session, "resumed")
    return session


async def complete_orchestration(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Raises Conflict `invalid_transition` or `decisions_pending`."""
    session = await _lock_for(scope, db, session_id, "completed")
    await refuse_pending(scope, db, session_id)
    session.completed_at = await db.now()
    return await _end(scope, db, session, "completed")


async def fail_orchestration(
    scope: Scope, db: Db, session_id: UUID, data: OrchestrationFail
) -> Orchestration:
    """Raises Conflict `invalid_transition`."""
    session = await _lock_for(scope, db, session_id, "failed")
    session.failed_at = await db.now()
    entry = {
        "kind": data.kind,
        "message": clean_text(data.message),
        "details": clean(data.details),
    }
    await _log(scope, db, session, session.failed_at, entry)
    return await _end(scope, db, session, "failed")


async def cancel_orchestration(
    scope: Scope, db: Db, session_id: UUID, reason: str | None = None
) -> Orchestration:
    """Notes who, when and why in the error log, since the seed has no column for it. Raises
    Conflict `invalid_transition`."""
    session = await _lock_for(scope, db, session_id, "cancelled")
    entry = {"kind": "cancelled", "reason": clean(reason)}
    await _log(scope, db, session, await db.now(), entry)
    return await _end(scope, db, session, "cancelled")


async def _lock_for(scope: Scope, db: Db, session_id: UUID, status: str) -> Orchestration:
    scope.require_write()
    session = await lock_alone(scope, db, session_id)
    if session.session_status not in _SOURCES[status]:
        raise invalid_transition("orchestration", session.session_status, status)
    session.session_status = status
    return session


async def _log(
    scope: Scope, db: Db, session: Orchestration, at: Any, entry: dict[str, Any]
) -> None:
    actor = await find_actor(scope, db)
    stamped = msgspec.to_builtins({"at": at, "by": actor.user_uuid, **entry})
    session.error_log = [*session.error_log, stamped]


async def _end(scope: Scope, db: Db, session: Orchestration, event: str) -> Orchestration:
    """Withdraws open decisions, cancels open actions and stores the summary."""
    at = await db.now()
    await withdraw_decisions(scope, db, session)
    cancelled = await db.session.execute(
        scope.update(OrchestrationAction)
        .where(
            OrchestrationAction.session_id == session.session_id,
            OrchestrationAction.status.in_(["pending", "in_progress"]),
        )
        .values(status="cancelled", cancelled_at=at)
        .returning(
            OrchestrationAction.action_id,
            OrchestrationAction.status,
            OrchestrationAction.critical,
            OrchestrationAction.retry_count,
            OrchestrationAction.assigned_agent_id,
        )
    )
    for action in cancelled:
        record_action(scope, db, session, action, "cancelled")
    ended_at = session.completed_at or session.failed_at or at
    summary = await measure(scope, db, session, ended_at)
    session.performance_summary = msgspec.to_builtins(summary)
    record_orchestration(scope, db, session, event)
    return session
