"""Up, down, all at once, and in step with the models."""

import asyncio
import subprocess
import sys
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from app import migrations
from app.db import VERSION_TABLE
from app.engine import sqlalchemy_url
from app.models import Base
from app.settings import Settings


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def test_up_and_down(empty_database: str) -> None:
    for _ in range(2):
        await asyncio.to_thread(migrations.upgrade, empty_database)
        assert await tables(empty_database) == {*Base.metadata.tables, VERSION_TABLE}
        await asyncio.to_thread(migrations.downgrade, empty_database, "base")
        assert await tables(empty_database) == {VERSION_TABLE}


async def test_several_servers_start_at_once(empty_database: str) -> None:
    code = f"from app import migrations; migrations.upgrade({empty_database!r})"
    starters = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)
    ]
    for starter in starters:
        _, errors = await asyncio.to_thread(starter.communicate)
        assert starter.returncode == 0, errors
    assert await tables(empty_database) == {*Base.metadata.tables, VERSION_TABLE}


async def test_a_failing_migration_leaves_nothing(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE feed_events (in_the_way int)")
    await connection.close()
    with pytest.raises(Exception, match="feed_events"):
        await asyncio.to_thread(migrations.upgrade, empty_database)
    assert await tables(empty_database) == {"feed_events"}


async def test_models_and_migrations_agree(settings: Settings) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_server_default": True,
                "include_name": lambda name, kind, _: (
                    not (kind == "table" and name == VERSION_TABLE)
                ),
            },
        )
        return list(compare_metadata(context, Base.metadata))

    engine = create_async_engine(sqlalchemy_url(settings.database_url))
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


OLD_SESSIONS = """
INSERT INTO accounts (uuid, name, slug) VALUES (gen_random_uuid(), 'Old', 'old');
INSERT INTO sessions (account_id, type, agent, external_id, state)
SELECT accounts.id, old.type, agent, external_id, state::jsonb
FROM accounts, (VALUES
    ('RecordedSessions', 'claude_code', 'a', '{}'),
    ('RecordedSessions', NULL, 'b', '{"agent": "codex"}'),
    ('RecordedSessions', NULL, 'c', '{"agent": "my own"}'),
    ('RecordedSessions', 'claude_code', NULL, '{}'),
    ('ComponentCodingSessions', 'claude_code', 'e', '{}')
) AS old (type, agent, external_id, state)
"""


async def test_recorded_sessions_learn_their_client(empty_database: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_database)
    await asyncio.to_thread(migrations.downgrade, empty_database, "0010")
    connection = await asyncpg.connect(empty_database)
    try:
        await connection.execute(OLD_SESSIONS)
        await asyncio.to_thread(migrations.upgrade, empty_database)
        rows = await connection.fetch("SELECT client FROM sessions ORDER BY id")
        forced = await connection.fetchval(
            "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'sessions'"
        )
    finally:
        await connection.close()
    assert [row["client"] for row in rows] == ["claude-code", "codex", None, None, None]
    assert forced
