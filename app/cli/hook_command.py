"""`hook` with options, and as `--help` sees it; without, `app.__main__` needs none of this."""

import sys

import click

from app.cli.client import require_credentials
from app.cli.hook import Sender, flush, main
from app.cli.output import json_option, print_json
from app.cli.spool import spool_of


@click.command()
@click.argument("agent", default="claude-code")
@click.argument("event", required=False)
@click.option("--flush", "flushes", is_flag=True, help="Deliver what waits in the spool.")
@json_option
def hook(agent: str, event: str | None, *, flushes: bool, as_json: bool) -> None:
    """Post a hook event, from standard input unless EVENT is given.

    Exits 0 whatever happens: no agent waits for us. What the server does not take goes to the
    spool, which the next event or --flush delivers.
    """
    if not flushes:
        sys.exit(main([agent] if event is None else [agent, event]))
    credentials = require_credentials()
    spool = spool_of(credentials)
    if not spool.folder.exists():
        result = {"delivered": 0, "refused": 0, "left": 0, "dropped": 0}
    else:
        flushed = flush(Sender(credentials, timeout=30), spool)
        result = {**flushed._asdict(), "dropped": spool.dropped()}
    if as_json:
        print_json(result)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in result.items()))
    sys.exit(1 if result["left"] else 0)
