"""`sessions`: what the agents are doing, from a terminal."""

from typing import Any

import click

from app.cli.client import request
from app.cli.output import (
    ROW_ID,
    cell,
    choice,
    given,
    json_option,
    page_options,
    print_json,
    print_text,
    show_page,
    when,
)
from app.cli.tail import follow
from app.schemas.sessions import Environment, SessionStatus

_MARKS = {"ok": "✓", "error": "✗", "warning": "!", None: "…"}


@click.group()
def sessions() -> None:
    """Development sessions on the server."""


@sessions.command("list")
@click.option("--status", type=choice(SessionStatus), multiple=True)
@click.option("--type", "session_type", help="Such as ComponentCodingSessions.")
@click.option("--client", help="The program, such as claude-code or codex.")
@click.option("--needs-input", is_flag=True, help="Only sessions that wait for a person.")
@click.option("--search", help="Part of the title.")
@page_options
@json_option
def list_sessions(
    status: tuple[str, ...],
    session_type: str | None,
    client: str | None,
    search: str | None,
    limit: int,
    cursor: str | None,
    *,
    needs_input: bool,
    as_json: bool,
) -> None:
    """List sessions, newest first."""
    parameters: dict[str, Any] = {
        "status": list(status),
        "type": session_type,
        "client": client,
        "q": search,
        "needs_input": "true" if needs_input else None,
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/sessions", params=given(parameters))
    columns = ["id", "status", "type", "client", "title", "#", "last", "updated"]
    rows = [
        (
            row["id"],
            "waits" if row["needs_input"] else row["status"],
            row["type"],
            row["client"],
            cell(row["title"]),
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
    """Show a session with its newest interactions."""
    path = f"/api/sessions/{session_id}"
    session = request("GET", path, params={"interactions": interactions})
    if as_json:
        print_json(session)
        return
    print_text(f"{session['id']}  {session['title'] or session['type']}", bold=True)
    for name in ("status", "type", "client", "external_id", "inserted_at", "updated_at"):
        if session[name] is not None:
            print_text(f"  {name}: {session[name]}")
    if session["needs_input"]:
        print_text(f"  waits for you: {session['needs_input']['message']}")
    for interaction in session["interactions"]:
        _print_interaction(interaction)


@sessions.command("tail")
@click.argument("session_id", type=ROW_ID)
@json_option
def tail_session(session_id: int, *, as_json: bool) -> None:
    """Follow the events of one session, until Ctrl-C."""
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
    """Create a session, in its component's project or else in your active one."""
    fields = {"title": title, "component_id": component_id, "environment": environment}
    session = request("POST", "/api/sessions", json={"type": session_type, **given(fields)})
    if as_json:
        print_json(session)
    else:
        print_text(f"session {session['id']}: {session['title'] or session['type']}")


@sessions.command("next-command")
@click.argument("session_id", type=ROW_ID)
@json_option
def next_command(session_id: int, *, as_json: bool) -> None:
    """Show what the session's workflow does next. Asking again changes nothing; `run` runs it."""
    interaction = request("POST", f"/api/sessions/{session_id}/next-command")
    if as_json:
        print_json(interaction)
        return
    print_text(f"{interaction['step_name']}  {interaction['id']}", bold=True)
    for part in ("command", "pipe"):
        for line in (interaction["command"][part] or "").splitlines():
            print_text(f"  {'$' if part == 'command' else '<'} {line}")


@sessions.command("types")
@json_option
def list_session_types(*, as_json: bool) -> None:
    """List the session types of the server and their steps."""
    page = request("GET", "/api/session-types")
    rows = [(row["name"], row["title"], " → ".join(row["steps"])) for row in page["data"]]
    show_page(page, ["name", "title", "steps"], rows, as_json=as_json)


def _print_interaction(interaction: dict[str, Any]) -> None:
    command, result = interaction["command"], interaction["result"]
    mark = _MARKS[result["status"] if result else None]
    print_text(f"{interaction['seq']:>5} {mark} {command['module']}  {command['command']}")
    if result:
        for name in ("stdout", "stderr", "error_message"):
            for line in (result[name] or "").splitlines():
                print_text(f"          {line}", dim=True)


def _last(interaction: dict[str, Any] | None) -> str:
    if interaction is None:
        return ""
    mark = _MARKS[interaction["status"]]
    return f"{mark} {interaction['module']} {cell(interaction['command'])}"
