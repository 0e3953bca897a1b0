"""Oversight: a critical action must be approved by someone other than the requester."""

from uuid import UUID

from sqlalchemy.orm import joinedload

from app.cleaning import clean_within
from app.contexts.orchestrations.common import find_actor, lock_shared
from app.contexts.orchestrations.events import record_action, record_decision
from app.db import Db
from app.errors import Conflict, Forbidden
from app.models import Orchestration, OrchestrationAction, OrchestrationDecision
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page
from app.schemas.base import Page
from app.schemas.orchestrations import MAX_REASON
from app.scope import Scope, one


async def list_decisions(
    scope: Scope, db: Db, request: PageRequest, *, status: str | None = None
) -> Page[OrchestrationDecision]:
    """Lists decisions of all sessions that the scope lists, the last requested first."""
    sessions = scope.select_listed(Orchestration).with_only_columns(Orchestration.session_id)
    statement = scope.select(OrchestrationDecision).where(
        OrchestrationDecision.session_id.in_(sessions)
    )
    if status is not None:
        statement = statement.where(OrchestrationDecision.status == status)
    keys = [OrchestrationDecision.requested_at, OrchestrationDecision.decision_id]
    shown = statement.options(joinedload(OrchestrationDecision.action, innerjoin=True))
    return await fetch_page(db, shown, keys, request)


async def list_orchestration_decisions(
    scope: Scope, db: Db, session_id: UUID, request: PageRequest
) -> Page[OrchestrationDecision]:
    """Lists decisions of one session, the last requested first."""
    await one(db, scope.select(Orchestration).where(Orchestration.session_id == session_id))
    statement = (
        scope.select(OrchestrationDecision)
        .where(OrchestrationDecision.session_id == session_id)
        .options(joinedload(OrchestrationDecision.action, innerjoin=True))
    )
    keys = [OrchestrationDecision.requested_at, OrchestrationDecision.decision_id]
    return await fetch_page(db, statement, keys, request)


async def approve_decision(
    scope: Scope, db: Db, decision_id: UUID, note: str | None = None
) -> OrchestrationDecision:
    """Raises Forbidden for the requester and for roles other than owner and admin, Conflict
    `already_decided`."""
    decision, _ = await _decide(scope, db, decision_id, "approved", note)
    return decision


async def reject_decision(
    scope: Scope, db: Db, decision_id: UUID, note: str
) -> OrchestrationDecision:
    """Cancels the action. Raises as `approve_decision` does."""
    decision, session = await _decide(scope, db, decision_id, "rejected", note)
    decision.action.status = "cancelled"
    decision.action.cancelled_at = decision.decided_at
    record_action(scope, db, session, decision.action, "cancelled")
    return decision


def request_decision(
    scope: Scope, db: Db, session: Orchestration, action: OrchestrationAction
) -> None:
    """Requests a decision in the name of the user who created the action."""
    decision = scope.build(
        OrchestrationDecision,
        decision_id=new_uuid(),
        session_id=session.session_id,
        action_id=action.action_id,
        requested_by=action.created_by,
    )
    db.session.add(decision)
    record_decision(scope, db, session, decision, "requested")


async def request_missing_decisions(
    scope: Scope, db: Db, session: Orchestration, action: OrchestrationAction | None = None
) -> None:
    """Requests decisions about pending critical actions that have none because oversight was off,
    or about this one action. The caller holds the lock of the session or of the action."""
    decided = (
        scope.select(OrchestrationDecision)
        .where(OrchestrationDecision.session_id == session.session_id)
        .with_only_columns(OrchestrationDecision.action_id)
    )
    waiting = scope.select(OrchestrationAction).where(
        OrchestrationAction.session_id == session.session_id,
        OrchestrationAction.status == "pending",
        OrchestrationAction.critical,
        OrchestrationAction.action_id.not_in(decided),
    )
    if action is not None:
        waiting = waiting.where(OrchestrationAction.action_id == action.action_id)
    await db.session.flush()  # an action may just have returned to pending
    for found in await db.session.scalars(waiting):
        request_decision(scope, db, session, found)


async def is_approved(scope: Scope, db: Db, action: OrchestrationAction) -> bool:
    statement = scope.select(OrchestrationDecision).where(
        OrchestrationDecision.session_id == action.session_id,
        OrchestrationDecision.action_id == action.action_id,
        OrchestrationDecision.status == "approved",
    )
    return await db.session.scalar(statement) is not None


async def withdraw_decisions(
    scope: Scope, db: Db, session: Orchestration, action: OrchestrationAction | None = None
) -> None:
    """Withdraws the pending decisions about a cancelled action, or all those of a session that has
    ended."""
    statement = scope.select(OrchestrationDecision).where(
        OrchestrationDecision.session_id == session.session_id,
        OrchestrationDecision.status == "pending",
    )
    if action is not None:
        statement = statement.where(OrchestrationDecision.action_id == action.action_id)
    for decision in await db.session.scalars(statement.with_for_update()):
        decision.status, decision.decided_at = "withdrawn", await db.now()
        record_decision(scope, db, session, decision, "withdrawn")


async def refuse_pending(scope: Scope, db: Db, session_id: UUID) -> None:
    """Raises Conflict `decisions_pending`. The session is locked, so none can be added
    meanwhile."""
    statement = scope.select(OrchestrationDecision).where(
        OrchestrationDecision.session_id == session_id, OrchestrationDecision.status == "pending"
    )
    if await db.session.scalar(statement.limit(1)) is not None:
        raise Conflict("This orchestration has pending decisions.", code="decisions_pending")


async def _decide(
    scope: Scope, db: Db, decision_id: UUID, status: str, note: str | None
) -> tuple[OrchestrationDecision, Orchestration]:
    scope.require_write()
    found = scope.select(OrchestrationDecision).where(
        OrchestrationDecision.decision_id == decision_id
    )
    seen = await one(db, found)
    session = await lock_shared(scope, db, seen.session_id)  # NotFound outside a strict project
    scope.require_admin()
    actor = await find_actor(scope, db)
    if actor.user_uuid == seen.requested_by:
        raise Forbidden("The requester of a decision cannot make it.")
    await one(
        db,
        scope.select(OrchestrationAction)
        .where(OrchestrationAction.action_id == seen.action_id)
        .with_for_update()
        .execution_options(populate_existing=True),
    )
    decision = await one(
        db,
        found.options(joinedload(OrchestrationDecision.action, innerjoin=True))
        .with_for_update(of=OrchestrationDecision)
        .execution_options(populate_existing=True),
    )
    if decision.status != "pending":
        raise Conflict(f"The decision is already {decision.status}.", code="already_decided")
    decision.status = status
    decision.decided_by, decision.decided_at = actor.user_uuid, await db.now()
    decision.note = clean_within(MAX_REASON, note)
    record_decision(scope, db, session, decision, status)
    return decision, session
