"""`agents`: the agent processes, and the work item each of them holds."""

from typing import Any
from urllib.parse import quote

import click

from app.cli.client import request
from app.cli.output import (
    ROW_ID,
    cell,
    choice,
    given,
    json_option,
    page_options,
    show_fields,
    show_page,
)
from app.schemas.fleet import AgentStatus, Track

_REASONS = ["manual", "completed", "conflict"]
track_option = click.option("--track", type=choice(Track))


@click.group()
def agents() -> None:
    """Agent processes: which are alive, and what they hold."""


@agents.command("list")
@click.option("--status", type=choice(AgentStatus), multiple=True)
@track_option
@click.option("--codebase")
@click.option("--hostname")
@click.option(
    "--holding/--free", default=None, help="Only agents that hold a work item, or that hold none."
)
@click.option("--stuck", is_flag=True, help="Only agents that wait for a person.")
@page_options
@json_option
def list_agents(
    status: tuple[str, ...],
    track: str | None,
    codebase: str | None,
    hostname: str | None,
    holding: bool | None,
    limit: int,
    cursor: str | None,
    *,
    stuck: bool,
    as_json: bool,
) -> None:
    """List agents, the latest registration first."""
    parameters: dict[str, Any] = {
        "status": list(status),
        "track": track,
        "codebase": codebase,
        "hostname": hostname,
        "holding": None if holding is None else str(holding).lower(),
        "needs_input": "true" if stuck else None,
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/agents", params=given(parameters))
    columns = ["id", "status", "holds", "silent s", "waits for", "host", "codebase"]
    rows = [
        (
            row["session_id"],
            "working" if row["working"] else row["computed_status"],
            row["sd_id"],
            round(row["heartbeat_age_seconds"]),
            cell((row["needs_input"] or {}).get("message")),
            row["hostname"],
            row["codebase"],
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@agents.command("show")
@click.argument("session_id", metavar="AGENT")
@json_option
def show_agent(session_id: str, *, as_json: bool) -> None:
    """Show an agent."""
    show_fields(request("GET", _agent(session_id)), as_json=as_json)


@agents.command("register")
@click.argument("session_id", metavar="AGENT")
@click.option("--codebase")
@click.option("--hostname")
@click.option("--pid", type=click.IntRange(min=0))
@click.option("--tty")
@json_option
def register_agent(session_id: str, *, as_json: bool, **fields: Any) -> None:
    """Register an agent, or bring an ended one back."""
    show_fields(request("PUT", _agent(session_id), json=given(fields)), as_json=as_json)


@agents.command("heartbeat")
@click.argument("session_id", metavar="AGENT")
@json_option
def record_heartbeat(session_id: str, *, as_json: bool) -> None:
    """Send a heartbeat."""
    show_fields(request("POST", f"{_agent(session_id)}/heartbeat"), as_json=as_json)


@agents.command("release")
@click.argument("session_id", metavar="AGENT")
@click.option("--reason", type=click.Choice(_REASONS), default="manual", show_default=True)
@json_option
def release_claim(session_id: str, reason: str, *, as_json: bool) -> None:
    """Release the work item an agent holds."""
    answer = request("POST", f"{_agent(session_id)}/release", json={"reason": reason})
    show_fields(answer, as_json=as_json)


@agents.command("end")
@click.argument("session_id", metavar="AGENT")
@json_option
def end_agent(session_id: str, *, as_json: bool) -> None:
    """End an agent and release the work item it holds."""
    show_fields(request("POST", f"{_agent(session_id)}/end"), as_json=as_json)


@agents.command("move")
@click.argument("session_id", metavar="AGENT")
@click.argument("project_id", type=ROW_ID, required=False)
@json_option
def move_agent(session_id: str, project_id: int | None, *, as_json: bool) -> None:
    """Move an agent to a project, or without PROJECT_ID to none; admins and owners only."""
    answer = request("POST", f"{_agent(session_id)}/move", json={"project_id": project_id})
    show_fields(answer, as_json=as_json)


@agents.command("settings")
@click.option(
    "--stale-after",
    "stale_after_seconds",
    type=click.IntRange(1, 604_800),
    help="Seconds without a heartbeat.",
)
@json_option
def fleet_settings(stale_after_seconds: int | None, *, as_json: bool) -> None:
    """Show or change when a silent agent counts as stale and can lose its claim."""
    changes = given({"stale_after_seconds": stale_after_seconds})
    method, body = ("PATCH", changes) if changes else ("GET", None)
    show_fields(request(method, "/api/fleet/settings", json=body), as_json=as_json)


def _agent(session_id: str) -> str:
    return f"/api/agents/{quote(session_id, safe='')}"
