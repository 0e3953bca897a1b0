"""The history of claims, and the conflicts between work items."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.contexts import fleet
from app.contexts.fleet import ClaimFilter, ConflictFilter
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, created, route
from app.paging import PageRequest
from app.schemas.base import Page
from app.schemas.fleet import (
    ClaimOut,
    ReleaseReason,
    Severity,
    WorkItemConflictCreate,
    WorkItemConflictOut,
    WorkItemConflictResolve,
)
from app.schemas.rendering import rendered, rendered_page

_CONFLICT = "/api/work-item-conflicts/{conflict_id:int}"


_CLAIM_FILTERS = query_filters(
    ClaimFilter,
    work_item=str | None,
    session_id=str | None,
    live=bool | None,
    release_reason=ReleaseReason | None,
)
_CONFLICT_FILTERS = query_filters(
    ConflictFilter,
    work_item=str | None,
    severity=Severity | None,
    resolved=bool | None,
)


@route("GET", "/api/claims", reach="project", tag="fleet", dependencies=_CLAIM_FILTERS)
async def list_claims(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[ClaimFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClaimOut]:
    """The last claim first."""
    page = await fleet.list_claims(current_scope, db, PageRequest(limit, cursor), filters)
    return rendered_page(page, ClaimOut)


@route("GET", "/api/claims/{claim_id:int}", reach="project", tag="fleet")
async def get_claim(current_scope: CurrentScope, db: OpenDb, claim_id: FromPath[int]) -> ClaimOut:
    """Lets a holder check its fencing token before it does anything irreversible."""
    return rendered(await fleet.get_claim(current_scope, db, claim_id), ClaimOut)


@route(
    "GET", "/api/work-item-conflicts", reach="project", tag="fleet", dependencies=_CONFLICT_FILTERS
)
async def list_work_item_conflicts(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[ConflictFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WorkItemConflictOut]:
    """The last reported first. `work_item` matches either item of the pair."""
    request = PageRequest(limit, cursor)
    page = await fleet.list_work_item_conflicts(current_scope, db, request, filters)
    return rendered_page(page, WorkItemConflictOut)


@route("POST", "/api/work-item-conflicts", 201, reach="project", tag="fleet", also=[200])
async def create_work_item_conflict(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[WorkItemConflictCreate]
) -> Response[WorkItemConflictOut]:
    """Reporting a conflict again updates it (200), and reopens it if it was resolved."""
    reported = await fleet.create_work_item_conflict(current_scope, db, data)
    conflict = rendered(reported.conflict, WorkItemConflictOut)
    location = f"/api/work-item-conflicts/{conflict.id}"
    return created(conflict, location, 201 if reported.created else 200)


@route("GET", _CONFLICT, reach="project", tag="fleet")
async def get_work_item_conflict(
    current_scope: CurrentScope, db: OpenDb, conflict_id: FromPath[int]
) -> WorkItemConflictOut:
    conflict = await fleet.get_work_item_conflict(current_scope, db, conflict_id)
    return rendered(conflict, WorkItemConflictOut)


@route("POST", f"{_CONFLICT}/resolve", reach="project", tag="fleet")
async def resolve_work_item_conflict(
    current_scope: CurrentScope,
    db: OpenDb,
    conflict_id: FromPath[int],
    data: JSONBody[WorkItemConflictResolve | None] = None,
) -> WorkItemConflictOut:
    """Marks the conflict resolved. Resolving it again changes nothing."""
    notes = None if data is None else data.resolution_notes
    conflict = await fleet.resolve_work_item_conflict(current_scope, db, conflict_id, notes)
    return rendered(conflict, WorkItemConflictOut)
