"""`runs`: evidence of what jobs did on devices."""

from urllib.parse import quote

import click

from app.cli.client import request, request_text
from app.cli.output import (
    cell,
    given,
    json_option,
    page_options,
    print_json,
    print_text,
    show_page,
    when,
)

_REPORTS = (
    "by-device",
    "duration",
    "success-rate",
    "scripts",
    "executions",
    "issues",
    "remediations",
    "logs",
)


@click.group()
def runs() -> None:
    """Runs: evidence of what jobs did on devices."""


@runs.command("list")
@click.option("--device", help="The id of a device.")
@click.option("--nature", help="The id of a nature, such as transform-csv.")
@click.option(
    "--finished/--running",
    default=None,
    help="Only runs that have ended, or that are still running.",
)
@page_options
@json_option
def list_runs(
    device: str | None,
    nature: str | None,
    finished: bool | None,
    limit: int,
    cursor: str | None,
    *,
    as_json: bool,
) -> None:
    """List runs, the latest start first."""
    parameters = {
        "device": device,
        "nature": nature,
        "finished": None if finished is None else str(finished).lower(),
        "limit": limit,
        "cursor": cursor,
    }
    page = request("GET", "/api/runs", params=given(parameters))
    columns = ["id", "nature", "device", "state", "execs", "failed", "issues", "started"]
    rows = [
        (
            row["orchestration_session_id"],
            row["orchestration_nature_id"],
            row["device_id"],
            row["last_state"],
            row["exec_count"],
            row["failed_exec_count"],
            row["issue_count"],
            when(row["orch_started_at"]),
        )
        for row in page["data"]
    ]
    show_page(page, columns, rows, as_json=as_json)


@runs.command("show")
@click.argument("run_id")
@json_option
def show_run(run_id: str, *, as_json: bool) -> None:
    """Show a run as Markdown, or its fields as JSON."""
    path = f"/api/runs/{quote(run_id, safe='')}"
    if as_json:
        print_json(request("GET", path))
        return
    print_text(request_text(f"{path}/report.md").removesuffix("\n"))


@runs.command("report")
@click.argument("name", type=click.Choice(_REPORTS))
@click.option("--run", "run_id", help="Only this run.")
@page_options
@json_option
def report_runs(
    name: str, run_id: str | None, limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """Show one of the reports as a table."""
    parameters = given({"run": run_id, "limit": limit, "cursor": cursor})
    page = request("GET", f"/api/runs/reports/{name}", params=parameters)
    columns = list(page["data"][0]) if page["data"] else []
    rows = [[cell(value) for value in row.values()] for row in page["data"]]
    show_page(page, columns, rows, as_json=as_json)
