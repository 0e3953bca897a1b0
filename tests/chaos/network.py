"""A host of PostgreSQL that can vanish without a word: in a network of its own, behind a cable that
can be pulled."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import parse_qs, urlsplit

PORT = 5432
# Run inside the other network, whose sockets in the file system are the same.
_RELAY = """
import asyncio, sys

async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def relay(reader, writer):
    there = await asyncio.open_unix_connection(sys.argv[1])
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

async def main():
    async with await asyncio.start_server(relay, "0.0.0.0", int(sys.argv[2])) as server:
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


def can_make_networks() -> bool:
    name = f"agent-sessions-probe-{os.getpid()}"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return made.returncode == 0


class FarHost:
    def __init__(self, url: str, network: str, cable: str) -> None:
        self.url = url
        self._network = network
        self._cable = cable

    def vanish(self) -> None:
        """Neither end hears of it: what is sent is lost, and no connection is closed."""
        _ip("-n", self._network, "link", "set", self._cable, "down")

    def come_back(self) -> None:
        """Its connections are still open on its side, as after a failing switch."""
        _ip("-n", self._network, "link", "set", self._cable, "up")


@contextmanager
def far_host(database_url: str) -> Iterator[FarHost]:
    """The same database, which must be reached over a socket, at another host."""
    direct = urlsplit(database_url)
    query = parse_qs(direct.query)
    number = os.getpid()
    network, near, far = f"agent-sessions-{number}", f"as{number}n", f"as{number}f"
    # Each test process has a subnet of its own, of those that nobody routes.
    subnet = f"10.{200 + number // 65536 % 50}.{number // 256 % 256}"
    first = number % 64 * 4
    with ExitStack() as stack:
        _ip("netns", "add", network)
        stack.callback(_ip, "netns", "delete", network)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", network)
        _ip("address", "add", f"{subnet}.{first + 1}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", network, "address", "add", f"{subnet}.{first + 2}/30", "dev", far)
        _ip("-n", network, "link", "set", far, "up")
        socket_path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        command = (*("ip", "netns", "exec", network), *(sys.executable, "-c", _RELAY))
        relay = stack.enter_context(
            subprocess.Popen([*command, socket_path, str(PORT)], stdout=subprocess.PIPE)
        )
        stack.callback(relay.terminate)
        assert relay.stdout is not None
        assert relay.stdout.readline() == b"ready\n"
        netloc = f"{direct.username}@{subnet}.{first + 2}:{PORT}"
        yield FarHost(direct._replace(netloc=netloc, query="").geturl(), network, far)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
