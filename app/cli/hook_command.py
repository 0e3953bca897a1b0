"""`hook` as `--help` and completion see it; `app.__main__` runs it without any of this."""

import sys

import click

from app.cli.hook import main


@click.command()
@click.argument("agent", default="claude-code")
def hook(agent: str) -> None:
    """Post a hook event from standard input. Exits 0 whatever happens: no agent waits for us."""
    sys.exit(main([agent]))
