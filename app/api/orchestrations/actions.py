from collections.abc import Awaitable, Callable
from uuid import UUID

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import orchestrations
from app.db import Db
from app.http.dependencies import CurrentScope, OpenDb
from app.http.responses import Answer
from app.http.routing import Cursor, Limit, created, route
from app.models import OrchestrationAction
from app.paging import PageRequest
from app.schemas.base import Page
from app.schemas.orchestrations import (
    ActionComplete,
    ActionCreate,
    ActionFail,
    ActionOut,
    ActionStatus,
    ActionSummary,
    AgentReference,
)
from app.schemas.rendering import rendered, rendered_page
from app.scope import Scope

_ACTIONS = "/api/orchestrations/{orchestration_id:uuid}/actions"
_ACTION = f"{_ACTIONS}/{{action_id:uuid}}"


@route("GET", _ACTIONS, reach="project", tag="orchestrations")
async def list_actions(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    status: FromQuery[ActionStatus | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ActionSummary]:
    """The last created first."""
    request = PageRequest(limit, cursor)
    page = await orchestrations.list_actions(
        current_scope, db, orchestration_id, request, status=status
    )
    return rendered_page(page, ActionSummary)


@route("POST", _ACTIONS, 201, reach="project", tag="orchestrations")
async def create_action(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    data: JSONBody[ActionCreate],
) -> Response[ActionOut]:
    """Under oversight a critical action waits for a decision."""
    action = await orchestrations.create_action(current_scope, db, orchestration_id, data)
    location = f"/api/orchestrations/{orchestration_id}/actions/{action.action_id}"
    return created(rendered(action, ActionOut), location)


@route("POST", f"{_ACTIONS}/claim-next", reach="project", tag="orchestrations")
async def claim_next_action(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    data: JSONBody[AgentReference],
) -> Response[ActionOut | None]:
    """Starts the best pending action, highest `priority_level` first, then oldest; 204 when
    nothing can start now."""
    action = await orchestrations.claim_next_action(
        current_scope, db, orchestration_id, data.agent_id
    )
    if action is None:
        return Answer(None, status_code=204)
    return Answer(rendered(action, ActionOut), status_code=200)


@route("GET", _ACTION, reach="project", tag="orchestrations")
async def get_action(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    action_id: FromPath[UUID],
) -> ActionOut:
    action = await orchestrations.get_action(current_scope, db, orchestration_id, action_id)
    return rendered(action, ActionOut)


@route("POST", f"{_ACTION}/complete", reach="project", tag="orchestrations")
async def complete_action(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    action_id: FromPath[UUID],
    data: JSONBody[ActionComplete | None] = None,
) -> ActionOut:
    action = await orchestrations.complete_action(
        current_scope, db, orchestration_id, action_id, data or ActionComplete()
    )
    return rendered(action, ActionOut)


@route("POST", f"{_ACTION}/fail", reach="project", tag="orchestrations")
async def fail_action(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    action_id: FromPath[UUID],
    data: JSONBody[ActionFail],
) -> ActionOut:
    """Returns the action to pending until its retries are used up."""
    action = await orchestrations.fail_action(
        current_scope, db, orchestration_id, action_id, data.error_message
    )
    return rendered(action, ActionOut)


def _verb(
    change: Callable[[Scope, Db, UUID, UUID], Awaitable[OrchestrationAction]],
) -> HTTPRouteHandler:
    """Makes the route of a verb without fields, named after its context function."""

    async def handler(
        current_scope: CurrentScope,
        db: OpenDb,
        orchestration_id: FromPath[UUID],
        action_id: FromPath[UUID],
    ) -> ActionOut:
        action = await change(current_scope, db, orchestration_id, action_id)
        return rendered(action, ActionOut)

    handler.__name__ = change.__name__
    verb = change.__name__.partition("_")[0]
    return route("POST", f"{_ACTION}/{verb}", reach="project", tag="orchestrations")(handler)


VERBS = [
    _verb(orchestrations.start_action),
    _verb(orchestrations.cancel_action),
    _verb(orchestrations.rollback_action),
]
