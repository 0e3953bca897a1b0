"""A server that stops waits for its open answers: streams have to be told."""

import signal
import threading
from types import FrameType
from typing import Any

from app.stream.hub import Hub


def close_streams_on_signal(hub: Hub) -> None:
    """In front of the web server's own handlers, which stay in charge of everything else."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        _prepend(number, hub)


def _prepend(number: signal.Signals, hub: Hub) -> None:
    handler: Any = signal.getsignal(number)
    if not callable(handler):
        return

    def close_then(received: int, frame: FrameType | None) -> None:
        hub.close_streams()
        handler(received, frame)

    signal.signal(number, close_then)
