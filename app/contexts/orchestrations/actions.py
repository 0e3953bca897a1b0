"""The actions of an orchestration: created, claimed, started, ended, retried, rolled back."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import and_, func, or_

from app.cleaning import clean, clean_text
from app.contexts.orchestrations.common import (
    FINAL,
    find_actor,
    invalid_transition,
    lock_alone,
    lock_shared,
    measure,
    require_not_final,
)
from app.contexts.orchestrations.decisions import (
    is_approved,
    request_decision,
    request_missing_decisions,
    withdraw_decisions,
)
from app.contexts.orchestrations.events import record_action, record_orchestration
from app.db import Db
from app.errors import Conflict
from app.models import Orchestration, OrchestrationAction, OrchestrationDecision
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page
from app.schemas.base import Page
from app.schemas.orchestrations import ActionComplete, ActionCreate, Performance
from app.scope import Scope, one, saved

_OPEN = frozenset({"pending", "in_progress"})


async def list_actions(
    scope: Scope, db: Db, session_id: UUID, request: PageRequest, *, status: str | None = None
) -> Page[OrchestrationAction]:
    """Lists the actions of a session, the last created first."""
    await one(db, scope.select(Orchestration).where(Orchestration.session_id == session_id))
    statement = scope.select(OrchestrationAction).where(
        OrchestrationAction.session_id == session_id
    )
    if status is not None:
        statement = statement.where(OrchestrationAction.status == status)
    keys = [OrchestrationAction.created_at, OrchestrationAction.action_id]
    return await fetch_page(db, statement, keys, request)


async def get_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID
) -> OrchestrationAction:
    await one(db, scope.select(Orchestration).where(Orchestration.session_id == session_id))
    return await one(
        db,
        scope.select(OrchestrationAction).where(
            OrchestrationAction.session_id == session_id,
            OrchestrationAction.action_id == action_id,
        ),
    )


async def create_action(
    scope: Scope, db: Db, session_id: UUID, data: ActionCreate
) -> OrchestrationAction:
    """Under oversight, requests a decision about a critical action in the same transaction.

    Raises Conflict `orchestration_ended`.
    """
    scope.require_write()
    session = await lock_shared(scope, db, session_id)
    require_not_final(session)
    actor = await find_actor(scope, db)
    fields: dict[str, Any] = {
        **msgspec.structs.asdict(data),
        "payload": clean(data.payload),
        "rollback_data": clean(data.rollback_data),
    }
    action = scope.build(
        OrchestrationAction,
        action_id=new_uuid(),
        session_id=session_id,
        created_by=actor.user_uuid,
        **fields,
    )
    await saved(db, action)  # the decision refers to it
    record_action(scope, db, session, action, "created")
    if session.chairman_oversight and action.critical:
        request_decision(scope, db, session, action)
    return action


async def claim_next_action(
    scope: Scope, db: Db, session_id: UUID, agent_id: UUID
) -> OrchestrationAction | None:
    """Starts the best pending action for the agent: highest priority first, then oldest. Returns
    None when nothing can start now.

    An action assigned to another agent is left alone, unless it has failed before: that agent may
    be gone. Raises Conflict `orchestration_not_active`.
    """
    scope.require_write()
    session = await _lock_running(scope, db, session_id)
    approved = (
        scope.select(OrchestrationDecision)
        .where(
            OrchestrationDecision.session_id == OrchestrationAction.session_id,
            OrchestrationDecision.action_id == OrchestrationAction.action_id,
            OrchestrationDecision.status == "approved",
        )
        .exists()
    )
    claimable = scope.select(OrchestrationAction).where(
        OrchestrationAction.session_id == session_id,
        OrchestrationAction.status == "pending",
        or_(
            OrchestrationAction.assigned_agent_id.is_(None),
            OrchestrationAction.assigned_agent_id == agent_id,
            OrchestrationAction.retry_count > 0,
        ),
        or_(
            OrchestrationAction.scheduled_for.is_(None),
            OrchestrationAction.scheduled_for <= func.clock_timestamp(),
        ),
    )
    if session.chairman_oversight:
        claimable = claimable.where(or_(~OrchestrationAction.critical, approved))
    best = claimable.order_by(
        OrchestrationAction.priority_level.desc(),
        OrchestrationAction.created_at,
        OrchestrationAction.action_id,
    )
    action = await db.session.scalar(best.limit(1).with_for_update(skip_locked=True))
    if action is None:
        return None
    action.assigned_agent_id = agent_id
    await _start(scope, db, session, action)
    return action


async def start_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID
) -> OrchestrationAction:
    """Raises Conflict `invalid_transition`, `orchestration_not_active`, or `approval_required` for
    a critical action under oversight."""
    scope.require_write()
    session = await _lock_running(scope, db, session_id)
    action = await _lock(scope, db, session_id, action_id)
    if action.status != "pending":
        raise invalid_transition("action", action.status, "in_progress")
    needs_approval = session.chairman_oversight and action.critical
    if needs_approval and not await is_approved(scope, db, action):
        raise Conflict("The action needs an approved decision.", code="approval_required")
    await _start(scope, db, session, action)
    return action


async def complete_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID, data: ActionComplete
) -> OrchestrationAction:
    """Raises Conflict `invalid_transition` or `orchestration_ended`."""
    session, action = await _lock_to_end(scope, db, session_id, action_id, "completed")
    action.status, action.completed_at = "completed", await db.now()
    action.result = clean(data.result)
    if data.rollback_data is not UNSET:
        action.rollback_data = clean(data.rollback_data)
    record_action(scope, db, session, action, "completed")
    return action


async def fail_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID, error_message: str
) -> OrchestrationAction:
    """Returns the action to pending until `max_retries` retries are used up; then it has failed for
    good. Under oversight a critical action that returns to pending without a decision gets one
    requested.

    Raises Conflict `invalid_transition` or `orchestration_ended`.
    """
    session, action = await _lock_to_end(scope, db, session_id, action_id, "failed")
    action.error_message = clean_text(error_message)
    if action.retry_count < action.max_retries:
        action.retry_count += 1
        action.status, action.started_at = "pending", None
        record_action(scope, db, session, action, "retried")
        if session.chairman_oversight:
            await request_missing_decisions(scope, db, session, action)
        return action
    action.status, action.failed_at = "failed", await db.now()
    record_action(scope, db, session, action, "failed")
    return action


async def cancel_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID
) -> OrchestrationAction:
    """Withdraws a pending decision about the action. Raises Conflict `invalid_transition` or
    `orchestration_ended`."""
    scope.require_write()
    session = await lock_shared(scope, db, session_id)
    action = await _lock(scope, db, session_id, action_id)
    require_not_final(session)
    if action.status not in _OPEN:
        raise invalid_transition("action", action.status, "cancelled")
    action.status, action.cancelled_at = "cancelled", await db.now()
    await withdraw_decisions(scope, db, session, action)
    record_action(scope, db, session, action, "cancelled")
    return action


async def rollback_action(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID
) -> OrchestrationAction:
    """Works after the session has ended too, since that is often the reason; the session's summary
    is then corrected.

    Raises Conflict `invalid_transition` or `not_reversible`.
    """
    scope.require_write()
    session = await lock_alone(scope, db, session_id)
    action = await _lock(scope, db, session_id, action_id)
    if action.status != "completed":
        raise invalid_transition("action", action.status, "rolled_back")
    if not action.is_reversible:
        raise Conflict("The action is not reversible.", code="not_reversible")
    at = await db.now()
    action.status, action.rolled_back_at = "rolled_back", at
    if session.session_status in FINAL:
        await db.session.flush()  # the summary counts the rows of the table
        ended = msgspec.convert(session.performance_summary, Performance)
        counted = await measure(scope, db, session, at)
        counted.duration_seconds = ended.duration_seconds
        session.performance_summary = msgspec.to_builtins(counted)
    record_action(scope, db, session, action, "rolled_back")
    return action


async def _lock_running(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Locks the session alone when its first action will start it, otherwise shared: two
    transactions that upgraded a shared lock would deadlock."""
    found = scope.select(Orchestration).where(Orchestration.session_id == session_id)
    started = await db.session.scalar(found.with_only_columns(Orchestration.started_at))
    session = await (lock_alone if started is None else lock_shared)(scope, db, session_id)
    if session.session_status != "active":
        raise Conflict(
            f"The orchestration is {session.session_status}.", code="orchestration_not_active"
        )
    return session


async def _lock(scope: Scope, db: Db, session_id: UUID, action_id: UUID) -> OrchestrationAction:
    own = and_(
        OrchestrationAction.session_id == session_id, OrchestrationAction.action_id == action_id
    )
    statement = scope.select(OrchestrationAction).where(own).with_for_update()
    return await one(db, statement.execution_options(populate_existing=True))


async def _lock_to_end(
    scope: Scope, db: Db, session_id: UUID, action_id: UUID, status: str
) -> tuple[Orchestration, OrchestrationAction]:
    scope.require_write()
    session = await lock_shared(scope, db, session_id)
    action = await _lock(scope, db, session_id, action_id)
    require_not_final(session)
    if action.status != "in_progress":
        raise invalid_transition("action", action.status, status)
    return session, action


async def _start(scope: Scope, db: Db, session: Orchestration, action: OrchestrationAction) -> None:
    action.status, action.started_at = "in_progress", await db.now()
    if session.started_at is None:
        session.started_at = action.started_at
        record_orchestration(scope, db, session, "started")
    record_action(scope, db, session, action, "started")
