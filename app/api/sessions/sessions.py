from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.contexts import sessions
from app.contexts.sessions import Appended, AppendQueue, SessionFilter, Window
from app.errors import Invalid
from app.http.body import ApiRequest
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, Moment, OptionalId, created, route
from app.http.unit_of_work import unit_of
from app.paging import PageRequest
from app.schemas.base import MAX_BIGINT, Batch, Move, Page
from app.schemas.sessions import (
    Agent,
    Environment,
    Interaction,
    InteractionBatch,
    InteractionInput,
    SessionCancel,
    SessionCreate,
    SessionFail,
    SessionOut,
    SessionStatus,
    SessionSummary,
    SessionUpdate,
)

MAX_INTERACTIONS = 1000
Seq = Annotated[int | None, QueryParameter(ge=0, le=MAX_BIGINT)]


_FILTERS = query_filters(
    SessionFilter,
    status=list[SessionStatus] | None,
    type=str | None,
    agent=Agent | None,
    client=str | None,
    environment=Environment | None,
    component_id=OptionalId,
    project_id=OptionalId,
    user_id=OptionalId,
    external_id=str | None,
    needs_input=bool | None,
    updated_after=Moment,
    q=str | None,
)


@route("GET", "/api/sessions", reach="project", tag="sessions", hot=True, dependencies=_FILTERS)
async def list_sessions(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[SessionFilter],
    sort: FromQuery[Literal["updated_at", "id"]] = "updated_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SessionSummary]:
    """Newest `updated_at` first. A session that changes while you page can be missed or seen
    twice; `sort=id` pages over what never changes."""
    return await sessions.list_sessions(
        current_scope, db, PageRequest(limit, cursor), filters, by_id=sort == "id"
    )


@route("POST", "/api/sessions", 201, reach="project", tag="sessions")
async def create_session(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[SessionCreate]
) -> Response[SessionOut]:
    session = await sessions.create_session(current_scope, db, data)
    return created(_with_interactions(session, []), f"/api/sessions/{session.id}")


@route("GET", "/api/sessions/{session_id:int}", reach="project", tag="sessions", hot=True)
async def get_session(
    current_scope: CurrentScope,
    db: OpenDb,
    session_id: FromPath[int],
    interactions: Annotated[
        str,
        QueryParameter(
            pattern=r"^(none|all|[0-9]{1,4})$(?!\n)", description="none, all, or 1–1000"
        ),
    ] = "50",
) -> SessionOut:
    """Includes its newest interactions, oldest of them first."""
    session = await sessions.get_session(current_scope, db, session_id)
    limit = _interaction_limit(interactions, session.interaction_count)
    window = Window(limit=limit)
    newest = (
        await sessions.list_interactions(current_scope, db, session_id, window) if limit else []
    )
    return _with_interactions(session, list(newest[::-1]))


@route("PATCH", "/api/sessions/{session_id:int}", reach="project", tag="sessions")
async def update_session(
    current_scope: CurrentScope,
    db: OpenDb,
    session_id: FromPath[int],
    data: JSONBody[SessionUpdate],
) -> SessionSummary:
    return await sessions.update_session(current_scope, db, session_id, data)


@route("DELETE", "/api/sessions/{session_id:int}", 204, reach="project", tag="sessions")
async def delete_session(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int]
) -> None:
    await sessions.delete_session(current_scope, db, session_id)


@route("POST", "/api/sessions/{session_id:int}/complete", reach="project", tag="sessions")
async def complete_session(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int]
) -> SessionSummary:
    return await sessions.complete_session(current_scope, db, session_id)


@route("POST", "/api/sessions/{session_id:int}/fail", reach="project", tag="sessions")
async def fail_session(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int], data: JSONBody[SessionFail]
) -> SessionSummary:
    return await sessions.fail_session(current_scope, db, session_id, data.reason)


