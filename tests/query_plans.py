"""What PostgreSQL reads, and what it is made to believe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.db import Db
from tests.factories import World

_MAKE = """
INSERT INTO accounts (uuid, name, slug)
SELECT gen_random_uuid(), 'Small', 'small-' || number FROM generate_series(1, 300) AS number;
INSERT INTO sessions (account_id, type)
SELECT id, 'RecordedSessions' FROM accounts, generate_series(1, 3) WHERE slug LIKE 'small-%';
INSERT INTO claude_sessions (account_id, session_id, status)
SELECT id, 'agent-' || number, 'idle' FROM accounts, generate_series(1, 3) AS number
WHERE slug LIKE 'small-%';
ANALYZE sessions, claude_sessions
"""
_SMALL = "IN (SELECT id FROM accounts WHERE slug LIKE 'small-%')"
_REMOVE = f"""
DELETE FROM claude_sessions WHERE account_id {_SMALL};
DELETE FROM sessions WHERE account_id {_SMALL};
DELETE FROM accounts WHERE id {_SMALL}
"""


@asynccontextmanager
async def among_small_accounts(world: World) -> AsyncIterator[None]:
    """Nearly all accounts have three sessions and three agents, and PostgreSQL knows it."""
    await administer(world, _MAKE)
    try:
        yield
    finally:
        await administer(world, _REMOVE)


@asynccontextmanager
async def fresh_plans(world: World) -> AsyncIterator[Db]:
    """A transaction whose statements keep one plan, made for what is believed now."""
    async with world.database.transaction(world.scope(), hot=True) as db:
        await db.driver.execute("DISCARD PLANS")
        yield db


async def rows_read(db: Db, table: str) -> int:
    """In this transaction so far."""
    count: int = await db.driver.fetchval(
        "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = $1",
        table,
    )
    return count


async def administer(world: World, statement: str) -> None:
    async with world.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(statement)
