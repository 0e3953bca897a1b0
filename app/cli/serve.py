"""`serve`: sets up the database if need be, and runs the server."""

import asyncio
import http.client
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from app import migrations
from app.cli.credentials import write_secret
from app.cli.local import data_dir_option, database_settings
from app.contexts import accounts
from app.db import Database, Role, Tenant
from app.settings import Settings

OWNER_EMAIL = "owner@localhost"
GRACE_SECONDS = 3  # with what PostgreSQL needs to stop, less than five in all
READY_SECONDS = 60


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@data_dir_option
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--pgbouncer",
    is_flag=True,
    help="DATABASE_URL is a transaction-mode pool; DATABASE_DIRECT_URL is PostgreSQL itself.",
)
def serve(host: str, port: int, data_dir: Path, workers: int, *, pgbouncer: bool) -> None:
    """Migrate the database, create the first account in an empty one, and serve."""
    if pgbouncer:
        os.environ["AGENT_SESSIONS_PGBOUNCER"] = "1"
    # uvicorn raises the signal again when it has shut down: PostgreSQL is still to be stopped then.
    signal.signal(signal.SIGTERM, _exit)
    listener = _listen(host, port)
    with ExitStack() as stack:
        settings = stack.enter_context(database_settings(data_dir))
        migrations.upgrade(settings.direct_url)
        asyncio.run(_create_first_account(settings, data_dir))
        if workers > 1:
            # Where each worker leaves its numbers for the one that is asked for the metrics.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(TemporaryDirectory())
        # The workers are processes of their own and read the environment.
        os.environ["DATABASE_URL"] = settings.database_url
        config = uvicorn.Config(
            "app.asgi:create_app",
            factory=True,
            workers=workers,
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,  # nothing here asks where a client is
            root_path=settings.root_path,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        threading.Thread(target=_announce, args=(listener,), daemon=True).start()
        server = uvicorn.Server(config)
        if workers == 1:
            server.run(sockets=[listener])
        else:
            Multiprocess(config, sockets=[listener]).run()


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listen(host: str, port: int) -> socket.socket:
    """Binds before anything else is started. Raises OSError naming the address."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _announce(listener: socket.socket) -> None:
    """Prints one line once requests are answered."""
    host, port = listener.getsockname()[:2]
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/health/live")
            if connection.getresponse().status == http.HTTPStatus.OK:
                shown = f"[{host}]" if ":" in host else host
                click.echo(f"listening on http://{shown}:{port}")
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()


async def _create_first_account(settings: Settings, data_dir: Path) -> None:
    """Writes the token to its file before the account is committed, so that it cannot be lost."""
    database = Database(settings)
    path = data_dir / "owner-token"
    try:
        async with database.transaction(Tenant(account_id=0, role=Role.SYSTEM)) as db:
            new = await accounts.create_default_account(db, OWNER_EMAIL)
            if new is None:
                return
            write_secret(path, f"{new.token}\n")
    finally:
        await database.close()
    click.echo(f"created account `default` with user {OWNER_EMAIL}; its token, also in {path}:")
    click.echo(new.token)
