"""The HTTP client of the commands that talk to a server."""

import time
from typing import Any

import click
import httpx

from app.cli.credentials import Credentials, load_credentials
from app.cli.output import printable

RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0


class Refused(click.ClickException):
    """The server said no."""

    exit_code = 1


def require_credentials() -> Credentials:
    """Raises UsageError without a token, and for what cannot be one."""
    credentials = load_credentials()
    if credentials is None:
        raise click.UsageError("no token: set AGENT_SESSIONS_TOKEN or run `agent-sessions login`")
    require_sendable(credentials, "AGENT_SESSIONS_TOKEN, or what `agent-sessions login` saved,")
    return credentials


def require_sendable(credentials: Credentials, origin: str) -> None:
    """Raises UsageError for a token that no header can carry."""
    if not (credentials.token.isascii() and credentials.token.isprintable()):
        raise click.UsageError(f"{origin} is no token: it has characters that no token has")


def request(method: str, path: str, **options: Any) -> Any:
    """The decoded answer. Raises Refused for a 4xx or 5xx, UsageError without a token."""
    response = _send(method, path, **options)
    return response.json() if response.content else None


def request_text(path: str) -> str:
    """A document that is not JSON. Raises as `request` does."""
    return _send("GET", path).text


def post_patiently(path: str, **options: Any) -> httpx.Response:
    """Whatever the server answers, once it can: waits while it is away or busy."""
    delay = RETRY_SECONDS
    while True:
        try:
            response = _request("POST", path, **options)
        except httpx.UnsupportedProtocol:
            raise
        except httpx.TransportError as error:
            problem, wait = str(error) or type(error).__name__, delay
        else:
            if not is_for_later(response):
                return response
            asked = response.headers.get("retry-after", "")
            problem, wait = reason(response), float(asked) if asked.isdecimal() else delay
        click.echo(f"agent-sessions: {problem}; trying again in {wait:g} s", err=True)
        time.sleep(wait)
        delay = min(2 * delay, LONGEST_RETRY_SECONDS)


def code_of(response: httpx.Response) -> str | None:
    """The stable code of a problem; None for an answer that is none of ours."""
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return None


def is_for_later(response: httpx.Response) -> bool:
    """A 502 of our own is final; another is a proxy's, before a server that is away."""
    if response.status_code == 502:
        return code_of(response) is None
    return response.status_code in {429, 503, 504}


def _send(method: str, path: str, **options: Any) -> httpx.Response:
    response = _request(method, path, **options)
    if response.is_success:
        return response
    raise Refused(reason(response))


def _request(method: str, path: str, **options: Any) -> httpx.Response:
    credentials = require_credentials()
    return httpx.request(
        method,
        f"{credentials.url}{path}",
        headers={"Authorization": f"Bearer {credentials.token}"},
        timeout=30,
        **options,
    )


def reason(response: httpx.Response) -> str:
    """Why the server said no, in its own words if it found any."""
    try:
        problem = response.json()
        detail = problem["detail"]
        fields = ", ".join(f"{e['path']}: {e['message']}" for e in problem.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}"
    return printable(f"{detail} ({fields})" if fields else str(detail))
