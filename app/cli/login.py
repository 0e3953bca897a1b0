"""`login`: remember the server and the token on this machine."""

import sys

import click
import httpx

from app.cli.client import Refused, require_sendable
from app.cli.credentials import DEFAULT_URL, Credentials, save_credentials
from app.cli.output import json_option, print_json, printable


@click.command()
@click.option("--url", envvar="AGENT_SESSIONS_URL", default=DEFAULT_URL, show_default=True)
@json_option
def login(url: str, *, as_json: bool) -> None:
    """Ask for a token (or read it from standard input), try it, and save both (0600)."""
    if sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True)
    else:
        token = sys.stdin.buffer.readline().decode(errors="replace")
    credentials = Credentials(url.rstrip("/"), token.strip())
    require_sendable(credentials, "what was entered")
    response = httpx.get(
        f"{credentials.url}/api/me", headers={"Authorization": f"Bearer {credentials.token}"}
    )
    if not response.is_success:
        raise Refused(f"{credentials.url} answered {response.status_code}: not saved")
    me = response.json()
    path = save_credentials(credentials)
    if as_json:
        print_json({"url": credentials.url, "path": str(path), "me": me})
    else:
        who = printable(me["user"]["email"])
        click.echo(f"{who} in account {me['account']['slug']}, saved in {path}")
