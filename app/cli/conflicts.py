"""`conflicts`: work items that touch the same areas."""

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
    show_fields,
    show_page,
    when,
)
from app.schemas.fleet import ConflictType, Severity

_PATH = "/api/work-item-conflicts"


@click.group()
def conflicts() -> None:
    """Conflicts between work items."""


@conflicts.command("list")
@click.option("--work-item", help="The key of either work item.")
@click.option("--severity", type=choice(Severity))
@click.option("--resolved/--open", default=None, help="Only resolved or only open conflicts.")
@page_options
@json_option
def list_conflicts(
    work_item: str | None,
    severity: str | None,
    resolved: bool | None,
    limit: int,
    cursor: str | None,
    *,
    as_json: bool,
) -> None:
    """List conflicts, the latest report first."""
    parameters = {
        "work_item": work_item,
        "severity": severity,
        "resolved": None if resolved is None else str(resolved).lower(),
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", _PATH, params=given(parameters))
    columns = ["id", "severity", "type", "work item", "and", "areas", "detected", "resolved"]
    rows = [
        (
            row["id"],
            row["severity"],
            row["conflict_type"],
            row["work_item_a"],
            row["work_item_b"],
            cell(row["affected_areas"]),
            when(row["detected_at"]),
            when(row["resolved_at"]),
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@conflicts.command("report")
@click.argument("work_item_a")
@click.argument("work_item_b")
@click.option("--type", "conflict_type", type=choice(ConflictType), required=True)
@click.option("--severity", type=choice(Severity), required=True)
@click.option(
    "--area",
    "affected_areas",
    multiple=True,
    help="An affected area, such as a file; can be repeated.",
)
@json_option
def report_conflict(*, as_json: bool, **fields: Any) -> None:
    """Report a conflict of two work items. Reporting it again updates and reopens it."""
    body = {**fields, "affected_areas": list(fields["affected_areas"])}
    show_fields(request("POST", _PATH, json=body), as_json=as_json)


@conflicts.command("show")
@click.argument("conflict_id", type=ROW_ID)
@json_option
def show_conflict(conflict_id: int, *, as_json: bool) -> None:
    """Show a conflict."""
    show_fields(request("GET", f"{_PATH}/{conflict_id}"), as_json=as_json)


@conflicts.command("resolve")
@click.argument("conflict_id", type=ROW_ID)
@click.option("--notes", "resolution_notes", help="How it was resolved.")
@json_option
def resolve_conflict(conflict_id: int, resolution_notes: str | None, *, as_json: bool) -> None:
    """Mark a conflict resolved."""
    body = given({"resolution_notes": resolution_notes})
    show_fields(request("POST", f"{_PATH}/{conflict_id}/resolve", json=body), as_json=as_json)
