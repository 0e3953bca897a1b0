"""`work-items`, `claims` and `tracks`: the work, and which agent holds it."""

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
    print_text,
    show_fields,
    show_page,
    when,
)
from app.schemas.fleet import Availability, WorkItemStatus


@click.group("work-items")
def work_items() -> None:
    """Work items: the work that agents claim."""


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
    """List work items, claimable ones first."""
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
@click.option("--rank", "sequence_rank", type=int, help="The lowest rank comes first.")
@json_option
def create_work_item(key: str, *, as_json: bool, **fields: Any) -> None:
    """Create a work item."""
    answer = request("POST", "/api/work-items", json={"key": key, **given(fields)})
    show_fields(answer, as_json=as_json)


@work_items.command("show")
@click.argument("key")
@json_option
def show_work_item(key: str, *, as_json: bool) -> None:
    """Show a work item."""
    show_fields(request("GET", _item(key)), as_json=as_json)


@work_items.command("claim")
@click.argument("key")
@click.option("--agent", "session_id", required=True, help="The agent's key.")
@click.option(
    "--force", is_flag=True, help="Take the item from a live agent; admins and owners only."
)
@click.option("--dry-run", is_flag=True, help="Check whether it can be claimed; change nothing.")
@json_option
def claim_work_item(
    key: str, session_id: str, *, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Claim a work item for an agent."""
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
            print_text(f"  {notice['code']}: {notice['message']}")


@work_items.command("next")
@click.option("--agent", "session_id", required=True, help="The agent's key.")
@track_option
@json_option
def claim_next_work_item(session_id: str, track: str | None, *, as_json: bool) -> None:
    """Claim the best available work item for an agent."""
    body = given({"session_id": session_id, "track": track})
    _show_granted(request("POST", "/api/work-items/claim-next", json=body), as_json=as_json)


@work_items.command("complete")
@click.argument("key")
@click.option(
    "--token", "fencing_token", type=click.IntRange(min=1), help="The claim's fencing token."
)
@json_option
def complete_work_item(key: str, fencing_token: int | None, *, as_json: bool) -> None:
    """Mark a work item complete."""
    body = given({"fencing_token": fencing_token})
    show_fields(request("POST", f"{_item(key)}/complete", json=body), as_json=as_json)


@work_items.command("update")
@click.argument("key")
@click.option("--title")
@click.option("--description")
@click.option(
    "--status",
    type=choice(WorkItemStatus),
    help="Done completes its claim, cancelled releases it, open makes the item claimable again.",
)
@track_option
@click.option("--rank", "sequence_rank", type=int, help="The lowest rank comes first.")
@click.option(
    "--ready/--not-ready",
    "is_ready",
    default=None,
    help="Whether it may be claimed as the next one.",
)
@json_option
def update_work_item(key: str, *, as_json: bool, **fields: Any) -> None:
    """Change a work item; what is not given stays."""
    show_fields(request("PATCH", _item(key), json=given(fields)), as_json=as_json)


@work_items.command("move")
@click.argument("key")
@click.argument("project_id", type=ROW_ID, required=False)
@json_option
def move_work_item(key: str, project_id: int | None, *, as_json: bool) -> None:
    """Move a work item to a project, or without PROJECT_ID to none; admins and owners only."""
    answer = request("POST", f"{_item(key)}/move", json={"project_id": project_id})
    show_fields(answer, as_json=as_json)


@work_items.command("delete")
@click.argument("key")
@json_option
def delete_work_item(key: str, *, as_json: bool) -> None:
    """Delete a work item with its claims and conflicts; refused while an agent holds it."""
    request("DELETE", _item(key))
    if as_json:
        print_json({"deleted": key})
    else:
        print_text(f"{key} is deleted")


@click.group()
def claims() -> None:
    """Claims on work items, current and released."""


@claims.command("list")
@click.option("--work-item")
@click.option("--agent", "session_id", help="Only claims of this agent, by its key.")
@click.option("--live", is_flag=True, help="Only claims that are not released.")
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
    """List claims, newest first."""
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
    """Show a claim, to verify its fencing token."""
    show_fields(request("GET", f"/api/claims/{claim_id}"), as_json=as_json)


@click.command()
@json_option
def tracks(*, as_json: bool) -> None:
    """List the tracks on which work can go on in parallel."""
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
    print_text(f"{claim['work_item']}  token {claim['fencing_token']}  claim {claim['id']}")
    for warning in answer["warnings"]:
        print_text(f"  {warning['code']}: {warning['message']}")
