"""`sessions`: what the agents are doing, from a terminal."""

from typing import Any

import click
from rich.console import Console

from app.cli.client import request
from app.cli.output import (
    ROW_ID,
    choice,
    given,
    json_option,
    page_options,
    plain,
    print_json,
    printable,
    show_page,
    when,
)
from app.cli.tail import follow
from app.schemas.sessions import Environment, SessionStatus

_MARKS = {"ok": "✓", "error": "✗", "warning": "!", None: "…"}
_COLUMN_WIDTH = 60


@click.group()
def sessions() -> None:
    """Sessions on the server."""


@sessions.command("list")
@click.option("--status", type=choice(SessionStatus), multiple=True)
@click.option("--type", "session_type", help="Such as ComponentCodingSessions.")
@click.option("--needs-input", is_flag=True, help="Only those that wait for a person.")
@click.option("--search", help="Part of the title.")
@page_options
@json_option
def list_sessions(
    status: tuple[str, ...],
    session_type: str | None,
    search: str | None,
    limit: int,
    cursor: str | None,
    *,
    needs_input: bool,
    as_json: bool,
) -> None:
    """The newest sessions first."""
    parameters: dict[str, Any] = {
        "status": list(status),
        "type": session_type,
        "q": search,
        "needs_input": "true" if needs_input else None,
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/sessions", params=given(parameters))
    columns = ["id", "status", "type", "title", "#", "last", "updated"]
    rows = [
        (
            row["id"],
            "waits" if row["needs_input"] else row["status"],
            row["type"],
            _short(row["title"]),
            row["interaction_count"],
            _last(row["last_interaction"]),
            when(row["updated_at"]),
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@sessions.command("show")
@click.argument("session_id", type=ROW_ID)
@click.option("--interactions", default="50", show_default=True, help="none, all, or 1-1000.")
@json_option
def show_session(session_id: int, interactions: str, *, as_json: bool) -> None:
    """One session with its newest interactions."""
    path = f"/api/sessions/{session_id}"
    session = request("GET", path, params={"interactions": interactions})
    if as_json:
        print_json(session)
        return
    console = Console()
    console.print(plain(f"{session['id']}  {session['title'] or session['type']}", style="bold"))
    for name in ("status", "type", "agent", "external_id", "inserted_at", "updated_at"):
        if session[name] is not None:
            console.print(plain(f"  {name}: {session[name]}"))
    if session["needs_input"]:
        console.print(plain(f"  waits for you: {session['needs_input']['message']}"))
    for interaction in session["interactions"]:
        _print_interaction(console, interaction)


@sessions.command("tail")
@click.argument("session_id", type=ROW_ID)
@json_option
def tail_session(session_id: int, *, as_json: bool) -> None:
    """Follow one session, until Ctrl-C."""
    follow(session_id, as_json=as_json)


@sessions.command("create")
@click.option("--type", "session_type", required=True, help="One of `sessions types`.")
@click.option("--title", help="What it is about.")
@click.option("--component", "component_id", type=ROW_ID, help="Id of a component.")
@click.option("--environment", type=choice(Environment))
@json_option
def create_session(
    session_type: str,
    title: str | None,
    component_id: int | None,
    environment: str | None,
    *,
    as_json: bool,
) -> None:
    """Begin a session, in the project of its component or else in your active one."""
    fields = {"title": title, "component_id": component_id, "environment": environment}
    session = request("POST", "/api/sessions", json={"type": session_type, **given(fields)})
    if as_json:
        print_json(session)
    else:
        click.echo(printable(f"session {session['id']}: {session['title'] or session['type']}"))


@sessions.command("next-command")
@click.argument("session_id", type=ROW_ID)
@json_option
def next_command(session_id: int, *, as_json: bool) -> None:
    """What the session's workflow does next. Asking again changes nothing; `run` does it."""
    interaction = request("POST", f"/api/sessions/{session_id}/next-command")
    if as_json:
        print_json(interaction)
        return
    console = Console()
    console.print(plain(f"{interaction['step_name']}  {interaction['id']}", style="bold"))
    for part in ("command", "pipe"):
        for line in (interaction["command"][part] or "").splitlines():
            console.print(plain(f"  {'$' if part == 'command' else '<'} {line}"))


@sessions.command("types")
@json_option
def list_session_types(*, as_json: bool) -> None:
    """The types of sessions that the server knows, and their steps."""
    page = request("GET", "/api/session-types")
    rows = [(row["name"], row["title"], " → ".join(row["steps"])) for row in page["data"]]
    show_page(page, ["name", "title", "steps"], rows, as_json=as_json)


def _print_interaction(console: Console, interaction: dict[str, Any]) -> None:
    command, result = interaction["command"], interaction["result"]
    mark = _MARKS[result["status"] if result else None]
    console.print(
        plain(f"{interaction['seq']:>5} {mark} {command['module']}  {command['command']}")
    )
    if result:
        for name in ("stdout", "stderr", "error_message"):
            for line in (result[name] or "").splitlines():
                console.print(plain(f"          {line}", style="dim"))


def _last(interaction: dict[str, Any] | None) -> str:
    if interaction is None:
        return ""
    mark = _MARKS[interaction["status"]]
    return f"{mark} {interaction['module']} {_short(interaction['command'])}"


def _short(text: str | None) -> str:
    line = (text or "").partition("\n")[0]
    return line if len(line) <= _COLUMN_WIDTH else f"{line[: _COLUMN_WIDTH - 1]}…"
