"""What PostgreSQL reads for a history, whatever it believes of sessions and accounts."""

from uuid import uuid4

from app.contexts import sessions
from app.contexts.sessions import Window
from app.contexts.sessions.appending.guesses import Guesses
from app.contexts.sessions.appending.plan import Posting, append_together
from app.contexts.sessions.history.layout import TAIL_COUNT
from app.schemas.sessions import ResultInput, SessionCreate
from tests.contexts.sessions.test_history import interaction, new_session
from tests.factories import World
from tests.query_plans import administer, among_small_accounts, fresh_plans, rows_read

PAGES = "interaction_pages"


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
            async with fresh_plans(world) as db:
                before = await rows_read(db, PAGES)
                await sessions.list_interactions(world.scope(), db, session_id, window)
                fetched = await rows_read(db, PAGES) - before
            assert 1 <= fetched <= 1 + window.limit // TAIL_COUNT + 2, statement


async def test_appends_read_the_sessions_they_extend_and_no_others(world: World) -> None:
    ids = [await new_session(world) for _ in range(80)][:4]
    async with among_small_accounts(world), fresh_plans(world) as db:
        before = await rows_read(db, "sessions")
        postings = [Posting(key, [interaction("x", id=uuid4())]) for key in ids]
        await append_together(world.scope(), db, Guesses(), postings)
        # Locked, looked through for the ids, found to be as before, and written.
        assert await rows_read(db, "sessions") - before <= 4 * len(ids)


async def test_a_step_of_a_workflow_reads_its_own_session_and_no_other(world: World) -> None:
    scope = world.scope()
    async with world.db() as db:
        data = SessionCreate(type="ContextDesignSessions")
        ids = [(await sessions.create_session(scope, db, data)).id for _ in range(80)]
        await sessions.next_session_command(scope, db, ids[0])
    async with among_small_accounts(world), fresh_plans(world) as db:
        before = await rows_read(db, "sessions")
        pending = (await sessions.next_session_command(scope, db, ids[0])).interaction
        await sessions.set_interaction_result(
            scope, db, ids[0], pending.id, ResultInput(status="ok")
        )
        await sessions.next_session_command(scope, db, ids[0])
        # Locked three times, and twice found and written.
        assert await rows_read(db, "sessions") - before <= 3 + 2 * 2


async def test_an_import_locks_the_sessions_it_tells_of_and_no_others(world: World) -> None:
    names = [f"conversation-{number}" for number in range(80)]
    async with world.db() as db:
        for name in names:
            data = SessionCreate(type="RecordedSessions", external_id=name)
            await sessions.create_session(world.scope(), db, data)
    async with among_small_accounts(world), fresh_plans(world) as db:
        before = await rows_read(db, "sessions")
        await sessions.lock_known(world.scope(), db, names[:4])
        assert await rows_read(db, "sessions") - before <= 2 * 4
