"""`orchestrations` and `decisions`: agents working together, and approvals they wait for."""

from typing import Any, get_args
from uuid import UUID

import click

from app.cli.client import request
from app.cli.output import (
    choice,
    given,
    json_option,
    page_options,
    print_json,
    print_text,
    show_page,
    when,
)
from app.schemas.orchestrations import DecisionStatus, OrchestrationStatus


@click.group()
def orchestrations() -> None:
    """Orchestrations of several agents."""


@orchestrations.command("list")
@click.option("--status", type=choice(OrchestrationStatus), multiple=True)
@click.option("--type", "session_type", help="Such as venture_workflow.")
@click.option("--agent", type=click.UUID, help="Only orchestrations this agent takes part in.")
@page_options
@json_option
def list_orchestrations(
    status: tuple[str, ...],
    session_type: str | None,
    agent: UUID | None,
    limit: int,
    cursor: str | None,
    *,
    as_json: bool,
) -> None:
    """List orchestrations, newest first."""
    parameters: dict[str, Any] = {
        "status": list(status),
        "type": session_type,
        "agent": None if agent is None else str(agent),
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/orchestrations", params=given(parameters))
    rows = [
        (
            row["session_id"],
            row["session_status"],
            row["session_type"],
            len(row["active_agents"]),
            "yes" if row["chairman_oversight"] else "",
            row["objective"],
            when(row["created_at"]),
        )
        for row in page["data"]
    ]
    columns = ["id", "status", "type", "agents", "oversight", "objective", "created"]
    show_page(page, columns, rows, as_json=as_json)


@orchestrations.command("show")
@click.argument("orchestration_id", type=click.UUID)
@json_option
def show_orchestration(orchestration_id: UUID, *, as_json: bool) -> None:
    """Show an orchestration and its performance."""
    _show(request("GET", f"/api/orchestrations/{orchestration_id}"), as_json=as_json)


@orchestrations.command("actions")
@click.argument("orchestration_id", type=click.UUID)
@page_options
@json_option
def list_actions(orchestration_id: UUID, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List an orchestration's actions, newest first."""
    path = f"/api/orchestrations/{orchestration_id}/actions"
    page = request("GET", path, params=given({"limit": limit, "cursor": cursor}))
    columns = ["id", "status", "event", "name", "priority", "critical", "retries", "agent"]
    rows = [
        (
            row["action_id"],
            row["status"],
            row["event_type"],
            row["action_name"],
            row["priority_level"],
            "yes" if row["critical"] else "",
            f"{row['retry_count']}/{row['max_retries']}",
            row["assigned_agent_id"],
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


def _add_verb(verb: str, text: str) -> None:
    @orchestrations.command(verb, help=text)
    @click.argument("orchestration_id", type=click.UUID)
    @json_option
    def change(orchestration_id: UUID, *, as_json: bool) -> None:
        _show(request("POST", f"/api/orchestrations/{orchestration_id}/{verb}"), as_json=as_json)


_add_verb("start", "Mark as started; the first action of an agent does so too.")
_add_verb("pause", "Keep new actions from starting.")
_add_verb("resume", "Continue after a pause.")
_add_verb("complete", "Mark as complete; refused while decisions are pending.")


@orchestrations.command("fail")
@click.argument("orchestration_id", type=click.UUID)
@click.option("--message", required=True, help="What went wrong.")
@json_option
def fail_orchestration(orchestration_id: UUID, message: str, *, as_json: bool) -> None:
    """Mark as failed."""
    path = f"/api/orchestrations/{orchestration_id}/fail"
    _show(request("POST", path, json={"message": message}), as_json=as_json)


@orchestrations.command("cancel")
@click.argument("orchestration_id", type=click.UUID)
@click.option("--reason", help="The reason.")
@json_option
def cancel_orchestration(orchestration_id: UUID, reason: str | None, *, as_json: bool) -> None:
    """Cancel an orchestration."""
    path = f"/api/orchestrations/{orchestration_id}/cancel"
    _show(request("POST", path, json={"reason": reason}), as_json=as_json)


@click.group()
def decisions() -> None:
    """Actions that wait for approval."""


@decisions.command("list")
@click.option(
    "--status",
    type=click.Choice([*get_args(DecisionStatus), "all"]),
    default="pending",
    show_default=True,
)
@page_options
@json_option
def list_decisions(status: str, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List decisions, the latest request first."""
    wanted = None if status == "all" else status
    parameters = given({"status": wanted, "limit": limit, "cursor": cursor})
    page = request("GET", "/api/decisions", params=parameters)
    rows = [
        (
            row["decision_id"],
            row["status"],
            row["action"]["event_type"],
            row["action"]["action_name"],
            when(row["requested_at"]),
            row["note"],
        )
        for row in page["data"]
    ]
    show_page(page, ["id", "status", "event", "name", "requested", "note"], rows, as_json=as_json)


@decisions.command("approve")
@click.argument("decision_id", type=click.UUID)
@click.option("--note", help="Kept with the decision.")
@json_option
def approve_decision(decision_id: UUID, note: str | None, *, as_json: bool) -> None:
    """Allow the action to start."""
    _decide(decision_id, "approve", note, as_json=as_json)


@decisions.command("reject")
@click.argument("decision_id", type=click.UUID)
@click.option("--note", required=True, help="The reason.")
@json_option
def reject_decision(decision_id: UUID, note: str, *, as_json: bool) -> None:
    """Cancel the action."""
    _decide(decision_id, "reject", note, as_json=as_json)


def _decide(decision_id: UUID, verb: str, note: str | None, *, as_json: bool) -> None:
    decided = request("POST", f"/api/decisions/{decision_id}/{verb}", json=given({"note": note}))
    if as_json:
        print_json(decided)
        return
    print_text(f"{decided['status']}: {decided['action']['event_type']}")


def _show(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    print_text(f"{row['session_id']}  {row['session_status']}", bold=True)
    for name in ("session_type", "objective", "started_at", "completed_at", "failed_at"):
        if row[name] is not None:
            print_text(f"  {name}: {row[name]}")
    performance = row["performance_summary"]
    counts = ", ".join(f"{n} {name}" for name, n in performance["actions"].items() if n)
    print_text(f"  actions: {counts or 'none'}")
    for entry in row["error_log"]:
        what = entry.get("message") or entry.get("reason") or ""
        print_text(f"  {when(entry['at'])} {entry['kind']}: {what}")
