"""A PgBouncer in transaction mode, with fewer connections than its clients have."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from app.embedded.account import server_account

# A test that has a transaction open while it sends a request needs two.
CONNECTIONS = 4
PORT = 6432  # only names the socket file
START_SECONDS = 10.0
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr =
listen_port = {listen_port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 1000
server_login_retry = 1
logfile = {folder}/log
pidfile = {folder}/pid
"""


def find_pgbouncer() -> str:
    """Raises UsageError, which also ends a whole test run with its message."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which("pgbouncer", path=search)
    if found is None:
        raise pytest.UsageError(
            "pgbouncer is not installed (on Debian and Ubuntu: apt-get install pgbouncer)"
        )
    return found


@contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """The URL of the same database, which must be reached over a socket, through the pool."""
    program = find_pgbouncer()
    direct = urlsplit(database_url)
    query = parse_qs(direct.query)
    account = server_account()
    # A folder below one that only root can enter is reached through a descriptor of root's.
    socket_folder = os.open(query["host"][0], os.O_RDONLY | os.O_DIRECTORY)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        os.chown(folder, account.uid, account.gid)
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                host=f"/proc/self/fd/{socket_folder}",
                port=query["port"][0],
                user=direct.username,
                listen_port=PORT,
                folder=folder,
                connections=CONNECTIONS,
            )
        )
        process = subprocess.Popen(
            [program, "--quiet", str(configuration)],
            pass_fds=[socket_folder],
            user=account.uid if os.geteuid() == 0 else None,
            group=account.gid if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (folder / f".s.PGSQL.{PORT}").exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "pgbouncer does not open its socket"
                time.sleep(0.02)
            yield direct._replace(query=f"host={quote(name)}&port={PORT}").geturl()
        finally:
            process.terminate()
            process.wait()
            os.close(socket_folder)
