from uuid import UUID

from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import orchestrations
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, route
from app.paging import PageRequest
from app.schemas.base import Page
from app.schemas.orchestrations import DecisionApprove, DecisionOut, DecisionReject, DecisionStatus
from app.schemas.rendering import rendered, rendered_page


@route("GET", "/api/decisions", reach="project", tag="decisions")
async def list_decisions(
    current_scope: CurrentScope,
    db: OpenDb,
    status: FromQuery[DecisionStatus | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DecisionOut]:
    """The last requested first. With `status=pending` it is an approver's inbox."""
    request = PageRequest(limit, cursor)
    page = await orchestrations.list_decisions(current_scope, db, request, status=status)
    return rendered_page(page, DecisionOut)


@route(
    "GET", "/api/orchestrations/{orchestration_id:uuid}/decisions", reach="project", tag="decisions"
)
async def list_orchestration_decisions(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DecisionOut]:
    """The last requested first."""
    page = await orchestrations.list_orchestration_decisions(
        current_scope, db, orchestration_id, PageRequest(limit, cursor)
    )
    return rendered_page(page, DecisionOut)


@route("POST", "/api/decisions/{decision_id:uuid}/approve", reach="project", tag="decisions")
async def approve_decision(
    current_scope: CurrentScope,
    db: OpenDb,
    decision_id: FromPath[UUID],
    data: JSONBody[DecisionApprove | None] = None,
) -> DecisionOut:
    """For an owner or administrator other than the requester."""
    note = None if data is None else data.note
    decision = await orchestrations.approve_decision(current_scope, db, decision_id, note)
    return rendered(decision, DecisionOut)


@route("POST", "/api/decisions/{decision_id:uuid}/reject", reach="project", tag="decisions")
async def reject_decision(
    current_scope: CurrentScope,
    db: OpenDb,
    decision_id: FromPath[UUID],
    data: JSONBody[DecisionReject],
) -> DecisionOut:
    """For an owner or administrator other than the requester. Cancels the action."""
    decision = await orchestrations.reject_decision(current_scope, db, decision_id, data.note)
    return rendered(decision, DecisionOut)
