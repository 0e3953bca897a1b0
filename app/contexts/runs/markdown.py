"""Renders one run as a Markdown document for a person to read."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, func

from app.contexts.runs.devices import get_nature
from app.contexts.runs.runs import get_run
from app.db import Db
from app.models import Device, Run, RunEntry, RunExec, RunIssue, RunState
from app.scope import Scope

# Characters of an output that are shown; the exec itself has all of it.
_MAX_OUTPUT = 2000
_MAX_LINE = 120
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


async def render_run(scope: Scope, db: Db, run_id: str) -> str:
    """Renders the header, states, the tree of executions, issues with remediation, and
    diagnostics."""
    run = await get_run(scope, db, run_id)
    # The device may have moved to a project that the caller cannot see.
    device_name = await db.session.scalar(
        scope.select(Device).where(Device.device_id == run.device_id).with_only_columns(Device.name)
    )
    nature = await get_nature(scope, db, run.orchestration_nature_id)
    entries = await _entries(scope, db, run_id)
    sections = [
        _header(run, device_name, nature.nature),
        _states(await _rows(scope, db, RunState, run_id), entries),
        _executions(await _execs(scope, db, run_id), entries),
        _issues(await _rows(scope, db, RunIssue, run_id), entries),
        _diagnostics(run),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


async def _rows(scope: Scope, db: Db, model: type[Any], run_id: str) -> Sequence[Any]:
    statement = scope.select(model).where(model.session_id == run_id).order_by(model.position)
    return (await db.session.scalars(statement)).all()


async def _entries(scope: Scope, db: Db, run_id: str) -> dict[str, str]:
    rows = await _rows(scope, db, RunEntry, run_id)
    return {row.orchestration_session_entry_id: row.ingest_src for row in rows}


async def _execs(scope: Scope, db: Db, run_id: str) -> Sequence[Row[Any]]:
    """Reads only the beginning of long outputs, since a run may have many."""
    statement = (
        scope.select(RunExec)
        .where(RunExec.session_id == run_id)
        .order_by(RunExec.position)
        .with_only_columns(
            RunExec.orchestration_session_exec_id,
            RunExec.parent_exec_id,
            RunExec.session_entry_id,
            RunExec.exec_nature,
            RunExec.exec_identity,
            RunExec.exec_status,
            func.left(RunExec.exec_code, _MAX_LINE + 1).label("exec_code"),
            *(
                func.left(column, _MAX_OUTPUT + 1).label(column.key)
                for column in (
                    RunExec.output_text,
                    RunExec.exec_error_text,
                    RunExec.narrative_md,
                )
            ),
        )
    )
    return (await db.session.execute(statement)).all()


def _header(run: Run, device_name: str | None, nature: str) -> str:
    device = f"`{run.device_id}`"
    facts = [
        ("Device", device if device_name is None else f"{_escaped(device_name)} ({device})"),
        ("Nature", f"{_escaped(nature)} (`{run.orchestration_nature_id}`)"),
        ("Version", _escaped(run.version)),
        ("Started", _time(run.orch_started_at)),
    ]
    if run.orch_finished_at is None:
        facts.append(("Finished", "still running"))
    else:
        elapsed = (run.orch_finished_at - run.orch_started_at).total_seconds()
        facts.append(("Finished", f"{_time(run.orch_finished_at)}, after {elapsed:,.1f} s"))
    lines = [f"- **{name}**: {value}" for name, value in facts]
    return "\n".join([f"# Run {_escaped(run.orchestration_session_id)}", "", *lines])


def _states(states: Sequence[RunState], entries: dict[str, str]) -> str:
    return _table(
        "States",
        ["at", "of", "from", "to", "reason"],
        (
            (
                _time(state.transitioned_at),
                _of(state.session_entry_id, entries),
                _escaped(state.from_state),
                _escaped(state.to_state),
                _escaped(state.reason),
            )
            for state in states
        ),
    )


def _executions(execs: Sequence[Row[Any]], entries: dict[str, str]) -> str:
    if not execs:
        return ""
    failed = sum(e.exec_status != 0 for e in execs)
    lines = ["## Executions", "", f"{len(execs)} executed, {failed} failed.", ""]
    children: dict[str | None, list[Row[Any]]] = {}
    for execution in execs:
        children.setdefault(execution.parent_exec_id, []).append(execution)
    # A stack, since the tree may be deeper than Python recurses.
    pending = [(execution, 0) for execution in reversed(children.get(None, []))]
    while pending:
        execution, depth = pending.pop()
        lines += [f"{'  ' * depth}{line}".rstrip() for line in _execution(execution, entries)]
        below = children.get(execution.orchestration_session_exec_id, [])
        pending += [(child, depth + 1) for child in reversed(below)]
    return "\n".join(lines).rstrip()


def _execution(execution: Row[Any], entries: dict[str, str]) -> list[str]:
    mark = "✓" if execution.exec_status == 0 else f"✗ **status {execution.exec_status}**"
    name = execution.exec_identity or execution.exec_nature
    entry = execution.session_entry_id
    suffix = "" if entry is None else f", {_of(entry, entries)}"
    lines = [f"- {mark} {_escaped(name)}: {_code(execution.exec_code)}{suffix}"]
    if execution.narrative_md:
        lines += ["", *(f"  {line}" for line in execution.narrative_md.splitlines())]
    for label, text in (("output", execution.output_text), ("error", execution.exec_error_text)):
        if text:
            lines += ["", f"  {label}:", "", *(f"  {line}" for line in _block(text))]
    return [*lines, ""] if len(lines) > 1 else lines


def _issues(issues: Sequence[RunIssue], entries: dict[str, str]) -> str:
    return _table(
        "Issues",
        ["type", "message", "where", "value", "remediation"],
        (
            (
                _escaped(issue.issue_type),
                _escaped(issue.issue_message),
                _where(issue, entries),
                _escaped(issue.invalid_value),
                _escaped(issue.remediation),
            )
            for issue in issues
        ),
    )


def _where(issue: RunIssue, entries: dict[str, str]) -> str:
    parts = [
        _of(issue.session_entry_id, entries) if issue.session_entry_id else "",
        f"row {issue.issue_row}" if issue.issue_row is not None else "",
        f"column {_escaped(issue.issue_column)}" if issue.issue_column else "",
    ]
    return ", ".join(part for part in parts if part)


def _diagnostics(run: Run) -> str:
    parts = []
    if run.diagnostics_md:
        parts.append(run.diagnostics_md.strip())
    if run.diagnostics_json is not None:
        document = msgspec.json.format(msgspec.json.encode(run.diagnostics_json), indent=2).decode()
        parts.append("\n".join(_block(document, "json", limit=None)))
    return "\n\n".join(["## Diagnostics", *parts]) if parts else ""


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join([f"## {title}", "", *head, *lines])


def _of(entry_id: str | None, entries: dict[str, str]) -> str:
    """The name of an entry, or its id when it was posted after the entries were read."""
    return "the run" if entry_id is None else _escaped(entries.get(entry_id, entry_id))


def _escaped(text: str | None) -> str:
    """Puts the text on one line and escapes what Markdown would interpret."""
    return _SPECIAL.sub(r"\\\1", " ".join((text or "").split()))


def _code(text: str) -> str:
    line = " ".join(text.split())
    line = line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"
    fence = _fence(line, 1)
    padding = " " if "`" in line else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def _block(text: str, language: str = "text", limit: int | None = _MAX_OUTPUT) -> list[str]:
    shown = text if limit is None or len(text) <= limit else f"{text[:limit]}\n…"
    fence = _fence(shown, 3)
    return [f"{fence}{language}", *shown.splitlines(), fence]


def _fence(text: str, least: int) -> str:
    """A fence longer than any run of backticks inside the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
