"""Access to the database for the commands that run beside it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import click

from app import embedded, migrations
from app.db import Database
from app.errors import AppError
from app.settings import Settings, default_data_dir, from_environment

Answer = TypeVar("Answer")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data_dir,
    show_default="~/.local/share/agent-sessions, as root /var/lib/agent-sessions",
    help="Folder of the embedded PostgreSQL and the first token.",
)


def bin_dir() -> Path | None:
    """The folder of PostgreSQL's programs, when not those of the installed wheel."""
    configured = os.environ.get("PG_BINDIR")
    return Path(configured) if configured else None


@contextmanager
def database_settings(data_dir: Path) -> Iterator[Settings]:
    """Settings for DATABASE_URL when it is set, otherwise for the embedded PostgreSQL, started if
    it is not running."""
    if os.environ.get("DATABASE_URL"):
        yield from_environment()
        return
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(embedded.start(data_dir, bin_dir=bin_dir()))
        except embedded.EmbeddedError as error:
            if "effective user ID" not in str(error):
                raise
            raise click.UsageError(
                f"PostgreSQL needs a name for the user id {os.geteuid()}: add an entry to "
                "/etc/passwd, run as another user, or set DATABASE_URL"
            ) from None
        yield from_environment(database_url=cluster.url)


def with_database(
    data_dir: Path, action: Callable[[Database], Awaitable[Answer]], *, migrated: bool = True
) -> Answer:
    """Runs the action. Raises Unavailable when this version needs another schema."""

    async def run(settings: Settings) -> Answer:
        database = Database(settings)
        try:
            if migrated:
                await _require_migrated(database)
            return await action(database)
        finally:
            await database.close()

    with database_settings(data_dir) as settings:
        return asyncio.run(run(settings))


async def _require_migrated(database: Database) -> None:
    try:
        await database.require_revision(migrations.head())
    except AppError as error:
        hint = "" if "migration" not in error.message else " Run `agent-sessions db upgrade`."
        raise type(error)(f"{error.message}{hint}") from None
