"""Several worker processes behind one port."""

import asyncio
import signal
import socket
from pathlib import Path

from tests.servers import start_server, stop_server


async def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    server = await asyncio.to_thread(start_server, tmp_path, "--workers", "2")
    port = int(server.url.rpartition(":")[2])
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    async with asyncio.timeout(30):
        while not is_free(port):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)
    again = await asyncio.to_thread(start_server, tmp_path, "--workers", "2", "--port", str(port))
    assert await asyncio.to_thread(stop_server, again) == 0


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
