"""`retention`: runs on the server's machine, for every account, and needs no token."""

from pathlib import Path

import click
import msgspec

from app import jobs
from app.cli.local import data_dir_option, with_database
from app.cli.output import json_option, print_json, print_table


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would be removed; remove nothing.")
@data_dir_option
@json_option
def retention(data_dir: Path, *, dry_run: bool, as_json: bool) -> None:
    """Remove expired data of closed instances."""
    removed = with_database(data_dir, lambda database: jobs.retain(database, dry_run=dry_run))
    if as_json:
        rows = [
            {"account_id": account_id, **msgspec.structs.asdict(expired)}
            for account_id, expired in removed.items()
        ]
        print_json({"dry_run": dry_run, "data": rows})
        return
    print_table(
        ["account", "instances", "commands", "events", "checkpoints"],
        [
            (account_id, len(e.instances), e.commands, e.events, e.checkpoints)
            for account_id, e in removed.items()
        ],
    )
    click.echo("nothing was removed: this was a dry run" if dry_run else "removed")
