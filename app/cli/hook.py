"""`hook`: posts an agent's event and gets out of its way.

Standard library only, no output, exit code 0 whatever happens, at most two seconds.
"""

import http.client
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from app.cli.credentials import Credentials, load_credentials

TIMEOUT_SECONDS = 2.0


def main(arguments: Sequence[str]) -> int:
    agent = arguments[0] if arguments else "claude-code"
    try:
        event = sys.stdin.buffer.read()
        credentials = load_credentials()
        if credentials is not None:
            post(credentials, agent, event)
    except Exception:  # noqa: BLE001, S110 - an agent must never notice us
        pass
    return 0


def post(credentials: Credentials, agent: str, event: bytes) -> int:
    """The status of the answer. Raises OSError or HTTPException when there is none."""
    parts = urlsplit(credentials.url)
    secure = parts.scheme == "https"
    connection_type = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connection_type(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST",
            f"{parts.path}/api/hooks/{agent}",
            event,
            {
                "Authorization": f"Bearer {credentials.token}",
                "Content-Type": "application/json",
            },
        )
        return connection.getresponse().status
    finally:
        connection.close()
