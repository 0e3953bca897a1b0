from typing import Annotated

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.contexts import continuity
from app.contexts.continuity import InstanceFilter
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, created, route
from app.paging import PageRequest
from app.schemas.base import MAX_BIGINT, Page
from app.schemas.continuity import (
    Heartbeat,
    HeartbeatOut,
    InstanceOut,
    InstanceRegister,
    InstanceStatus,
    InstanceType,
    ReplayOut,
    Resumed,
    ResumeInput,
    TimelineEntry,
)
from app.schemas.rendering import rendered, rendered_page
from app.schemas.retention import ContinuitySettingsOut, ContinuitySettingsUpdate

Sequence = Annotated[int | None, QueryParameter(ge=0, le=MAX_BIGINT)]
Seconds = Annotated[int | None, QueryParameter(ge=0, le=10**9)]


_FILTERS = query_filters(
    InstanceFilter,
    project=str | None,
    status=list[InstanceStatus] | None,
    instance_type=InstanceType | None,
    silent_seconds=Seconds,
)


@route("GET", "/api/instances", reach="project", tag="instances", dependencies=_FILTERS)
async def list_instances(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[InstanceFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InstanceOut]:
    """Newest first. `silent_seconds` keeps instances without a heartbeat for longer than that."""
    page = await continuity.list_instances(current_scope, db, PageRequest(limit, cursor), filters)
    return rendered_page(page, InstanceOut)


@route("POST", "/api/instances", 201, reach="project", tag="instances", also=[200])
async def register_instance(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[InstanceRegister]
) -> Response[InstanceOut]:
    """201 for a new instance; registering the same id again returns the instance as it is."""
    registered = await continuity.register_instance(current_scope, db, data)
    instance = rendered(registered.instance, InstanceOut)
    location = f"/api/instances/{instance.instance_id}"
    return created(instance, location, 201 if registered.created else 200)


@route("GET", "/api/instances/{instance_id:str}", reach="project", tag="instances", also=[409])
async def find_instance(
    current_scope: CurrentScope, db: OpenDb, instance_id: FromPath[str]
) -> InstanceOut:
    """Finds an instance by its id or the beginning of it; 409 with up to ten `matches` when several
    ids begin so."""
    return rendered(await continuity.find_instance(current_scope, db, instance_id), InstanceOut)


@route("DELETE", "/api/instances/{instance_id:str}", 204, reach="project", tag="instances")
async def delete_instance(
    current_scope: CurrentScope, db: OpenDb, instance_id: FromPath[str]
) -> None:
    await continuity.delete_instance(current_scope, db, instance_id)


@route("POST", "/api/instances/{instance_id:str}/heartbeat", reach="project", tag="instances")
async def record_instance_heartbeat(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[Heartbeat | None] = None,
) -> HeartbeatOut:
    """Fields that are left out stay as they are; null clears the epic."""
    instance = await continuity.record_instance_heartbeat(
        current_scope, db, instance_id, data or Heartbeat()
    )
    advised = instance.context_percent >= continuity.CHECKPOINT_ADVISED_PERCENT
    fields = msgspec.structs.asdict(rendered(instance, InstanceOut))
    return HeartbeatOut(**fields, checkpoint_advised=advised)


@route("POST", "/api/instances/{instance_id:str}/close", reach="project", tag="instances")
async def close_instance(
    current_scope: CurrentScope, db: OpenDb, instance_id: FromPath[str]
) -> InstanceOut:
    return rendered(await continuity.close_instance(current_scope, db, instance_id), InstanceOut)


@route("GET", "/api/instances/{instance_id:str}/replay", reach="project", tag="instances")
async def replay_instance_events(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    to_sequence: Sequence = None,
) -> ReplayOut:
    """The state after event `to_sequence`, by default the newest."""
    return await continuity.replay_instance_events(
        current_scope, db, instance_id, to_sequence=to_sequence
    )


@route("GET", "/api/instances/{instance_id:str}/timeline", reach="project", tag="instances")
async def list_instance_timeline(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TimelineEntry]:
    """Events, commands and checkpoints merged by time, newest first."""
    request = PageRequest(limit, cursor)
    return await continuity.list_instance_timeline(current_scope, db, instance_id, request)


@route("POST", "/api/instances/resume", reach="project", tag="instances")
async def resume_instance(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[ResumeInput | None] = None
) -> Resumed:
    """Returns a hand-off, or `choices` when the hint matches several instances."""
    hint = None if data is None else data.hint
    return await continuity.resume_instance(current_scope, db, hint)


@route("GET", "/api/continuity/settings", reach="account", tag="instances")
async def get_continuity_settings(current_scope: CurrentScope, db: OpenDb) -> ContinuitySettingsOut:
    settings = await continuity.get_continuity_settings(current_scope, db)
    return rendered(settings, ContinuitySettingsOut)


@route("PATCH", "/api/continuity/settings", reach="account", tag="instances")
async def update_continuity_settings(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[ContinuitySettingsUpdate]
) -> ContinuitySettingsOut:
    settings = await continuity.update_continuity_settings(current_scope, db, data)
    return rendered(settings, ContinuitySettingsOut)
