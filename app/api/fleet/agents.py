from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.contexts import fleet
from app.contexts.fleet import AgentFilter
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, created, location, route
from app.paging import PageRequest
from app.schemas.base import Move, Page
from app.schemas.fleet import (
    AgentHeartbeats,
    AgentOut,
    AgentRegister,
    AgentRelease,
    AgentStatus,
    AgentSummary,
    FleetSettingsOut,
    FleetSettingsUpdate,
    HeartbeatResult,
    Track,
)
from app.schemas.rendering import rendered

_ONE = "/api/agents/{agent_session_id:str}"


_FILTERS = query_filters(
    AgentFilter,
    status=list[AgentStatus] | None,
    track=Track | None,
    codebase=str | None,
    hostname=str | None,
    holding=bool | None,
    stale=bool | None,
    needs_input=bool | None,
)


@route("GET", "/api/agents", reach="project", tag="fleet", dependencies=_FILTERS)
async def list_agents(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[AgentFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AgentSummary]:
    """The last registered first. `status` filters by the computed status."""
    return await fleet.list_agents(current_scope, db, PageRequest(limit, cursor), filters)


@route("PUT", _ONE, reach="project", tag="fleet", also=[201, 409])
async def register_agent(
    current_scope: CurrentScope,
    db: OpenDb,
    agent_session_id: FromPath[str],
    data: JSONBody[AgentRegister | None] = None,
) -> Response[AgentOut]:
    """201 for a new agent; registering an ended one brings it back."""
    registered = await fleet.register_agent(
        current_scope, db, agent_session_id, data or AgentRegister()
    )
    status = 201 if registered.created else 200
    return created(registered.agent, location("/api/agents", agent_session_id), status)


@route("GET", _ONE, reach="project", tag="fleet")
async def get_agent(
    current_scope: CurrentScope, db: OpenDb, agent_session_id: FromPath[str]
) -> AgentOut:
    return await fleet.get_agent(current_scope, db, agent_session_id)


@route("POST", f"{_ONE}/heartbeat", reach="project", tag="fleet")
async def record_agent_heartbeat(
    current_scope: CurrentScope, db: OpenDb, agent_session_id: FromPath[str]
) -> HeartbeatResult:
    """Brings a stale agent back and shows what it still holds; 409 `agent_released` for one that
    has ended."""
    return await fleet.record_agent_heartbeat(current_scope, db, agent_session_id)


@route("POST", "/api/agents/heartbeats", reach="project", tag="fleet")
async def record_agent_heartbeats(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[AgentHeartbeats]
) -> Page[HeartbeatResult]:
    """Heartbeats of all agents of a machine; one result for each, in the order given."""
    results = await fleet.record_agent_heartbeats(current_scope, db, data.session_ids)
    return Page(results, None)


@route("POST", f"{_ONE}/release", reach="project", tag="fleet")
async def release_claim(
    current_scope: CurrentScope,
    db: OpenDb,
    agent_session_id: FromPath[str],
    data: JSONBody[AgentRelease | None] = None,
) -> AgentOut:
    """409 `no_claim` when the agent holds nothing."""
    reason = (data or AgentRelease()).reason
    await fleet.release_claim(current_scope, db, agent_session_id, reason)
    return await fleet.get_agent(current_scope, db, agent_session_id)


@route("POST", f"{_ONE}/end", reach="project", tag="fleet")
async def end_agent(
    current_scope: CurrentScope, db: OpenDb, agent_session_id: FromPath[str]
) -> AgentOut:
    """Releases what the agent holds. Ending it again changes nothing."""
    await fleet.end_agent(current_scope, db, agent_session_id)
    return await fleet.get_agent(current_scope, db, agent_session_id)


@route("POST", f"{_ONE}/move", reach="project", tag="fleet")
async def move_agent(
    current_scope: CurrentScope, db: OpenDb, agent_session_id: FromPath[str], data: JSONBody[Move]
) -> AgentOut:
    return await fleet.move_agent(current_scope, db, agent_session_id, data.project_id)


@route("GET", "/api/fleet/settings", reach="account", tag="fleet")
async def get_fleet_settings(current_scope: CurrentScope, db: OpenDb) -> FleetSettingsOut:
    return rendered(await fleet.get_fleet_settings(current_scope, db), FleetSettingsOut)


@route("PATCH", "/api/fleet/settings", reach="account", tag="fleet")
async def update_fleet_settings(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[FleetSettingsUpdate]
) -> FleetSettingsOut:
    settings = await fleet.update_fleet_settings(current_scope, db, data)
    return rendered(settings, FleetSettingsOut)
