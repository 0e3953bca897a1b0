"""Runs: from their start until they are finished, after which nothing is added to them."""

import datetime
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from app import feed
from app.cleaning import clean
from app.contexts.runs.keys import refuse_taken_key
from app.contexts.runs.statements import COUNTS
from app.db import Db
from app.errors import Conflict, Invalid
from app.models import Device, OrchestrationNature, Project, Run
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import Page
from app.schemas.runs import RunCounts, RunCreate, RunFinish, RunUpdate
from app.scope import Scope, locked, one, require_visible, update_all


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `device` and `nature` are ids."""

    device: str | None = None
    nature: str | None = None
    finished: bool | None = None
    started_after: datetime.datetime | None = None


async def list_runs(scope: Scope, db: Db, request: PageRequest, filters: RunFilter) -> Page[Run]:
    """Lists runs, the one started last first."""
    statement = scope.select_listed(Run)
    statement = filtered(
        statement, filters, device=Run.device_id, nature=Run.orchestration_nature_id
    )
    if filters.finished is not None:
        finished = Run.orch_finished_at.is_not(None)
        statement = statement.where(finished if filters.finished else ~finished)
    if filters.started_after is not None:
        statement = statement.where(Run.orch_started_at > filters.started_after)
    keys = [Run.orch_started_at, Run.orchestration_session_id]
    return await fetch_page(db, statement, keys, request)


async def get_run(scope: Scope, db: Db, run_id: str) -> Run:
    return await one(db, scope.select(Run).where(Run.orchestration_session_id == run_id))


async def count_evidence(scope: Scope, db: Db, runs: Sequence[Run]) -> list[RunCounts]:
    """Counts in the order of `runs`, which must come from this scope; zero for those deleted
    meanwhile."""
    ids = [run.orchestration_session_id for run in runs]
    rows = await db.driver.fetch(COUNTS, scope.account_id, ids)
    counts = {row["run_id"]: row for row in rows}
    fields = RunCounts.__struct_fields__
    return [RunCounts(**{name: counts[key][name] for name in fields}) for key in ids]


async def create_run(scope: Scope, db: Db, data: RunCreate) -> Run:
    """Raises Conflict `id_taken` or `key_in_other_project`, Invalid for a device or nature that is
    not visible."""
    scope.require_write()
    run_id = data.orchestration_session_id or str(new_uuid())
    await refuse_taken_key(scope, db, Run, Run.orchestration_session_id, run_id)
    device = scope.select(Device).where(Device.device_id == data.device_id)
    if await db.session.scalar(device) is None:
        raise Invalid.field("device_id", "is not a visible device")
    nature = scope.select(OrchestrationNature).where(
        OrchestrationNature.orchestration_nature_id == data.orchestration_nature_id
    )
    if await db.session.scalar(nature) is None:
        raise Invalid.field("orchestration_nature_id", "is not a nature of this account")
    run = scope.build(
        Run,
        orchestration_session_id=run_id,
        device_id=data.device_id,
        orchestration_nature_id=data.orchestration_nature_id,
        version=data.version,
        orch_started_at=data.orch_started_at or await db.now(),
        elaboration=clean(data.elaboration),
        args_json=clean(data.args_json),
        diagnostics_json=clean(data.diagnostics_json),
        diagnostics_md=clean(data.diagnostics_md),
    )
    db.session.add(run)
    await db.session.flush()  # its counts are read by a hot statement
    _record(scope, db, run, "created")
    return run


async def update_run(scope: Scope, db: Db, run_id: str, data: RunUpdate) -> Run:
    """Raises Conflict `run_finished`."""
    scope.require_write()
    run = await lock_unfinished(scope, db, run_id)
    _apply_diagnostics(run, data)
    if data.elaboration is not UNSET:
        run.elaboration = clean(data.elaboration)
    _record(scope, db, run, "updated")
    return run


async def finish_run(scope: Scope, db: Db, run_id: str, data: RunFinish) -> Run:
    """Raises Conflict `run_finished`, Invalid for an end before the start."""
    scope.require_write()
    run = await lock_unfinished(scope, db, run_id)
    # The clock may have been set back since the run started.
    finished_at = data.orch_finished_at or max(await db.now(), run.orch_started_at)
    if finished_at < run.orch_started_at:
        raise Invalid.field("orch_finished_at", "must not be before orch_started_at")
    run.orch_finished_at = finished_at.astimezone(datetime.UTC)
    _apply_diagnostics(run, data)
    _record(scope, db, run, "finished")
    return run


async def delete_run(scope: Scope, db: Db, run_id: str) -> None:
    """Deletes all its evidence too. The feed records who did."""
    run = await _locked(scope, db, run_id)
    scope.require_admin()
    await db.session.delete(run)
    _record(scope, db, run, "deleted")


async def move_run(scope: Scope, db: Db, run_id: str, project_id: int | None) -> Run:
    """Moves it to another project or to none. Raises Invalid for a project that is not visible."""
    run = await _locked(scope, db, run_id)
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    run.project_id = project_id
    _record(scope, db, run, "moved")
    return run


async def detach_runs(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's runs."""
    scope.require_write()
    for run in await update_all(scope, db, Run, Run.project_id == project_id, project_id=None):
        _record(scope, db, run, "moved")


async def lock_unfinished(scope: Scope, db: Db, run_id: str) -> Run:
    """Locks the run, so that its evidence is added one transaction after the other. Raises Conflict
    `run_finished`."""
    run = await _locked(scope, db, run_id)
    if run.orch_finished_at is not None:
        raise Conflict("The run is finished.", code="run_finished")
    return run


async def _locked(scope: Scope, db: Db, run_id: str) -> Run:
    statement = scope.select(Run).where(Run.orchestration_session_id == run_id)
    return await locked(db, statement)


def _apply_diagnostics(run: Run, data: RunUpdate | RunFinish) -> None:
    if data.diagnostics_json is not UNSET:
        run.diagnostics_json = clean(data.diagnostics_json)
    if data.diagnostics_md is not UNSET:
        run.diagnostics_md = clean(data.diagnostics_md)


def _record(scope: Scope, db: Db, run: Run, event: str) -> None:
    feed.record(
        scope,
        db,
        f"run.{event}",
        run.orchestration_session_id,
        project_id=run.project_id,
        device_id=run.device_id,
        finished=run.orch_finished_at is not None,
    )
