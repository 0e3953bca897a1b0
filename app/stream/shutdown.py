"""Ends the streams when the server stops, which would otherwise wait for them."""

import signal
import threading
from types import FrameType
from typing import Any

from app.stream.hub import Hub


def close_streams_on_signal(hub: Hub) -> None:
    """Runs before the web server's own signal handlers, which still do everything else."""
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
