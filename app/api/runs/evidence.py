"""What a run leaves behind: one row or an array of up to 1,000, all or nothing; lists are in the
order of posting."""

from collections.abc import Sequence
from typing import TypeVar

from litestar import Response
from litestar.params import FromPath, JSONBody

from app.contexts import runs
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, created, location, route
from app.models.evidence import Evidence
from app.paging import PageRequest
from app.schemas.base import Batch, Page
from app.schemas.evidence import (
    EntryBatch,
    EntryInput,
    EntryOut,
    ExecBatch,
    ExecInput,
    ExecOut,
    IssueBatch,
    IssueInput,
    IssueOut,
    IssueRelationBatch,
    IssueRelationInput,
    IssueRelationOut,
    LogBatch,
    LogInput,
    LogOut,
    StateBatch,
    StateInput,
    StateOut,
)
from app.schemas.rendering import rendered, rendered_page

Out = TypeVar("Out")


@route("GET", "/api/runs/{run_id:str}/entries", tag="evidence")
async def list_run_entries(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EntryOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(await runs.list_run_entries(current_scope, db, run_id, request), EntryOut)


@route("POST", "/api/runs/{run_id:str}/entries", 201, tag="evidence")
async def add_run_entries(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[EntryInput | EntryBatch],
) -> Response[EntryOut | Batch[EntryOut]]:
    rows = await runs.add_run_entries(current_scope, db, run_id, data)
    return _added(run_id, "entries", rows, EntryOut, single=isinstance(data, EntryInput))


@route("GET", "/api/runs/{run_id:str}/states", tag="evidence")
async def list_run_states(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StateOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(await runs.list_run_states(current_scope, db, run_id, request), StateOut)


@route("POST", "/api/runs/{run_id:str}/states", 201, tag="evidence")
async def add_run_states(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[StateInput | StateBatch],
) -> Response[StateOut | Batch[StateOut]]:
    rows = await runs.add_run_states(current_scope, db, run_id, data)
    return _added(run_id, "states", rows, StateOut, single=isinstance(data, StateInput))


@route("GET", "/api/runs/{run_id:str}/execs", tag="evidence")
async def list_run_execs(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExecOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(await runs.list_run_execs(current_scope, db, run_id, request), ExecOut)


@route("POST", "/api/runs/{run_id:str}/execs", 201, tag="evidence", nul_allowed_in="*")
async def add_run_execs(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[ExecInput | ExecBatch],
) -> Response[ExecOut | Batch[ExecOut]]:
    rows = await runs.add_run_execs(current_scope, db, run_id, data)
    return _added(run_id, "execs", rows, ExecOut, single=isinstance(data, ExecInput))


@route("GET", "/api/runs/{run_id:str}/issues", tag="evidence")
async def list_run_issues(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[IssueOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(await runs.list_run_issues(current_scope, db, run_id, request), IssueOut)


@route("POST", "/api/runs/{run_id:str}/issues", 201, tag="evidence", nul_allowed_in="*")
async def add_run_issues(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[IssueInput | IssueBatch],
) -> Response[IssueOut | Batch[IssueOut]]:
    rows = await runs.add_run_issues(current_scope, db, run_id, data)
    return _added(run_id, "issues", rows, IssueOut, single=isinstance(data, IssueInput))


@route("GET", "/api/runs/{run_id:str}/issue-relations", tag="evidence")
async def list_run_issue_relations(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[IssueRelationOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(
        await runs.list_run_issue_relations(current_scope, db, run_id, request), IssueRelationOut
    )


@route("POST", "/api/runs/{run_id:str}/issue-relations", 201, tag="evidence")
async def add_run_issue_relations(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[IssueRelationInput | IssueRelationBatch],
) -> Response[IssueRelationOut | Batch[IssueRelationOut]]:
    rows = await runs.add_run_issue_relations(current_scope, db, run_id, data)
    return _added(
        run_id,
        "issue-relations",
        rows,
        IssueRelationOut,
        single=isinstance(data, IssueRelationInput),
    )


@route("GET", "/api/runs/{run_id:str}/logs", tag="evidence")
async def list_run_logs(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LogOut]:
    """In the order of posting."""
    request = PageRequest(limit, cursor)
    return rendered_page(await runs.list_run_logs(current_scope, db, run_id, request), LogOut)


@route("POST", "/api/runs/{run_id:str}/logs", 201, tag="evidence", nul_allowed_in="*")
async def add_run_logs(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[LogInput | LogBatch],
) -> Response[LogOut | Batch[LogOut]]:
    rows = await runs.add_run_logs(current_scope, db, run_id, data)
    return _added(run_id, "logs", rows, LogOut, single=isinstance(data, LogInput))


def _added(
    run_id: str, kind: str, rows: Sequence[Evidence], schema: type[Out], *, single: bool
) -> Response[Out | Batch[Out]]:
    shown = [rendered(row, schema) for row in rows]
    content = shown[0] if single else Batch(shown)
    return created(content, f"{location('/api/runs', run_id)}/{kind}")
