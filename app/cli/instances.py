"""`instances`: long-running agents, from a terminal."""

from typing import Any
from urllib.parse import quote

import click

from app.cli.client import request
from app.cli.output import json_option, print_json, print_table


@click.group()
def instances() -> None:
    """Long-running agents and how to go on with their work."""


@instances.command("list")
@click.option("--project", help="The project's name as the agents gave it.")
@click.option("--status", type=click.Choice(["active", "stale", "closed"]), multiple=True)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--cursor", help="The next_cursor of the page before.")
@json_option
def list_instances(
    project: str | None, status: tuple[str, ...], limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """The newest instances first."""
    given = {"project": project, "status": list(status), "limit": limit, "cursor": cursor}
    page = request("GET", "/api/instances", params={k: v for k, v in given.items() if v})
    if as_json:
        print_json(page)
        return
    columns = ["instance_id", "status", "project", "context_percent", "current_epic"]
    print_table(
        [*columns, "last_heartbeat"],
        [(*(row[name] for name in columns), _time(row["last_heartbeat"])) for row in page["data"]],
    )
    _print_more(page)


@instances.command("show")
@click.argument("instance_id")
@json_option
def show_instance(instance_id: str, *, as_json: bool) -> None:
    """One instance, by its id or the beginning of it."""
    instance = request("GET", f"/api/instances/{quote(instance_id, safe='')}")
    if as_json:
        print_json(instance)
        return
    for name, value in instance.items():
        if value is not None:
            click.echo(f"{name}: {value}")


@instances.command("timeline")
@click.argument("instance_id")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--cursor", help="The next_cursor of the page before.")
@json_option
def show_timeline(instance_id: str, limit: int, cursor: str | None, *, as_json: bool) -> None:
    """Events, commands and checkpoints of an instance, newest first."""
    parameters: dict[str, Any] = {"limit": limit, **({"cursor": cursor} if cursor else {})}
    path = f"/api/instances/{quote(instance_id, safe='')}/timeline"
    page = request("GET", path, params=parameters)
    if as_json:
        print_json(page)
        return
    print_table(
        ["at", "kind", "what"],
        [(_time(row["at"]), row["kind"], _what(row)) for row in page["data"]],
    )
    _print_more(page)


@instances.command("resume")
@click.argument("hint", required=False)
@json_option
def resume_instance(hint: str | None, *, as_json: bool) -> None:
    """What to know to go on with an interrupted instance.

    HINT is its id, 4–6 characters of the id's end, its epic or its project; without one it is the
    instance that fell silent last.
    """
    answer = request("POST", "/api/instances/resume", json={"hint": hint})
    if as_json:
        print_json(answer)
    elif answer["handoff"]:
        click.echo(answer["handoff"]["instructions"], nl=False)
        click.echo(f"\nconfidence: {answer['handoff']['confidence']} %")
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


def _time(instant: str) -> str:
    return instant[:19].replace("T", " ")


def _print_more(page: dict[str, Any]) -> None:
    if page["next_cursor"]:
        click.echo(f"more: --cursor {page['next_cursor']}")
