"""Events from the spool to the server, oldest first."""

import os
import time

from app.cli.connection import Connection, Unreachable
from app.cli.credentials import Credentials
from app.cli.spool import Spool, Spooled, quoted

MAX_ANSWER_BYTES = 64 * 1024
DELIVERED, REFUSED, FOREIGN, AWAY, SILENT = "delivered", "refused", "foreign", "away", "silent"
"""What became of an event. FOREIGN: there was no answer, or not one of the server's. AWAY: the
server cannot be reached, or takes nothing from this token now. SILENT: no answer came in time."""
LEAST_WAIT_SECONDS = 0.25
"""A server that has had less time to answer may be well: the machine was busy."""
_SETTLED = (DELIVERED, REFUSED)
# Statuses with which the server refuses the event itself, and would refuse it again.
_REFUSING = (400, 404, 413, 415, 422)


class Sender:
    """One connection for any number of events. `timeout` is in seconds; None is for a caller that
    has a deadline of its own."""

    def __init__(self, credentials: Credentials, timeout: float | None = None) -> None:
        self._connection = Connection(credentials.url, credentials.token, timeout)
        self._host = quoted(_host_name())

    def close(self) -> None:
        self._connection.close()

    def send(self, entry: Spooled, event: bytes) -> str:
        """What became of the event."""
        headers = (
            "Content-Type: application/json\r\n"
            f"X-Agent-Hostname: {self._host}\r\n"
            f"X-Agent-Event-Time: {_rfc3339(entry.time_ns)}\r\n"
            f"X-Agent-Event-Id: {entry.event_id}\r\n"
        )
        try:
            response = self._connection.send("POST", f"/api/hooks/{entry.agent}", event, headers)
            body = response.read(MAX_ANSWER_BYTES)
        except Unreachable:
            return AWAY
        except TimeoutError:
            self._connection.close()
            return SILENT
        except OSError:
            self._connection.close()
            return FOREIGN
        if response.status == 204:
            return DELIVERED
        kind = response.headers.get("content-type", "")
        is_ours = kind.startswith("application/problem+json") and b'"code"' in body
        if not (is_ours and b'"request_id"' in body):
            return FOREIGN
        return REFUSED if response.status in _REFUSING else AWAY


class Delivery:
    """Delivers until the spool is empty or the server cannot take more.

    An event without an answer of the server is passed over: the next one tells whether the server
    or the event is at fault. One that is at fault goes behind the others, and is dropped after
    some attempts.
    """

    def __init__(self, sender: Sender, spool: Spool, until: float = float("inf")) -> None:
        """`until` is a time of the monotonic clock, after which no further event is sent."""
        self._sender = sender
        self._spool = spool
        self._until = until
        self._passed: set[str] = set()
        self._sending: Spooled | None = None
        self._since = 0.0
        self.counts = {DELIVERED: 0, REFUSED: 0}

    def run(self) -> None:
        """Leaves the spool to another process that is delivering it."""
        is_over = False
        while not is_over:
            with self._spool.locked() as ours:
                if not ours:
                    break
                while not is_over and (waiting := self._waiting()):
                    is_over = self._send_all(waiting)
            # An event that was added while the lock was held is not left to the next hook.
            is_over = is_over or not self._waiting()

        self._sender.close()

    def give_up(self) -> None:
        """Lets hooks leave a server alone that does not answer. The event may be at fault instead,
        so that another one is the first to be sent the next time."""
        entry = self._sending
        if entry is None or time.monotonic() - self._since < LEAST_WAIT_SECONDS:
            return
        self._spool.pause()
        is_first = not any(waiting.failures for waiting in self._spool.entries())
        if self._has_settled() or is_first:
            self._spool.mark_failed(entry)

    def _waiting(self) -> list[Spooled]:
        return [e for e in self._spool.entries() if e.event_id not in self._passed]

    def _send_all(self, waiting: list[Spooled]) -> bool:
        """Whether this is the end of it."""
        passed: list[Spooled] = []
        is_over = False
        for entry in waiting:
            if is_over := time.monotonic() > self._until:
                break
            event = entry.read()
            if event is None:
                continue
            self._sending, self._since = entry, time.monotonic()
            outcome = self._sender.send(entry, event)
            if outcome == SILENT:
                self.give_up()
            self._sending = None
            if outcome in _SETTLED:
                self.counts[outcome] += 1
                entry.remove()
                self._spool.resume()
                continue
            self._passed.add(entry.event_id)
            if outcome == FOREIGN:
                passed.append(entry)
            if is_over := outcome != FOREIGN or (len(passed) > 1 and not self._has_settled()):
                break
        if self._has_settled():
            for entry in passed:
                self._spool.mark_failed(entry)
        return is_over

    def _has_settled(self) -> bool:
        return any(self.counts.values())


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"


def _host_name() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
