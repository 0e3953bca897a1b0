from typing import Annotated

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.contexts import fleet
from app.contexts.fleet import WorkItemFilter
from app.errors import Invalid
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.responses import Answer
from app.http.routing import Cursor, Limit, created, location, route
from app.paging import PageRequest
from app.schemas.base import Move, Page
from app.schemas.fleet import (
    Availability,
    Claimable,
    Granted,
    NextClaim,
    Track,
    TrackOut,
    WorkItemClaim,
    WorkItemComplete,
    WorkItemCreate,
    WorkItemOut,
    WorkItemRow,
    WorkItemStatus,
    WorkItemUpdate,
)

_ONE = "/api/work-items/{work_item_key:str}"
SessionId = Annotated[
    str | None, QueryParameter(min_length=1, max_length=200, description="Required.")
]


_FILTERS = query_filters(
    WorkItemFilter,
    availability=list[Availability] | None,
    status=list[WorkItemStatus] | None,
    track=Track | None,
)


@route("GET", "/api/work-items", reach="project", tag="fleet", dependencies=_FILTERS)
async def list_work_items(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[WorkItemFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WorkItemRow]:
    """What can be done next comes first: by availability, track, rank and key. An item whose
    availability changes meanwhile may be missed between two pages."""
    return await fleet.list_work_items(current_scope, db, PageRequest(limit, cursor), filters)


@route("POST", "/api/work-items", 201, reach="project", tag="fleet")
async def create_work_item(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[WorkItemCreate]
) -> Response[WorkItemOut]:
    item = await fleet.create_work_item(current_scope, db, data)
    return created(item, location("/api/work-items", item.key))


@route("POST", "/api/work-items/claim-next", reach="project", tag="fleet")
async def claim_next_work_item(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[NextClaim]
) -> Response[Granted | None]:
    """Claims the best item that can be claimed, a different one for each agent; 204 when there is
    nothing to do. An agent that already holds an item gets it again."""
    granted = await fleet.claim_next_work_item(current_scope, db, data.session_id, data.track)
    return Answer(granted, status_code=204 if granted is None else 200)


@route("GET", _ONE, reach="project", tag="fleet")
async def get_work_item(
    current_scope: CurrentScope, db: OpenDb, work_item_key: FromPath[str]
) -> WorkItemOut:
    return await fleet.get_work_item(current_scope, db, work_item_key)


@route("PATCH", _ONE, reach="project", tag="fleet")
async def update_work_item(
    current_scope: CurrentScope,
    db: OpenDb,
    work_item_key: FromPath[str],
    data: JSONBody[WorkItemUpdate],
) -> WorkItemOut:
    return await fleet.update_work_item(current_scope, db, work_item_key, data)


@route("DELETE", _ONE, 204, reach="project", tag="fleet", also=[409])
async def delete_work_item(
    current_scope: CurrentScope, db: OpenDb, work_item_key: FromPath[str]
) -> None:
    """Deletes its claims and conflicts too; 409 `already_claimed` while an agent holds it."""
    await fleet.delete_work_item(current_scope, db, work_item_key)


@route("GET", f"{_ONE}/can-claim", reach="project", tag="fleet")
async def can_claim_work_item(
    current_scope: CurrentScope,
    db: OpenDb,
    work_item_key: FromPath[str],
    session_id: SessionId = None,
) -> Claimable:
    """Answers what a claim would be answered now, without making it."""
    if session_id is None:
        raise Invalid.field("session_id", "is required")
    return await fleet.can_claim_work_item(current_scope, db, work_item_key, session_id)


@route("POST", f"{_ONE}/claim", reach="project", tag="fleet")
async def claim_work_item(
    current_scope: CurrentScope,
    db: OpenDb,
    work_item_key: FromPath[str],
    data: JSONBody[WorkItemClaim],
) -> Granted:
    """409 `already_claimed`, `conflict`, `work_item_closed` or `agent_released`."""
    return await fleet.claim_work_item(current_scope, db, work_item_key, data)


@route("POST", f"{_ONE}/complete", reach="project", tag="fleet")
async def complete_work_item(
    current_scope: CurrentScope,
    db: OpenDb,
    work_item_key: FromPath[str],
    data: JSONBody[WorkItemComplete | None] = None,
) -> WorkItemOut:
    """Closes its claim; 409 `claim_lost` for a fencing token other than the live claim's."""
    token = None if data is None else data.fencing_token
    return await fleet.complete_work_item(current_scope, db, work_item_key, token)


@route("POST", f"{_ONE}/move", reach="project", tag="fleet")
async def move_work_item(
    current_scope: CurrentScope, db: OpenDb, work_item_key: FromPath[str], data: JSONBody[Move]
) -> WorkItemOut:
    return await fleet.move_work_item(current_scope, db, work_item_key, data.project_id)


@route("GET", "/api/tracks", reach="project", tag="fleet")
async def list_tracks(current_scope: CurrentScope, db: OpenDb) -> Page[TrackOut]:
    """Returns all four tracks."""
    return Page(await fleet.list_tracks(current_scope, db), None)
