"""The HTTP client of the commands that talk to a server."""

from typing import Any

import click
import httpx

from app.cli.credentials import load_credentials


class Refused(click.ClickException):
    """The server said no."""

    exit_code = 1


def request(method: str, path: str, **options: Any) -> Any:
    """The decoded answer. Raises Refused for a 4xx or 5xx, UsageError without a token."""
    response = _send(method, path, **options)
    return response.json() if response.content else None


def request_text(path: str) -> str:
    """A document that is not JSON. Raises as `request` does."""
    return _send("GET", path).text


def _send(method: str, path: str, **options: Any) -> httpx.Response:
    credentials = load_credentials()
    if credentials is None:
        raise click.UsageError("no token: set AGENT_SESSIONS_TOKEN or run `agent-sessions login`")
    response = httpx.request(
        method,
        f"{credentials.url}{path}",
        headers={"Authorization": f"Bearer {credentials.token}"},
        timeout=30,
        **options,
    )
    if response.is_success:
        return response
    raise Refused(reason(response))


def reason(response: httpx.Response) -> str:
    """Why the server said no, in its own words if it found any."""
    try:
        problem = response.json()
        detail = problem["detail"]
        fields = ", ".join(f"{e['path']}: {e['message']}" for e in problem.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}"
    return f"{detail} ({fields})" if fields else str(detail)
