"""`login`: remember the server and the token on this machine."""

import sys

import click

from app.cli.client import Refused, require_sendable, send
from app.cli.credentials import DEFAULT_URL, Credentials, save_credentials
from app.cli.output import json_option, print_json, print_text


@click.command()
@click.option(
    "--url",
    envvar="AGENT_SESSIONS_URL",
    default=DEFAULT_URL,
    show_default=True,
    help="The server's address.",
)
@json_option
def login(url: str, *, as_json: bool) -> None:
    """Save a token for the other commands, once the server has accepted it.

    Asks for the token, or reads it from standard input. The file is readable only by you.
    """
    if sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True)
    else:
        token = sys.stdin.buffer.readline().decode(errors="replace")
    credentials = Credentials(url, token)
    require_sendable(credentials, "the input")
    answer = send(credentials, "GET", "/api/me")
    if not answer.is_success:
        raise Refused(f"not saved: {credentials.url} answered {answer.status}, {answer.reason}")
    me = answer.json()
    path = save_credentials(credentials)
    if as_json:
        print_json({"url": credentials.url, "path": path, "me": me})
    else:
        print_text(f"{me['user']['email']} in account {me['account']['slug']}, saved in {path}")
