"""What an instance leaves behind: events and commands."""

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import continuity
from app.contexts.continuity import CommandFilter, EventFilter
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, Moment, created, parse_moment, route
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


@route("GET", "/api/instances/event-types", tag="events")
async def list_event_types() -> Page[EventTypeOut]:
    return Page(continuity.EVENT_TYPES, None)


def provide_event_filters(
    event_type: FromQuery[list[EventType] | None] = None,
    since: Moment = None,
    until: Moment = None,
    q: FromQuery[str | None] = None,
) -> EventFilter:
    return EventFilter(
        event_type=event_type,
        since=parse_moment("since", since),
        until=parse_moment("until", until),
        q=q,
    )


def provide_command_filters(
    command_type: FromQuery[str | None] = None,
    action: FromQuery[str | None] = None,
    tool_name: FromQuery[str | None] = None,
    success: FromQuery[bool | None] = None,
    tag: FromQuery[list[str] | None] = None,
    since: Moment = None,
    until: Moment = None,
) -> CommandFilter:
    return CommandFilter(
        command_type=command_type,
        action=action,
        tool_name=tool_name,
        success=success,
        tags=tag,
        since=parse_moment("since", since),
        until=parse_moment("until", until),
    )


_EVENT_FILTERS = {"filters": Provide(provide_event_filters, sync_to_thread=False)}
_COMMAND_FILTERS = {"filters": Provide(provide_command_filters, sync_to_thread=False)}


@route("POST", "/api/instances/{instance_id:str}/events", 201, tag="events", also=[200])
async def emit_events(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[EventInput | EventBatch],
) -> Response[EventOut | Batch[EventOut]]:
    """One event or an array of up to 500, all or nothing."""
    posted = [data] if isinstance(data, EventInput) else data
    emitted = await continuity.emit_events(current_scope, db, instance_id, posted)
    events = [rendered(event, EventOut) for event in emitted.events]
    content = events[0] if isinstance(data, EventInput) else Batch(events)
    location = f"/api/instances/{instance_id}/events"
    return created(content, location, 201 if emitted.new else 200)


@route("GET", "/api/instances/{instance_id:str}/events", tag="events", dependencies=_EVENT_FILTERS)
async def list_instance_events(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    filters: NamedDependency[EventFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventOut]:
    """By sequence, the first one first. `q` is searched for in data and metadata."""
    request = PageRequest(limit, cursor)
    page = await continuity.list_instance_events(current_scope, db, instance_id, request, filters)
    return rendered_page(page, EventOut)


@route("GET", "/api/events", tag="events", dependencies=_EVENT_FILTERS)
async def search_events(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[EventFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventOut]:
    """Of all instances, newest first."""
    page = await continuity.search_events(current_scope, db, PageRequest(limit, cursor), filters)
    return rendered_page(page, EventOut)


@route("POST", "/api/instances/{instance_id:str}/commands", 201, tag="commands")
async def log_commands(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[CommandLogInput | CommandLogBatch],
) -> Response[LoggedCommandOut | Batch[LoggedCommandOut]]:
    """One command or an array of up to 500, all or nothing."""
    posted = [data] if isinstance(data, CommandLogInput) else data
    logged = await continuity.log_commands(current_scope, db, instance_id, posted)
    commands = [rendered(command, LoggedCommandOut) for command in logged]
    content = commands[0] if isinstance(data, CommandLogInput) else Batch(commands)
    return created(content, f"/api/instances/{instance_id}/commands")


@route(
    "GET",
    "/api/instances/{instance_id:str}/commands",
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
    """Newest first. Several `tag`s must all be there."""
    page = await continuity.search_commands(
        current_scope, db, PageRequest(limit, cursor), filters, instance_id=instance_id
    )
    return rendered_page(page, LoggedCommandOut)


@route("GET", "/api/commands", tag="commands", dependencies=_COMMAND_FILTERS)
async def search_commands(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[CommandFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LoggedCommandOut]:
    """Of all instances, newest first."""
    page = await continuity.search_commands(current_scope, db, PageRequest(limit, cursor), filters)
    return rendered_page(page, LoggedCommandOut)
