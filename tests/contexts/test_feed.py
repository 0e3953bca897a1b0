"""The feed's filters, in PostgreSQL for lists and in Python for streams, agree."""

from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import feed
from app.feed import Shown
from tests.factories import World

NUMBERS = st.sampled_from([1, 12, 2**40])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["session.updated", "interaction.created", "claim.granted", "member.deleted"]
        ),
        NUMBERS,
        NUMBERS,
        st.sampled_from([None, "mine", "other"]),
    ),
    min_size=1,
    max_size=8,
)
PAYLOADS: dict[str, dict[str, Any]] = {
    "session.updated": {"status": "active", "version": 1},
    "claim.granted": {
        "work_item_key": "SD-1",
        "agent_key": "12",
        "track": None,
        "fencing_token": 12,
    },
    "member.deleted": {"role": "viewer", "is_active": True},
}


@given(events=EVENTS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_lists_and_streams_show_the_same_events(
    events: list[tuple[str, int, int, str | None]], world: World
) -> None:
    projects = {None: None, "mine": world.project_id, "other": world.project_id + 1}
    async with world.db() as db:
        before = (await feed.feed_bounds(world.scope(), db)).newest
        for name, entity_id, session_id, project in events:
            payload = PAYLOADS.get(
                name,
                {"session_id": session_id, "seq": 1, "count": 1, "module": "Bash", "status": None},
            )
            feed.record(world.scope(), db, name, entity_id, project_id=projects[project], **payload)
    projects_asked: list[int | None] = [None, world.project_id]
    sessions_asked: list[int | None] = [None, 1, 12, 2**40]
    async with world.db() as db:
        everything = await feed.list_feed_events(world.scope(), db, after=before, limit=100)
        assert len(everything) == len(events)
        for only_project, only_session in product(projects_asked, sessions_asked):
            listed = await feed.list_feed_events(
                world.scope(project_id=only_project),
                db,
                after=before,
                limit=100,
                session_id=only_session,
            )
            shown = Shown(only_project, only_session)
            assert listed == [event for event in everything if shown(event)]
