"""A session's history behaves like a plain list, however it is stored."""

import asyncio
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contexts import sessions
from app.contexts.sessions import Window
from app.contexts.sessions.history.layout import TAIL_BYTES, TAIL_COUNT
from app.schemas.sessions import (
    CommandInput,
    Interaction,
    InteractionInput,
    ResultInput,
    SessionCreate,
)
from tests.factories import World

sizes = st.sampled_from([1, 50, 900, 3000, 17_000])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(sizes, min_size=1, max_size=20)),
        st.tuples(st.just("result"), st.integers(0, 200), sizes),
        st.tuples(st.just("window"), st.integers(0, 60), st.integers(0, 80), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)


def interaction(text: str = "ls", **fields: Any) -> InteractionInput:
    return InteractionInput(command=CommandInput(module="Bash", command=text), **fields)


async def new_session(world: World) -> int:
    async with world.db() as db:
        data = SessionCreate(type="RecordedSessions")
        return (await sessions.create_session(world.scope(), db, data)).id


async def read(world: World, session_id: int, window: Window) -> list[Interaction]:
    async with world.db() as db:
        return await sessions.list_interactions(world.scope(), db, session_id, window)


class Model:
    """The plain list: (seq, command, stdout or None)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str | None]] = []
        self.ids: list[UUID] = []

    def window(self, after: int, before: int, *, ascending: bool) -> list[tuple[Any, ...]]:
        inside = [row for row in self.rows if after < row[0] < before]
        return inside[:50] if ascending else inside[::-1][:50]


def plain(documents: list[Interaction]) -> list[tuple[Any, ...]]:
    return [
        (d.seq, d.command.command, None if d.result is None else d.result.stdout) for d in documents
    ]


async def apply(world: World, session_id: int, model: Model, operation: tuple[Any, ...]) -> None:
    match operation:
        case ("append", lengths):
            texts = [f"{len(model.rows)}-{i}-" + "x" * n for i, n in enumerate(lengths)]
            async with world.db() as db:
                appended = await sessions.append_interactions(
                    world.scope(), db, session_id, [interaction(text) for text in texts]
                )
            for document, text in zip(appended.interactions, texts, strict=True):
                model.rows.append((len(model.rows) + 1, text, None))
                model.ids.append(document.id)
        case ("result", position, length) if model.rows:
            index = position % len(model.rows)
            seq, text, stdout = model.rows[index]
            if stdout is None:
                stdout = f"{seq}:" + "y" * length
                async with world.db() as db:
                    await sessions.set_interaction_result(
                        world.scope(),
                        db,
                        session_id,
                        model.ids[index],
                        ResultInput(status="ok", stdout=stdout),
                    )
                model.rows[index] = (seq, text, stdout)
        case ("window", after, before, ascending):
            window = Window(after, before, 50, "asc" if ascending else "desc")
            found = await read(world, session_id, window)
            assert plain(found) == model.window(after, before, ascending=ascending)
        case _:
            pass


async def check_storage(world: World, session_id: int, count: int) -> None:
    """The tail is bounded, pages cover what is sealed without gap or overlap, keys find it all."""
    async with world.db() as db:
        row = await db.fetch_one(
            "SELECT jsonb_array_length(interactions) AS n, interaction_count,"
            " octet_length(interactions::text) AS bytes FROM sessions"
            " WHERE account_id = $1 AND id = $2",
            world.account_id,
            session_id,
        )
        pages = await db.driver.fetch(
            "SELECT first_seq, last_seq, jsonb_array_length(interactions) AS n"
            " FROM interaction_pages WHERE account_id = $1 AND session_id = $2 ORDER BY first_seq",
            world.account_id,
            session_id,
        )
        keys = await db.driver.fetchval(
            "SELECT count(*) FROM interaction_keys WHERE account_id = $1 AND session_id = $2",
            world.account_id,
            session_id,
        )
    assert row["interaction_count"] == count
    assert row["n"] <= TAIL_COUNT
    assert row["bytes"] <= TAIL_BYTES * 1.1  # jsonb prints a space after each comma and colon
    sealed = count - row["n"]
    assert keys == sealed
    assert [seq for p in pages for seq in range(p["first_seq"], p["last_seq"] + 1)] == list(
        range(1, sealed + 1)
    )
    assert all(p["n"] == p["last_seq"] - p["first_seq"] + 1 for p in pages)


@given(operations=operations)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_history_is_a_list(operations: list[tuple[Any, ...]], world: World) -> None:
    session_id, model = await new_session(world), Model()
    for operation in operations:
        await apply(world, session_id, model, operation)
    everything = await read(world, session_id, Window(0, None, 10_000, "asc"))
    assert plain(everything) == model.rows
    await check_storage(world, session_id, len(model.rows))


async def test_appends_from_many_writers_are_serialised(world: World) -> None:
    session_id = await new_session(world)

    async def write(writer: int) -> None:
        for n in range(15):
            async with world.db() as db:
                await sessions.append_interactions(
                    world.scope(), db, session_id, [interaction(f"{writer}:{n}")]
                )

    await asyncio.gather(*(write(writer) for writer in range(8)))
    everything = await read(world, session_id, Window(0, None, 1000, "asc"))
    assert [d.seq for d in everything] == list(range(1, 121))
    for writer in range(8):
        mine = [d.command.command for d in everything if d.command.command.startswith(f"{writer}:")]
        assert mine == [f"{writer}:{n}" for n in range(15)]
    await check_storage(world, session_id, 120)


async def test_readers_see_a_whole_history_while_it_grows(world: World) -> None:
    session_id = await new_session(world)
    done = asyncio.Event()

    async def write() -> None:
        for n in range(60):
            async with world.db() as db:
                await sessions.append_interactions(
                    world.scope(), db, session_id, [interaction(str(n))]
                )
        done.set()

    async def watch() -> int:
        looks = 0
        while not done.is_set():
            found = await read(world, session_id, Window(0, None, 1000, "asc"))
            assert [d.seq for d in found] == list(range(1, len(found) + 1))
            looks += 1
        return looks

    _, looks, _ = await asyncio.gather(write(), watch(), watch())
    assert looks > 0


async def test_one_large_interaction_leaves_the_row_small(world: World) -> None:
    session_id = await new_session(world)
    for text in ("small", "x" * 100_000, "small again"):
        async with world.db() as db:
            await sessions.append_interactions(world.scope(), db, session_id, [interaction(text)])
    await check_storage(world, session_id, 3)


async def test_the_tail_is_bounded_however_well_it_compresses(world: World) -> None:
    session_id = await new_session(world)
    for count in range(1, 13):
        async with world.db() as db:
            posted = [interaction("x" * 3000)]
            await sessions.append_interactions(world.scope(), db, session_id, posted)
        await check_storage(world, session_id, count)
