"""`tail`: the live feed in a terminal, across restarts of the server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from app.cli.client import NoAnswer, Refused, is_temporary, require_credentials, stream
from app.cli.credentials import Credentials
from app.cli.output import ROW_ID, complain, given, json_option, json_text, print_text

# Longer than the interval between the server's pings: such a silence is a lost connection.
SILENCE_SECONDS = 40.0
RETRY_SECONDS = 1.0


@click.command()
@click.option("--session", "session_id", type=ROW_ID, help="Only this session.")
@click.option("--after", type=click.IntRange(0), help="Start after this sequence number.")
@json_option
def tail(session_id: int | None, after: int | None, *, as_json: bool) -> None:
    """Follow events as they happen, until Ctrl-C."""
    follow(session_id, after, as_json=as_json)


def follow(session_id: int | None, after: int | None = None, *, as_json: bool) -> None:
    """Prints events for ever. After a lost connection it resumes behind the last one shown."""
    credentials = require_credentials()
    while True:
        try:
            for event in _events(credentials, session_id, after):
                after = event.get("sequence", event.get("to"))
                _show(event, as_json=as_json)
        except NoAnswer as error:
            if not is_temporary(error):
                raise
            complain(f"{error.message}; trying again")
        time.sleep(RETRY_SECONDS)


def _events(
    credentials: Credentials, session_id: int | None, after: int | None
) -> Iterator[dict[str, Any]]:
    """Events until the server ends the stream. Raises Refused when it does not open one, NoAnswer
    when it may do so later."""
    parameters = given({"session_id": session_id, "after": after})
    answer, lines = stream(credentials, "/api/feed/stream", parameters, SILENCE_SECONDS)
    if not answer.is_success:
        raise NoAnswer(answer.reason) if answer.is_for_later else Refused(answer.reason)
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"data":
            event: dict[str, Any] = json.loads(value)
            yield event


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(event))
    elif "to" in event:
        print_text(f"… events {event['from']} to {event['to']} are no longer kept")
    else:
        details = " ".join(f"{k}={v}" for k, v in event["payload"].items() if v is not None)
        at = event["at"][:19].replace("T", " ")
        line = f"{at}  {event['sequence']:>7}  {event['name']} {event['entity_id']}  {details}"
        print_text(" ".join(line.split("\n")))
