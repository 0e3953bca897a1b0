"""`tail`: the live feed in a terminal, across restarts of the server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import click
import httpx

from app.cli.client import Refused, is_for_later, reason, require_credentials
from app.cli.credentials import Credentials
from app.cli.output import ROW_ID, json_option, printable

# Longer than the server's pings are apart: silence beyond it is a lost connection.
SILENCE_SECONDS = 40.0
RETRY_SECONDS = 1.0


@click.command()
@click.option("--session", "session_id", type=ROW_ID, help="Only this session.")
@click.option("--after", type=click.IntRange(0), help="Begin behind this sequence, not now.")
@json_option
def tail(session_id: int | None, after: int | None, *, as_json: bool) -> None:
    """Follow what happens, until Ctrl-C."""
    follow(session_id, after, as_json=as_json)


def follow(session_id: int | None, after: int | None = None, *, as_json: bool) -> None:
    """Reconnects behind the last event it has shown."""
    credentials = require_credentials()
    while True:
        try:
            for event in _events(credentials, session_id, after):
                after = event.get("sequence", event.get("to"))
                _show(event, as_json=as_json)
        except httpx.TransportError as error:
            click.echo(f"agent-sessions: {error}; trying again", err=True)
        time.sleep(RETRY_SECONDS)


def _events(
    credentials: Credentials, session_id: int | None, after: int | None
) -> Iterator[dict[str, Any]]:
    """Until the server ends the stream. Raises Refused when it does not open one, TransportError
    when it may do so later."""
    parameters = {"session_id": session_id, "after": after}
    with httpx.stream(
        "GET",
        f"{credentials.url}/api/feed/stream",
        params={name: value for name, value in parameters.items() if value is not None},
        headers={"Authorization": f"Bearer {credentials.token}"},
        timeout=httpx.Timeout(10, read=SILENCE_SECONDS),
    ) as response:
        if not response.is_success:
            response.read()
            problem = reason(response)
            raise httpx.TransportError(problem) if is_for_later(response) else Refused(problem)
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                event: dict[str, Any] = json.loads(value)
                yield event


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event))
    elif "to" in event:
        click.echo(f"… events {event['from']} to {event['to']} are no longer kept")
    else:
        details = " ".join(f"{k}={v}" for k, v in event["payload"].items() if v is not None)
        at = event["at"][:19].replace("T", " ")
        line = f"{at}  {event['sequence']:>7}  {event['name']} {event['entity_id']}  {details}"
        click.echo(printable(line))
