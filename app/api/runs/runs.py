from typing import TypeVar

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import runs
from app.contexts.runs import RunFilter
from app.db import Db
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, Moment, created, location, route
from app.models import Run
from app.paging import PageRequest
from app.schemas.base import Move, Page
from app.schemas.rendering import rendered_page
from app.schemas.reports import REPORTS, ReportRow
from app.schemas.runs import RunCounts, RunCreate, RunFinish, RunOut, RunSummary, RunUpdate
from app.scope import Scope

Shown = TypeVar("Shown", bound=RunSummary)

_FILTERS = query_filters(
    RunFilter,
    device=str | None,
    nature=str | None,
    finished=bool | None,
    started_after=Moment,
)


@route("GET", "/api/runs", reach="project", tag="runs", dependencies=_FILTERS)
async def list_runs(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[RunFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """The last started first. `device` and `nature` are ids."""
    page = await runs.list_runs(current_scope, db, PageRequest(limit, cursor), filters)
    counts = await runs.count_evidence(current_scope, db, page.data)
    rows = [_shown(run, c, RunSummary) for run, c in zip(page.data, counts, strict=True)]
    return Page(rows, page.next_cursor)


@route("POST", "/api/runs", 201, reach="project", tag="runs")
async def create_run(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[RunCreate]
) -> Response[RunOut]:
    run = await runs.create_run(current_scope, db, data)
    where = location("/api/runs", run.orchestration_session_id)
    return created(await _out(current_scope, db, run), where)


@route("GET", "/api/runs/{run_id:str}", reach="project", tag="runs")
async def get_run(current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str]) -> RunOut:
    return await _out(current_scope, db, await runs.get_run(current_scope, db, run_id))


@route("PATCH", "/api/runs/{run_id:str}", reach="project", tag="runs", also=[409])
async def update_run(
    current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str], data: JSONBody[RunUpdate]
) -> RunOut:
    return await _out(current_scope, db, await runs.update_run(current_scope, db, run_id, data))


@route("DELETE", "/api/runs/{run_id:str}", 204, reach="project", tag="runs")
async def delete_run(current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str]) -> None:
    await runs.delete_run(current_scope, db, run_id)


@route("POST", "/api/runs/{run_id:str}/finish", reach="project", tag="runs")
async def finish_run(
    current_scope: CurrentScope,
    db: OpenDb,
    run_id: FromPath[str],
    data: JSONBody[RunFinish | None] = None,
) -> RunOut:
    run = await runs.finish_run(current_scope, db, run_id, data or RunFinish())
    return await _out(current_scope, db, run)


@route("POST", "/api/runs/{run_id:str}/move", reach="project", tag="runs")
async def move_run(
    current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str], data: JSONBody[Move]
) -> RunOut:
    run = await runs.move_run(current_scope, db, run_id, data.project_id)
    return await _out(current_scope, db, run)


@route(
    "GET",
    "/api/runs/{run_id:str}/report.md",
    reach="project",
    tag="runs",
    media_type="text/markdown",
)
async def render_run(current_scope: CurrentScope, db: OpenDb, run_id: FromPath[str]) -> str:
    """Renders one run as Markdown for a person to read."""
    return await runs.render_run(current_scope, db, run_id)


@route("GET", "/api/runs/reports/{name:str}", reach="project", tag="runs")
async def get_run_report(
    current_scope: CurrentScope,
    db: OpenDb,
    name: FromPath[str],
    run: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReportRow]:
    """`name` is one of `REPORTS`; `run` narrows the report to one run. Rows are ordered by what
    they are about, ascending."""
    request = PageRequest(limit, cursor)
    page = await runs.get_run_report(current_scope, db, name, request, run_id=run)
    return rendered_page(page, REPORTS[name])


async def _out(scope: Scope, db: Db, run: Run) -> RunOut:
    [counts] = await runs.count_evidence(scope, db, [run])
    return _shown(run, counts, RunOut)


def _shown(run: Run, counts: RunCounts, schema: type[Shown]) -> Shown:
    shown = {f: getattr(run, f) for f in schema.__struct_fields__ if hasattr(run, f)}
    return schema(**{**shown, **msgspec.structs.asdict(counts)})