@route("POST", "/api/sessions/{session_id:int}/cancel", reach="project", tag="sessions")
async def cancel_session(
    current_scope: CurrentScope,
    db: OpenDb,
    session_id: FromPath[int],
    data: JSONBody[SessionCancel | None] = None,
) -> SessionSummary:
    reason = None if data is None else data.reason
    return await sessions.cancel_session(current_scope, db, session_id, reason)


@route("POST", "/api/sessions/{session_id:int}/reopen", reach="project", tag="sessions")
async def reopen_session(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int]
) -> SessionSummary:
    return await sessions.reopen_session(current_scope, db, session_id)


@route("POST", "/api/sessions/{session_id:int}/move", reach="project", tag="sessions")
async def move_session(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int], data: JSONBody[Move]
) -> SessionSummary:
    return await sessions.move_session(current_scope, db, session_id, data.project_id)


@route(
    "GET",
    "/api/sessions/{session_id:int}/interactions",
    reach="project",
    tag="interactions",
    hot=True,
)
async def list_interactions(
    current_scope: CurrentScope,
    db: OpenDb,
    session_id: FromPath[int],
    after_seq: Seq = None,
    before_seq: Seq = None,
    order: FromQuery[Literal["asc", "desc"]] = "desc",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Interaction]:
    """Lists the interactions with `after_seq < seq < before_seq`."""
    after, before = after_seq or 0, before_seq
    if cursor is not None:
        position = _seq_cursor(cursor)
        after, before = (position, before) if order == "asc" else (after, position)
    window = Window(after, before, limit + 1, order)
    found = await sessions.list_interactions(current_scope, db, session_id, window)
    shown = found[:limit]
    return Page(list(shown), str(shown[-1].seq) if len(found) > limit else None)


@route(
    "GET",
    "/api/sessions/{session_id:int}/interactions/{interaction_id:uuid}",
    reach="project",
    tag="interactions",
    hot=True,
)
async def get_interaction(
    current_scope: CurrentScope,
    db: OpenDb,
    session_id: FromPath[int],
    interaction_id: FromPath[UUID],
) -> Interaction:
    return await sessions.get_interaction(current_scope, db, session_id, interaction_id)


@route(
    "POST",
    "/api/sessions/{session_id:int}/interactions",
    201,
    reach="project",
    tag="interactions",
    also=[200],
    hot=True,
    nul_allowed_in="result",
)
async def append_interactions(
    request: ApiRequest,
    session_id: FromPath[int],
    data: JSONBody[InteractionInput | InteractionBatch],
) -> Response[Interaction | Batch[Interaction]]:
    """Takes one document or an array of up to 500, all or nothing."""
    posted = [data] if isinstance(data, InteractionInput) else data
    appended = await _append(request, session_id, posted)
    interactions = appended.interactions
    single = isinstance(data, InteractionInput)
    content = interactions[0] if single else Batch(interactions)
    location = f"/api/sessions/{session_id}/interactions"
    if single:
        location = f"{location}/{interactions[0].id}"
    return created(content, location, 201 if appended.created else 200)


async def _append(
    request: ApiRequest, session_id: int, posted: Sequence[InteractionInput]
) -> Appended:
    unit = unit_of(request)
    if not unit.may_share:
        db = await unit.open()
        return await sessions.append_interactions(unit.current_scope, db, session_id, posted)
    queue: AppendQueue = request.app.state.append_queue
    appended, committed = await queue.append(unit.current_scope, session_id, posted)
    unit.answer_when_done(committed)
    return appended


def _with_interactions(session: SessionSummary, interactions: list[Interaction]) -> SessionOut:
    return SessionOut(**msgspec.structs.asdict(session), interactions=interactions)


def _interaction_limit(wanted: str, count: int) -> int:
    """Raises Invalid unless it is none, all or 1–1000."""
    if wanted == "none":
        return 0
    if wanted == "all":
        return count
    if not 1 <= int(wanted) <= MAX_INTERACTIONS:
        raise Invalid.field("interactions", f"must be none, all or 1–{MAX_INTERACTIONS}")
    return int(wanted)


def _seq_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Invalid.field("cursor", "is not a next_cursor of this list")
    return int(cursor)
