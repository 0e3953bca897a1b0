"""`work-items`, `claims` and `tracks`: what there is to do, and who does it."""

from typing import Any
from urllib.parse import quote

import click

from app.cli.agents import track_option
from app.cli.client import request
from app.cli.output import (
    ROW_ID,
    choice,
    given,
    json_option,
    page_options,
    print_json,
    printable,
    show_fields,
    show_page,
    when,
)
from app.schemas.fleet import Availability, WorkItemStatus


@click.group("work-items")
def work_items() -> None:
    """What there is to do."""


@work_items.command("list")
@click.option("--availability", type=choice(Availability), multiple=True)
@track_option
@page_options
@json_option
def list_work_items(
    availability: tuple[str, ...],
    track: str | None,
    limit: int,
    cursor: str | None,
    *,
    as_json: bool,
) -> None:
    """What can be done next comes first."""
    parameters: dict[str, Any] = {
        "availability": list(availability),
        "track": track,
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/work-items", params=given(parameters))
    columns = ["key", "availability", "track", "rank", "held by", "title"]
    rows = [
        (
            row["key"],
            row["availability"],
            row["track"],
            row["sequence_rank"],
            row["claimed_by"],
            row["title"],
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@work_items.command("create")
@click.argument("key")
@click.option("--title", required=True)
@click.option("--description")
@track_option
@click.option("--rank", "sequence_rank", type=int, help="The lowest comes first.")
@json_option
def create_work_item(key: str, *, as_json: bool, **fields: Any) -> None:
    """Add one."""
    answer = request("POST", "/api/work-items", json={"key": key, **given(fields)})
    show_fields(answer, as_json=as_json)


@work_items.command("show")
@click.argument("key")
@json_option
def show_work_item(key: str, *, as_json: bool) -> None:
    """One work item."""
    show_fields(request("GET", _item(key)), as_json=as_json)


@work_items.command("claim")
@click.argument("key")
@click.option("--session", "session_id", required=True, help="The agent's session id.")
@click.option("--force", is_flag=True, help="Take it from a live agent; admins and owners only.")
@click.option("--dry-run", is_flag=True, help="Only say what would be answered.")
@json_option
def claim_work_item(
    key: str, session_id: str, *, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Give it to an agent."""
    if not dry_run:
        body = {"session_id": session_id, "force": force}
        _show_granted(request("POST", f"{_item(key)}/claim", json=body), as_json=as_json)
        return
    answer = request("GET", f"{_item(key)}/can-claim", params={"session_id": session_id})
    if as_json:
        print_json(answer)
        return
    click.echo("can be claimed" if answer["can_claim"] else "cannot be claimed")
    for kind in ("blocking_reasons", "warnings", "info"):
        for notice in answer[kind]:
            click.echo(printable(f"  {notice['code']}: {notice['message']}"))


@work_items.command("next")
@click.option("--session", "session_id", required=True, help="The agent's session id.")
@track_option
@json_option
def claim_next_work_item(session_id: str, track: str | None, *, as_json: bool) -> None:
    """Give the agent the best one that can be claimed."""
    body = given({"session_id": session_id, "track": track})
    _show_granted(request("POST", "/api/work-items/claim-next", json=body), as_json=as_json)


@work_items.command("complete")
@click.argument("key")
@click.option("--token", "fencing_token", type=click.IntRange(min=1), help="Of the claim.")
@json_option
def complete_work_item(key: str, fencing_token: int | None, *, as_json: bool) -> None:
    """It is done."""
    body = given({"fencing_token": fencing_token})
    show_fields(request("POST", f"{_item(key)}/complete", json=body), as_json=as_json)


@work_items.command("update")
@click.argument("key")
@click.option("--title")
@click.option("--description")
@click.option(
    "--status",
    type=choice(WorkItemStatus),
    help="Done completes the claim on it, cancelled releases it, open makes it claimable again.",
)
@track_option
@click.option("--rank", "sequence_rank", type=int, help="The lowest comes first.")
@click.option("--ready/--not-ready", "is_ready", default=None, help="Whether it may come next.")
@json_option
def update_work_item(key: str, *, as_json: bool, **fields: Any) -> None:
    """Change what is given, leave the rest."""
    show_fields(request("PATCH", _item(key), json=given(fields)), as_json=as_json)


@work_items.command("move")
@click.argument("key")
@click.argument("project_id", type=ROW_ID, required=False)
@json_option
def move_work_item(key: str, project_id: int | None, *, as_json: bool) -> None:
    """To another project, or without PROJECT_ID to none; admins and owners only."""
    answer = request("POST", f"{_item(key)}/move", json={"project_id": project_id})
    show_fields(answer, as_json=as_json)


@work_items.command("delete")
@click.argument("key")
@json_option
def delete_work_item(key: str, *, as_json: bool) -> None:
    """With its claims and conflicts; not while somebody holds it."""
    request("DELETE", _item(key))
    if as_json:
        print_json({"deleted": key})
    else:
        click.echo(f"{key} is deleted")


@click.group()
def claims() -> None:
    """Who held what, and why no longer."""


@claims.command("list")
@click.option("--work-item")
@click.option("--session", "session_id", help="Of this agent only.")
@click.option("--live", is_flag=True, help="Only those that are not released.")
@page_options
@json_option
def list_claims(
    work_item: str | None,
    session_id: str | None,
    limit: int,
    cursor: str | None,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """The last claim first."""
    parameters = {
        "work_item": work_item,
        "session_id": session_id,
        "live": "true" if live else None,
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/claims", params=given(parameters))
    columns = ["id", "work item", "agent", "token", "claimed", "released", "reason"]
    rows = [
        (
            row["id"],
            row["work_item"],
            row["session_id"],
            row["fencing_token"],
            when(row["claimed_at"]),
            when(row["released_at"]),
            row["release_reason"],
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@claims.command("show")
@click.argument("claim_id", type=ROW_ID)
@json_option
def show_claim(claim_id: int, *, as_json: bool) -> None:
    """One claim, to verify its fencing token."""
    show_fields(request("GET", f"/api/claims/{claim_id}"), as_json=as_json)


@click.command()
@json_option
def tracks(*, as_json: bool) -> None:
    """Where there is something to do in parallel."""
    page = request("GET", "/api/tracks")
    names = ["status", "open_count", "claimed_count", "blocked_count", "next_item", "session_id"]
    columns = ["track", "status", "open", "claimed", "blocked", "next", "held by"]
    rows = [[row["track"], *(row[n] for n in names)] for row in page["data"]]
    show_page(page, columns, rows, as_json=as_json)


def _item(key: str) -> str:
    return f"/api/work-items/{quote(key, safe='')}"


def _show_granted(answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    if answer is None:
        click.echo("nothing to do")
        return
    claim = answer["claim"]
    click.echo(f"{claim['work_item']}  token {claim['fencing_token']}  claim {claim['id']}")
    for warning in answer["warnings"]:
        click.echo(printable(f"  {warning['code']}: {warning['message']}"))
