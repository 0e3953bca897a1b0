"""Reports about runs. Each is a list, narrowed to the active project like any other."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Float, Select, Text, and_, cast, func
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ColumnElement

from app.db import Db
from app.errors import NotFound
from app.models import (
    Device,
    OrchestrationNature,
    Run,
    RunEntry,
    RunExec,
    RunIssue,
    RunLog,
    RunState,
)
from app.models.evidence import Evidence
from app.paging import PageRequest, fetch_page
from app.schemas.base import Page
from app.schemas.reports import (
    REPORTS,
    DeviceRuns,
    IssueRemediation,
    IssueType,
    NatureExecutions,
    NatureSuccess,
    ReportRow,
    RunDuration,
    RunLogLine,
    RunScripts,
)
from app.scope import Scope

# Characters of a log row, and scripts of one run, that a report shows.
_MAX_CONTENT = 2000
_MAX_SCRIPTS = 100

Runs = Select[Any]


class _Report(NamedTuple):
    """`keys` are columns of the statement that together are unique; they order the rows,
    ascending."""

    statement: Callable[[Scope, Runs], Select[Any]]
    keys: Sequence[str]


async def get_run_report(
    scope: Scope, db: Db, name: str, request: PageRequest, *, run_id: str | None = None
) -> Page[Any]:
    """`name` is one of `REPORTS`, whose struct names the columns. Raises NotFound for another."""
    if name not in REPORTS:
        raise NotFound
    report = _REPORTS[REPORTS[name]]
    runs = scope.select_listed(Run)
    if run_id is not None:
        runs = runs.where(Run.orchestration_session_id == run_id)
    table = report.statement(scope, runs).subquery()
    columns = dict[str, Any](table.c.items())
    keys = [columns[key] for key in report.keys]
    shown = list(columns.values())
    return await fetch_page(db, table.select(), keys, request, descending=False, columns=shown)


def _by_device(scope: Scope, runs: Runs) -> Select[Any]:
    # A device may have moved to a project that the caller cannot see.
    device = scope.select(Device).subquery()
    return (
        runs.outerjoin(device, device.c.device_id == Run.device_id)
        .with_only_columns(Run.device_id, device.c.name, func.count().label("session_count"))
        .group_by(Run.device_id, device.c.name)
    )


def _duration(_: Scope, runs: Runs) -> Select[Any]:
    elapsed = func.extract("epoch", Run.orch_finished_at - Run.orch_started_at)
    return runs.where(Run.orch_finished_at.is_not(None)).with_only_columns(
        Run.orchestration_session_id,
        Run.device_id,
        Run.orchestration_nature_id,
        Run.orch_started_at,
        Run.orch_finished_at,
        cast(elapsed, Float).label("duration_seconds"),
    )


def _success_rate(scope: Scope, runs: Runs) -> Select[Any]:
    last = (
        scope.select(RunState)
        .where(RunState.session_entry_id.is_(None))
        .with_only_columns(RunState.session_id, func.lower(RunState.to_state).label("state"))
        .distinct(RunState.session_id)
        .order_by(RunState.session_id, RunState.position.desc())
        .subquery()
    )
    completed = func.count().filter(last.c.state == "completed")
    failed = func.count().filter(last.c.state == "failed")
    nature = and_(
        OrchestrationNature.account_id == Run.account_id,
        OrchestrationNature.orchestration_nature_id == Run.orchestration_nature_id,
    )
    return (
        runs.join(OrchestrationNature, nature)
        .outerjoin(last, last.c.session_id == Run.orchestration_session_id)
        .with_only_columns(
            OrchestrationNature.orchestration_nature_id,
            OrchestrationNature.nature,
            func.count().label("session_count"),
            completed.label("completed"),
            failed.label("failed"),
            _rate(completed, completed + failed).label("success_rate"),
        )
        .group_by(OrchestrationNature.orchestration_nature_id, OrchestrationNature.nature)
    )


def _scripts(_: Scope, runs: Runs) -> Select[Any]:
    sources = func.array_agg(
        aggregate_order_by(RunEntry.ingest_src, RunEntry.position), type_=ARRAY(Text)
    )
    return (
        runs.outerjoin(RunEntry, _of_run(RunEntry))
        .with_only_columns(
            Run.orchestration_session_id,
            func.count(RunEntry.position).label("entry_count"),
            func.array_remove(sources[1:_MAX_SCRIPTS], None).label("scripts"),
        )
        .group_by(Run.orchestration_session_id)
    )


def _executions(_: Scope, runs: Runs) -> Select[Any]:
    succeeded = func.count().filter(RunExec.exec_status == 0)
    return (
        runs.join(RunExec, _of_run(RunExec))
        .with_only_columns(
            RunExec.exec_nature,
            func.count().label("exec_count"),
            succeeded.label("succeeded"),
            (func.count() - succeeded).label("failed"),
            _rate(succeeded, func.count()).label("success_rate"),
        )
        .group_by(RunExec.exec_nature)
    )


def _issues(_: Scope, runs: Runs) -> Select[Any]:
    return (
        runs.join(RunIssue, _of_run(RunIssue))
        .with_only_columns(
            RunIssue.issue_type,
            func.count().label("issue_count"),
            func.count(RunIssue.session_id.distinct()).label("session_count"),
            func.count(RunIssue.remediation).label("remediation_count"),
        )
        .group_by(RunIssue.issue_type)
    )


def _remediations(_: Scope, runs: Runs) -> Select[Any]:
    return (
        runs.join(RunIssue, _of_run(RunIssue))
        .where(RunIssue.remediation.is_not(None))
        .with_only_columns(
            Run.orchestration_session_id,
            RunIssue.position,
            RunIssue.orchestration_session_issue_id,
            RunIssue.issue_type,
            RunIssue.issue_message,
            RunIssue.remediation,
        )
    )


def _logs(_: Scope, runs: Runs) -> Select[Any]:
    execution = and_(
        RunExec.account_id == RunLog.account_id,
        RunExec.orchestration_session_exec_id == RunLog.exec_id,
    )
    return (
        runs.join(RunLog, _of_run(RunLog))
        .join(RunExec, execution)
        .with_only_columns(
            Run.orchestration_session_id,
            RunLog.position,
            RunLog.orchestration_session_log_id,
            RunLog.exec_id,
            RunExec.exec_nature,
            RunExec.exec_identity,
            RunLog.parent_log_id,
            RunLog.category,
            RunLog.sibling_order,
            func.left(RunLog.content, _MAX_CONTENT).label("content"),
        )
    )


def _of_run(model: type[Evidence]) -> ColumnElement[bool]:
    return and_(
        model.account_id == Run.account_id, model.session_id == Run.orchestration_session_id
    )


def _rate(part: ColumnElement[int], whole: ColumnElement[int]) -> ColumnElement[Any]:
    return cast(part, Float) / func.nullif(whole, 0)


_REPORTS: dict[type[ReportRow], _Report] = {
    DeviceRuns: _Report(_by_device, ["device_id"]),
    RunDuration: _Report(_duration, ["orch_started_at", "orchestration_session_id"]),
    NatureSuccess: _Report(_success_rate, ["orchestration_nature_id"]),
    RunScripts: _Report(_scripts, ["orchestration_session_id"]),
    NatureExecutions: _Report(_executions, ["exec_nature"]),
    IssueType: _Report(_issues, ["issue_type"]),
    IssueRemediation: _Report(_remediations, ["orchestration_session_id", "position"]),
    RunLogLine: _Report(_logs, ["orchestration_session_id", "position"]),
}
