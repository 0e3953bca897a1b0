"""What PostgreSQL reads for a history, whatever it believes of sessions and accounts."""

from typing import Any
from uuid import uuid4

from app.contexts import sessions
from app.contexts.sessions import Posting, Window
from app.contexts.sessions.packing import TAIL_COUNT
from app.db import Db
from tests.contexts.test_history import interaction, new_session
from tests.factories import World

PAGES, SESSIONS = "interaction_pages", "sessions"
# Nearly all accounts have few sessions.
_SMALL_ACCOUNTS = """
WITH made AS (
    INSERT INTO accounts (uuid, name, slug)
    SELECT gen_random_uuid(), 'Small', 'small-' || number FROM generate_series(1, 300) AS number
    RETURNING id
)
INSERT INTO sessions (account_id, type)
SELECT id, 'RecordedSessions' FROM made, generate_series(1, 3)
"""

_WITHOUT_THEM = """
DELETE FROM sessions WHERE account_id IN (SELECT id FROM accounts WHERE slug LIKE 'small-%');
DELETE FROM accounts WHERE slug LIKE 'small-%'
"""


async def test_a_window_reads_the_pages_it_shows_and_no_others(world: World) -> None:
    session_id = await new_session(world)
    for _ in range(8):
        async with world.db() as db:
            posted = [interaction("x" * 1500)] * 500
            await sessions.append_interactions(world.scope(), db, session_id, posted)
    # Without statistics a session is believed to have hardly a page, as where nearly all are short.
    forget = f"DELETE FROM pg_statistic WHERE starelid = '{PAGES}'::regclass"
    for statement in (forget, f"ANALYZE {PAGES}"):
        await administer(world, statement)
        for window in (Window(), Window(after=200, order="asc"), Window(before=3800, limit=5)):
            async with world.database.transaction(world.scope(), hot=True) as db:
                await db.driver.execute("DISCARD PLANS")
                before = await rows_read(db, PAGES)
                await sessions.list_interactions(world.scope(), db, session_id, window)
                fetched = await rows_read(db, PAGES) - before
            assert 1 <= fetched <= 1 + window.limit // TAIL_COUNT + 2, statement


async def test_appends_read_the_sessions_they_extend_and_no_others(world: World) -> None:
    ids = [await new_session(world) for _ in range(80)][:4]
    await administer(world, _SMALL_ACCOUNTS)
    try:
        await administer(world, f"ANALYZE {SESSIONS}")
        async with world.database.transaction(world.scope(), hot=True) as db:
            await db.driver.execute("DISCARD PLANS")
            before = await rows_read(db, SESSIONS)
            postings = [Posting(key, [interaction("x", id=uuid4())]) for key in ids]
            await sessions.append_together(world.scope(), db, postings)
            # Locked, looked through for the ids, and written.
            assert await rows_read(db, SESSIONS) - before <= 3 * len(ids)
    finally:
        await administer(world, _WITHOUT_THEM)


async def rows_read(db: Db, table: str) -> int:
    count: int = await db.driver.fetchval(
        "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = $1",
        table,
    )
    return count


async def administer(world: World, statement: str) -> None:
    async with world.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(statement)
