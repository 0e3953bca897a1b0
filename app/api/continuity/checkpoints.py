from uuid import UUID

from litestar import Response
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import continuity
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, created, route
from app.paging import PageRequest
from app.schemas.base import Page
from app.schemas.continuity import CheckpointInput, CheckpointOut, CheckpointType, Restored
from app.schemas.rendering import rendered, rendered_page

_PATH = "/api/instances/{instance_id:str}/checkpoints"


@route("POST", _PATH, 201, reach="project", tag="checkpoints", also=[200])
async def create_checkpoint(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    data: JSONBody[CheckpointInput],
) -> Response[CheckpointOut]:
    made = await continuity.create_checkpoint(current_scope, db, instance_id, data)
    checkpoint = rendered(made.checkpoint, CheckpointOut)
    location = f"/api/instances/{instance_id}/checkpoints/{checkpoint.checkpoint_id}"
    return created(checkpoint, location, 201 if made.created else 200)


@route("GET", _PATH, reach="project", tag="checkpoints")
async def list_checkpoints(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    checkpoint_type: FromQuery[CheckpointType | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CheckpointOut]:
    page = await continuity.list_checkpoints(
        current_scope, db, instance_id, PageRequest(limit, cursor), checkpoint_type=checkpoint_type
    )
    return rendered_page(page, CheckpointOut)


@route("GET", f"{_PATH}/latest", reach="project", tag="checkpoints")
async def get_latest_checkpoint(
    current_scope: CurrentScope, db: OpenDb, instance_id: FromPath[str]
) -> CheckpointOut:
    checkpoint = await continuity.get_latest_checkpoint(current_scope, db, instance_id)
    return rendered(checkpoint, CheckpointOut)


@route("GET", f"{_PATH}/{{checkpoint_id:uuid}}", reach="project", tag="checkpoints")
async def get_checkpoint(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    checkpoint_id: FromPath[UUID],
) -> CheckpointOut:
    checkpoint = await continuity.get_checkpoint(current_scope, db, instance_id, checkpoint_id)
    return rendered(checkpoint, CheckpointOut)


@route("POST", f"{_PATH}/{{checkpoint_id:uuid}}/restore", reach="project", tag="checkpoints")
async def restore_checkpoint(
    current_scope: CurrentScope,
    db: OpenDb,
    instance_id: FromPath[str],
    checkpoint_id: FromPath[UUID],
) -> Restored:
    """Returns what the checkpoint holds, what happened since, and how to go on, in Markdown."""
    return await continuity.restore_checkpoint(current_scope, db, instance_id, checkpoint_id)


@route("GET", "/api/checkpoints", reach="project", tag="checkpoints")
async def search_checkpoints(
    current_scope: CurrentScope,
    db: OpenDb,
    checkpoint_type: FromQuery[CheckpointType | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CheckpointOut]:
    """Lists checkpoints of all instances, newest first."""
    page = await continuity.search_checkpoints(
        current_scope, db, PageRequest(limit, cursor), checkpoint_type=checkpoint_type
    )
    return rendered_page(page, CheckpointOut)
