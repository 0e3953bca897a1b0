"""`hook`: takes an agent's event and gets out of its way.

No output, exit code 0 whatever happens, and back within DEADLINE_SECONDS of the process's start.
The event is in the spool before anything is sent, and leaves it with the server's answer. An agent
waits for this at every tool call, so modules are imported only where they are needed.
"""

import _signal  # type: ignore[import-not-found]  # `signal` itself imports enum
import _thread
import os
import time

from app.cli.credentials import load_credentials
from app.cli.delivery import Delivery, Sender
from app.cli.events import argument_bytes, mended, read_event, shortened
from app.cli.spool import Spool, Spooled, spool_of

DEADLINE_SECONDS = 1.1
LEAST_SECONDS = 0.3
"""On a machine so busy that the deadline is over before anything has begun."""
BACKLOG_SECONDS = 0.4
"""How long a hook delivers what waits in the spool before it leaves the rest to the next."""
_IGNORED = ("SIGTERM", "SIGINT", "SIGHUP")


def main(arguments: list[str]) -> None:
    """`arguments` are the agent's name and, for agents that pass it so, the event. Ends the
    process."""
    for name in _IGNORED:  # an agent that has enough of us does not lose the event
        if number := getattr(_signal, name, None):
            _signal.signal(number, _signal.SIG_IGN)
    hook = Hook(arguments)
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(hook.run, (done,))
    left = DEADLINE_SECONDS - _age_seconds()
    if not done.acquire(timeout=max(left, LEAST_SECONDS)):
        hook.give_up()
    os._exit(0)  # without waiting for the thread, and without taking the interpreter apart


class Hook:
    """Runs in a thread: nothing else bounds a name look-up or an answer that trickles in."""

    def __init__(self, arguments: list[str]) -> None:
        self._agent = arguments[0] if arguments else "claude-code"
        self._argument = arguments[1] if len(arguments) > 1 else ""
        self._delivery: Delivery | None = None

    def run(self, done: "_thread.LockType") -> None:
        try:  # noqa: SIM105
            self._take()
        except BaseException:  # noqa: BLE001, S110 - an agent must never notice us
            pass
        done.release()

    def give_up(self) -> None:
        try:
            if self._delivery is not None:
                self._delivery.give_up()
        except BaseException:  # noqa: BLE001, S110 - as above
            pass

    def _take(self) -> None:
        raw = argument_bytes(self._argument) if self._argument else read_event()
        time_ns = time.time_ns()
        credentials = load_credentials()
        event = shortened(mended(raw))
        if credentials is None or not event.strip():
            return
        try:
            spool = spool_of(credentials)
            spool.add(self._agent, event, time_ns)
        except OSError:  # nowhere to keep it: then the server must take it at once
            entry = Spooled("", Spool.name_of(self._agent, time_ns))
            Sender(credentials).send(entry, event)
            return
        if spool.is_paused():
            return
        until = time.monotonic() + BACKLOG_SECONDS
        self._delivery = Delivery(Sender(credentials), spool, until)
        self._delivery.run()


def _age_seconds() -> float:
    """Since the process was started, which on a busy machine is long before the first line of ours.
    Where the system does not tell, the processor time so far."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - see `credentials`
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(0.0, now - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError, IndexError):
        return time.process_time()
