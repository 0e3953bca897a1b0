from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from app.contexts import orchestrations
from app.contexts.orchestrations import OrchestrationFilter
from app.db import Db
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, Moment, created, route
from app.models import Orchestration
from app.paging import PageRequest
from app.schemas.base import Move, Page
from app.schemas.orchestrations import (
    OrchestrationCancel,
    OrchestrationCreate,
    OrchestrationFail,
    OrchestrationOut,
    OrchestrationStatus,
    OrchestrationSummary,
    OrchestrationType,
    OrchestrationUpdate,
)
from app.schemas.rendering import rendered_page
from app.scope import Scope

_ONE = "/api/orchestrations/{orchestration_id:uuid}"


_FILTERS = query_filters(
    OrchestrationFilter,
    status=list[OrchestrationStatus] | None,
    type=OrchestrationType | None,
    created_by=UUID | None,
    agent=UUID | None,
    created_after=Moment,
)


@route("GET", "/api/orchestrations", reach="project", tag="orchestrations", dependencies=_FILTERS)
async def list_orchestrations(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[OrchestrationFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrchestrationSummary]:
    """The last created first. `agent` matches one of `active_agents`."""
    page = await orchestrations.list_orchestrations(
        current_scope, db, PageRequest(limit, cursor), filters
    )
    return rendered_page(page, OrchestrationSummary)


@route("POST", "/api/orchestrations", 201, reach="project", tag="orchestrations")
async def create_orchestration(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[OrchestrationCreate]
) -> Response[OrchestrationOut]:
    session = await orchestrations.create_orchestration(current_scope, db, data)
    location = f"/api/orchestrations/{session.session_id}"
    return created(await _out(current_scope, db, session), location)


@route("GET", _ONE, reach="project", tag="orchestrations")
async def get_orchestration(
    current_scope: CurrentScope, db: OpenDb, orchestration_id: FromPath[UUID]
) -> OrchestrationOut:
    session = await orchestrations.get_orchestration(current_scope, db, orchestration_id)
    return await _out(current_scope, db, session)


@route("PATCH", _ONE, reach="project", tag="orchestrations", also=[409])
async def update_orchestration(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    data: JSONBody[OrchestrationUpdate],
) -> OrchestrationOut:
    session = await orchestrations.update_orchestration(current_scope, db, orchestration_id, data)
    return await _out(current_scope, db, session)


@route("DELETE", _ONE, 204, reach="project", tag="orchestrations")
async def delete_orchestration(
    current_scope: CurrentScope, db: OpenDb, orchestration_id: FromPath[UUID]
) -> None:
    await orchestrations.delete_orchestration(current_scope, db, orchestration_id)


@route("POST", f"{_ONE}/move", reach="project", tag="orchestrations")
async def move_orchestration(
    current_scope: CurrentScope, db: OpenDb, orchestration_id: FromPath[UUID], data: JSONBody[Move]
) -> OrchestrationOut:
    session = await orchestrations.move_orchestration(
        current_scope, db, orchestration_id, data.project_id
    )
    return await _out(current_scope, db, session)


def _verb(change: Callable[[Scope, Db, UUID], Awaitable[Orchestration]]) -> HTTPRouteHandler:
    """Makes the route of a verb without fields, named after its context function."""

    async def handler(
        current_scope: CurrentScope, db: OpenDb, orchestration_id: FromPath[UUID]
    ) -> OrchestrationOut:
        session = await change(current_scope, db, orchestration_id)
        return await _out(current_scope, db, session)

    handler.__name__ = change.__name__
    verb = change.__name__.partition("_")[0]
    return route("POST", f"{_ONE}/{verb}", reach="project", tag="orchestrations")(handler)


VERBS = [
    _verb(orchestrations.start_orchestration),
    _verb(orchestrations.pause_orchestration),
    _verb(orchestrations.resume_orchestration),
    _verb(orchestrations.complete_orchestration),
]


@route("POST", f"{_ONE}/fail", reach="project", tag="orchestrations")
async def fail_orchestration(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    data: JSONBody[OrchestrationFail],
) -> OrchestrationOut:
    session = await orchestrations.fail_orchestration(current_scope, db, orchestration_id, data)
    return await _out(current_scope, db, session)


@route("POST", f"{_ONE}/cancel", reach="project", tag="orchestrations")
async def cancel_orchestration(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    data: JSONBody[OrchestrationCancel | None] = None,
) -> OrchestrationOut:
    reason = None if data is None else data.reason
    session = await orchestrations.cancel_orchestration(current_scope, db, orchestration_id, reason)
    return await _out(current_scope, db, session)


@route("PUT", f"{_ONE}/agents/{{agent_id:str}}", reach="project", tag="orchestrations", also=[409])
async def add_orchestration_agent(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    agent_id: FromPath[str],
) -> OrchestrationOut:
    """Adding an agent twice has no further effect."""
    session = await orchestrations.add_orchestration_agent(
        current_scope, db, orchestration_id, agent_id
    )
    return await _out(current_scope, db, session)


@route(
    "DELETE",
    f"{_ONE}/agents/{{agent_id:str}}",
    204,
    reach="project",
    tag="orchestrations",
    also=[409],
)
async def remove_orchestration_agent(
    current_scope: CurrentScope,
    db: OpenDb,
    orchestration_id: FromPath[UUID],
    agent_id: FromPath[str],
) -> None:
    """Removing an agent that is not there has no effect."""
    await orchestrations.remove_orchestration_agent(current_scope, db, orchestration_id, agent_id)


async def _out(scope: Scope, db: Db, session: Orchestration) -> OrchestrationOut:
    performance = await orchestrations.get_performance(scope, db, session.session_id)
    fields = {
        name: getattr(session, name)
        for name in OrchestrationOut.__struct_fields__
        if name != "performance_summary"
    }
    return msgspec.convert({**fields, "performance_summary": performance}, OrchestrationOut)
