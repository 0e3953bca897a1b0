"""The logs of instances: events and commands."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.contexts import continuity
from app.contexts.continuity import CommandFilter, EventFilter
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, Moment, created, route
from app.paging import PageRequest
from app.schemas.base import Batch, Page
from app.schemas.continuity import (
    CommandLogBatch,
    CommandLogInput,
    EventBatch,
    EventInput,
    EventOut,
    EventType,
    EventTypeOut,
    LoggedCommandOut,
)
from app.schemas.rendering import rendered, rendered_page


@route("GET", "/api/instances/event-types", reach="project", tag="events")
async def list_instance_event_types() -> Page[EventTypeOut]:
    return Page(continuity.EVENT_TYPES, None)


_EVENT_FILTERS = query_filters(
    EventFilter,
    event_type=list[EventType] | None,
    since=Moment,
    until=Moment,
    q=str | None,
)
_COMMAND_FILTERS = query_filters(
    CommandFilter,
    command_type=str | None,
    action=str | None,
    tool_name=str | None,
    success=bool | None,
    tag=list[str] | None,
    since=Moment,
    until=Moment,
)


@route(
    "POST",
    "/api/instances/{instance_id:str}/events",
    201,
    reach="project",
    tag="events",
    also=[200],
)
async def emit_instance_events(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[EventInput | EventBatch],
) -> Response[EventOut | Batch[EventOut]]:
    """Takes one event or an array of up to 500, all or nothing."""
    posted = [data] if isinstance(data, EventInput) else data
    emitted = await continuity.emit_instance_events(current_scope, db, instance_id, posted)
    events = [rendered(event, EventOut) for event in emitted.events]
    content = events[0] if isinstance(data, EventInput) else Batch(events)
    location = f"/api/instances/{instance_id}/events"
    return created(content, location, 201 if emitted.new else 200)


@route(
    "GET",
    "/api/instances/{instance_id:str}/events",
    reach="project",
    tag="events",
    dependencies=_EVENT_FILTERS,
)
async def list_instance_events(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    filters: NamedDependency[EventFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventOut]:
    """Lowest sequence number first. `q` searches data and metadata."""
    request = PageRequest(limit, cursor)
    page = await continuity.list_instance_events(current_scope, db, instance_id, request, filters)
    return rendered_page(page, EventOut)


@route("GET", "/api/events", reach="project", tag="events", dependencies=_EVENT_FILTERS)
async def search_instance_events(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[EventFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventOut]:
    """Lists events of all instances, newest first."""
    page = await continuity.search_instance_events(
        current_scope, db, PageRequest(limit, cursor), filters
    )
    return rendered_page(page, EventOut)


@route("POST", "/api/instances/{instance_id:str}/commands", 201, reach="project", tag="commands")
async def log_instance_commands(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[CommandLogInput | CommandLogBatch],
) -> Response[LoggedCommandOut | Batch[LoggedCommandOut]]:
    """Takes one command or an array of up to 500, all or nothing."""
    posted = [data] if isinstance(data, CommandLogInput) else data
    logged = await continuity.log_instance_commands(current_scope, db, instance_id, posted)
    commands = [rendered(command, LoggedCommandOut) for command in logged]
    content = commands[0] if isinstance(data, CommandLogInput) else Batch(commands)
    return created(content, f"/api/instances/{instance_id}/commands")


@route(
    "GET",
    "/api/instances/{instance_id:str}/commands",
    reach="project",
    tag="commands",
    dependencies=_COMMAND_FILTERS,
)
async def list_instance_commands(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    filters: NamedDependency[CommandFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LoggedCommandOut]:
    """Newest first. A command must have every `tag` given."""
    page = await continuity.search_instance_commands(
        current_scope, db, PageRequest(limit, cursor), filters, instance_id=instance_id
    )
    return rendered_page(page, LoggedCommandOut)


@route("GET", "/api/commands", reach="project", tag="commands", dependencies=_COMMAND_FILTERS)
async def search_instance_commands(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[CommandFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LoggedCommandOut]:
    """Lists commands of all instances, newest first."""
    page = await continuity.search_instance_commands(
        current_scope, db, PageRequest(limit, cursor), filters
    )
    return rendered_page(page, LoggedCommandOut)
