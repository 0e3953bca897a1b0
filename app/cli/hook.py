"""`hook`: posts an agent's event and gets out of its way.

Standard library only, no output, exit code 0 whatever happens, at most two seconds. What the
server does not take now goes to the spool, and is delivered before the next event.
"""

import http.client
import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from app.cli.credentials import Credentials, load_credentials
from app.cli.spool import Spool, Spooled, spool_of

DEADLINE_SECONDS = 1.7
TIMEOUT_SECONDS = 1.5
# The event itself is refused, and would be again.
_REFUSED = frozenset({400, 404, 413, 415, 422})


class Flushed(NamedTuple):
    delivered: int = 0
    refused: int = 0
    left: int = 0


class Sender:
    """One connection for any number of events."""

    def __init__(self, credentials: Credentials, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(credentials.url)
        secure = parts.scheme == "https"
        connection_type = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = connection_type(parts.netloc, timeout=timeout)
        self._path = parts.path
        self._headers = {
            "Authorization": f"Bearer {credentials.token}",
            "Content-Type": "application/json",
            "X-Agent-Hostname": quote(platform.node()),
        }

    def send(self, agent: str, event: bytes) -> int:
        """The status of the answer; 0 when there is none."""
        try:
            self._connection.request(
                "POST", f"{self._path}/api/hooks/{quote(agent)}", event, self._headers
            )
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0
        return response.status


def main(arguments: Sequence[str]) -> int:
    """`arguments` are the agent's name and, for agents that pass it so, the event."""
    agent = arguments[0] if arguments else "claude-code"
    delivery = _Delivery(agent, arguments[1] if len(arguments) > 1 else None)
    delivery.start()
    delivery.join(DEADLINE_SECONDS)
    if delivery.is_alive():
        delivery.give_up()
        os._exit(0)  # without waiting for the thread
    return 0


class _Delivery(threading.Thread):
    """A thread, because nothing else bounds a name lookup or an answer that trickles in."""

    def __init__(self, agent: str, event: str | None) -> None:
        super().__init__(daemon=True)
        self._agent = agent
        self._event = b"" if event is None else event.encode()
        self._spool: Spool | None = None

    def run(self) -> None:
        with suppress(Exception):  # an agent must never notice us
            event = self._event or sys.stdin.buffer.read()
            credentials = load_credentials()
            if credentials is not None and event.strip():
                self._event, self._spool = event, spool_of(credentials)
                self._deliver(Sender(credentials), self._spool)

    def give_up(self) -> None:
        """Sent or not, nobody knows: an event that arrives twice is stored once."""
        with suppress(Exception):
            if self._spool is not None:
                self._spool.add(self._agent, self._event)

    def _deliver(self, sender: Sender, spool: Spool) -> None:
        """Behind everything that waits in the spool, so that the order stays."""
        deadline = time.monotonic() + DEADLINE_SECONDS / 2
        if spool.entries():
            try:
                spool.add(self._agent, self._event)
                self._spool = None
            except OSError:
                sender.send(self._agent, self._event)
            else:
                flush(sender, spool, deadline)
        elif not _settled(sender.send(self._agent, self._event)):
            spool.add(self._agent, self._event)


def flush(sender: Sender, spool: Spool, deadline: float = float("inf")) -> Flushed:
    """Oldest first, until one cannot be delivered. Another process that does the same has it."""
    delivered = refused = 0
    waiting: deque[Spooled] = deque()
    with spool.locked() as ours:
        # What other hooks add meanwhile goes too.
        while ours and time.monotonic() < deadline:
            waiting = waiting or deque(spool.entries())
            if not waiting:
                break
            try:
                event = waiting[0].path.read_bytes()
            except FileNotFoundError:  # the spool was full, and it was the oldest
                waiting.popleft()
                continue
            status = sender.send(waiting[0].agent, event)
            if not _settled(status):
                break
            waiting.popleft().path.unlink(missing_ok=True)
            delivered += status < 400
            refused += status >= 400
    return Flushed(delivered, refused, len(spool.entries()))


def _settled(status: int) -> bool:
    return 200 <= status < 300 or status in _REFUSED
