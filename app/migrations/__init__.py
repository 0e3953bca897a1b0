"""The history of the schema, and the ways to move along it."""

import asyncio
from pathlib import Path

import asyncpg
from advanced_alchemy.alembic.commands import AlembicCommands
from advanced_alchemy.config import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.db import VERSION_TABLE
from app.engine import sqlalchemy_url
from app.errors import Invalid, Unavailable
from app.migrations.tenancy import CREATE_ROLE

_LOCATION = Path(__file__).parent


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrates to the newest revision. An advisory lock lets one of several servers that start at
    once do it.

    Raises Unavailable for a database that a newer version has migrated.
    """
    try:
        _commands(database_url).upgrade(revision)
    except CommandError as error:
        raise Unavailable(f"The database is not one this version knows: {error}") from error


def downgrade(database_url: str, revision: str) -> None:
    """Raises Invalid for an unknown revision."""
    try:
        _commands(database_url).downgrade(revision)
    except CommandError as error:
        raise Invalid.field("revision", str(error)) from error


def create_role(database_url: str) -> None:
    """Creates the role to which every table is granted; a backup does not contain it."""

    async def create() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(CREATE_ROLE)
        finally:
            await connection.close()

    asyncio.run(create())


def head() -> str:
    revision = ScriptDirectory(str(_LOCATION)).get_current_head()
    assert revision is not None, "there is always a first migration"  # noqa: S101 - a type guard
    return revision


def _commands(database_url: str) -> AlembicCommands:
    return AlembicCommands(
        SQLAlchemyAsyncConfig(
            connection_string=sqlalchemy_url(database_url),
            alembic_config=AlembicAsyncConfig(
                script_location=str(_LOCATION), version_table_name=VERSION_TABLE
            ),
        )
    )
