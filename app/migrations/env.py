"""Runs all migrations in one transaction, behind an advisory lock; see `app.migrations`."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from app.models import Base

# Any constant will do; this one spells "agentses" in ASCII.
ADVISORY_LOCK = 0x6167656E74736573

config: Any = context.config


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=config.version_table_name,
        version_table_pk=True,
    )
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        context.run_migrations()


async def main() -> None:
    try:
        async with config.engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    finally:
        await config.engine.dispose()  # also when a migration fails: no connection is left behind


asyncio.run(main())
