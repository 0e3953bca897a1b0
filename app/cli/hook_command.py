"""`hook` with options, and as `--help` shows it; `app.__main__` runs it without importing this."""

import sys

import click

from app.cli.client import require_credentials
from app.cli.delivery import DELIVERED, REFUSED, Delivery, Sender
from app.cli.hook import main
from app.cli.output import json_option, print_json
from app.cli.spool import spool_of

TIMEOUT_SECONDS = 30.0


@click.command()
@click.argument("agent", default="claude-code")
@click.argument("event", required=False)
@click.option("--flush", "flushes", is_flag=True, help="Deliver the events in the spool.")
@json_option
def hook(agent: str, event: str | None, *, flushes: bool, as_json: bool) -> None:
    """Post an agent's hook event, read from standard input unless EVENT is given.

    Prints nothing and exits 0, so that hooks never disturb an agent. Events that the server does
    not take stay in a spool; the next event or --flush delivers them.
    """
    if not flushes:
        main([agent] if event is None else [agent, event])
    credentials = require_credentials()
    spool = spool_of(credentials)
    counts = {DELIVERED: 0, REFUSED: 0}
    if spool.entries():
        delivery = Delivery(Sender(credentials, TIMEOUT_SECONDS), spool)
        delivery.run()
        counts = delivery.counts
    result = {**counts, "left": len(spool.entries()), "dropped": spool.dropped()}
    if as_json:
        print_json(result)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in result.items()))
    sys.exit(1 if result["left"] else 0)
