"""`instances`: long-running agents and how to resume their work."""

from typing import Any
from urllib.parse import quote

import click

from app.cli.client import request
from app.cli.output import (
    choice,
    given,
    json_option,
    page_options,
    print_json,
    print_table,
    print_text,
    show_fields,
    show_page,
    when,
)
from app.schemas.continuity import InstanceStatus


@click.group()
def instances() -> None:
    """Long-running agents and how to resume their work."""


@instances.command("list")
@click.option("--project", help="The project's name as the agents gave it.")
@click.option("--status", type=choice(InstanceStatus), multiple=True)
@page_options
@json_option
def list_instances(
    project: str | None, status: tuple[str, ...], limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """List instances, newest first."""
    parameters = {"project": project, "status": list(status), "limit": limit, "cursor": cursor}
    page = request("GET", "/api/instances", params=given(parameters))
    columns = ["instance_id", "status", "project", "context_percent", "current_epic"]
    rows = [(*(row[name] for name in columns), when(row["last_heartbeat"])) for row in page["data"]]
    show_page(page, [*columns, "last_heartbeat"], rows, as_json=as_json)


@instances.command("show")
@click.argument("instance_id")
@json_option
def show_instance(instance_id: str, *, as_json: bool) -> None:
    """Show an instance, by its id or the beginning of it."""
    show_fields(request("GET", f"/api/instances/{quote(instance_id, safe='')}"), as_json=as_json)


@instances.command("timeline")
@click.argument("instance_id")
@page_options
@json_option
def show_timeline(instance_id: str, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List an instance's events, commands and checkpoints, newest first."""
    path = f"/api/instances/{quote(instance_id, safe='')}/timeline"
    page = request("GET", path, params=given({"limit": limit, "cursor": cursor}))
    rows = [(when(row["at"]), row["kind"], _what(row)) for row in page["data"]]
    show_page(page, ["at", "kind", "what"], rows, as_json=as_json)


@instances.command("resume")
@click.argument("hint", required=False)
@json_option
def resume_instance(hint: str | None, *, as_json: bool) -> None:
    """Show what is needed to resume an interrupted instance.

    HINT is its id, 4–6 characters of the id's end, its epic or its project; without one it is the
    instance that fell silent last.
    """
    answer = request("POST", "/api/instances/resume", json={"hint": hint})
    if as_json:
        print_json(answer)
    elif answer["handoff"]:
        print_text(answer["handoff"]["instructions"])
        print_text(f"confidence: {answer['handoff']['confidence']} %")
    else:
        columns = ["instance_id", "project", "current_epic", "status", "silent_seconds"]
        print_table(columns, [[row[name] for name in columns] for row in answer["choices"]])


def _what(row: dict[str, Any]) -> str:
    entry: dict[str, Any] = row[row["kind"]]
    if row["kind"] == "event":
        return f"{entry['sequence_num']} {entry['event_type']}"
    if row["kind"] == "checkpoint":
        return f"{entry['sequence_num']} {entry['checkpoint_type']}"
    return f"{entry['action']} ({'ok' if entry['success'] else 'failed'})"
