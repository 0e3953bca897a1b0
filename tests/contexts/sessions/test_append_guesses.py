"""What is remembered of a session saves a question, and is never believed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from uuid import uuid4

import msgspec
import pytest

from app.contexts import sessions
from app.contexts.projects import create_project
from app.contexts.sessions import Appended, Memory, Outdated, Posting
from app.contexts.sessions.appending.queue import Appends
from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import stored_interaction
from app.contexts.sessions.history.history import Extension
from app.contexts.sessions.history.locking import lock
from app.errors import NotFound
from app.schemas.projects import ProjectCreate
from app.schemas.sessions import CommandInput, InteractionInput
from app.scope import Scope
from tests.contexts.sessions.test_append_queue import COMMAND, new_session, sequences
from tests.factories import World

NEW = InteractionInput(command=CommandInput(module="Bash", command="ls"))


async def append(
    appends: Appends, scope: Scope, session_id: int, posted: InteractionInput = NEW
) -> int:
    """The seq it was given."""
    appended, committed = await appends.append(scope, session_id, [posted])
    assert await committed is None
    return appended.interactions[0].seq


async def remembering(world: World, memory: Memory, session_id: int) -> None:
    async with world.db() as db:
        posting = Posting(session_id, [NEW])
        [answer] = await sessions.append_together(world.scope(), db, memory, [posting])
    assert isinstance(answer, Appended)
    assert sessions.foresee(world.scope(), memory, [posting])


async def session_of(world: World) -> int:
    return int((await new_session(world.client())).split("/")[3])


async def test_two_servers_number_one_history(world: World) -> None:
    session_id = await session_of(world)
    mine, other = Appends(world.database), Appends(world.database)
    taken = [await append(server, world.scope(), session_id) for server in [mine, mine, other] * 9]
    assert taken == list(range(1, 28))
    crowd = [append(server, world.scope(), session_id) for server in [mine, other] * 20]
    assert sorted(await asyncio.gather(*crowd)) == list(range(28, 68))
    named = [msgspec.structs.replace(NEW, id=uuid4()) for _ in range(15)]
    for posted in (named[:5], named[5:]):
        both = [append(s, world.scope(), session_id, one) for one in posted for s in (mine, other)]
        seqs = await asyncio.gather(*both)
        assert seqs[::2] == seqs[1::2], "an id is one interaction, whoever takes it"
    path = f"/api/sessions/{session_id}/interactions"
    assert await sequences(world.client(), path) == list(range(1, 83))


async def test_what_others_have_changed_is_seen(world: World) -> None:
    client = world.client()
    path = await new_session(client)
    session = path.rpartition("/")[0]
    for number in range(20):
        body = {**COMMAND, "result": {"status": "ok", "stdout": "x" * 3000 * (number % 3)}}
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["seq"]) == (201, 2 * number + 1)
        if number % 2:
            assert (await client.patch(session, json={"title": f"{number}"})).status_code == 200
        named = {**COMMAND, "id": str(uuid4())}
        assert [(await client.post(path, json=named)).status_code for _ in "ab"] == [201, 200]
    assert await sequences(client, path) == list(range(1, 41))
    assert (await client.post(f"{session}/complete")).status_code == 200
    assert (await client.post(path, json=COMMAND)).json()["code"] == "session_ended"
    assert (await client.post(f"{session}/reopen")).status_code == 200
    assert (await client.post(path, json=COMMAND)).json()["seq"] == 41
    assert (await client.delete(session)).status_code == 204
    assert (await client.post(path, json=COMMAND)).status_code == 404


async def test_a_wrong_guess_stores_nothing_and_is_not_made_again(world: World) -> None:
    wrong, right = await session_of(world), await session_of(world)
    memory = Memory()
    for session_id in (wrong, right):
        await remembering(world, memory, session_id)
    async with world.db() as db:
        await sessions.append_interactions(world.scope(), db, wrong, [NEW])
    postings = [Posting(wrong, [NEW]), Posting(right, [NEW])]
    plan = sessions.foresee(world.scope(), memory, postings)
    assert plan
    with pytest.raises(Outdated):
        async with world.db() as db:
            await sessions.append_together(world.scope(), db, memory, postings, plan)
    for session_id, count in ((wrong, 2), (right, 1)):
        path = f"/api/sessions/{session_id}/interactions"
        assert await sequences(world.client(), path) == list(range(1, count + 1))
    for session_id in (wrong, right):
        async with world.db() as db:
            posting = Posting(session_id, [NEW])
            await sessions.append_together(world.scope(), db, memory, [posting])
    assert sessions.foresee(world.scope(), memory, postings) is None
    assert sessions.foresee(world.scope(), memory, postings[1:])
    async with world.db() as db:
        answers = await sessions.append_together(world.scope(), db, memory, postings)
    assert [a.interactions[0].seq for a in answers if isinstance(a, Appended)] == [4, 3]


async def test_a_remembered_session_exists_for_nobody_else(
    world: World, make: Callable[[], Awaitable[World]]
) -> None:
    session_id = await session_of(world)
    memory, posting = Memory(), Posting(session_id, [NEW])
    await remembering(world, memory, session_id)
    other = await make()
    async with world.db() as db:
        project = await create_project(
            world.scope(), db, ProjectCreate(name="Another", slug="another")
        )
    strict = world.scope(project_id=project.id, strict=True)
    for stranger in (other.scope(), strict):
        assert sessions.foresee(stranger, memory, [posting]) is None
        async with world.database.transaction(stranger) as db:
            assert await sessions.append_together(stranger, db, memory, [posting]) == [None]
            with pytest.raises(NotFound):
                await sessions.append_interactions(stranger, db, session_id, [NEW])


async def test_times_are_the_databases(world: World) -> None:
    session_id = await session_of(world)
    memory, posting = Memory(), Posting(session_id, [NEW])
    last = None
    for _ in range(10):
        await remembering(world, memory, session_id)
        await asyncio.sleep(0.01)
        async with world.db() as db:
            before = await db.now()
            plan = sessions.foresee(world.scope(), memory, [posting])
            assert plan
            answer = plan.answers[0]
            assert isinstance(answer, Appended)
            moment = answer.interactions[0].command.timestamp
            assert abs((moment - before).total_seconds()) < 10
            assert last is None or last < moment
            last = moment


async def test_one_secret_among_many_is_the_only_one_redacted(world: World) -> None:
    client = world.client()
    path = await new_session(client)
    plain = {"command": {"module": "Bash", "command": "export NAME=value"}}
    secret = {"command": {"module": "Bash", "command": "export GITHUB=ghp_" + "a1B2" * 9}}
    for _ in range(2):  # asked for, then remembered
        answer = await client.post(path, json=[plain, secret, plain])
        commands = [i["command"]["command"] for i in answer.json()["data"]]
        assert commands[0] == commands[2] == "export NAME=value"
        assert "ghp_" not in commands[1]
        assert "export GITHUB=" in commands[1]


async def test_what_is_locked_is_stored_or_refused(world: World) -> None:
    session_id, scope = await session_of(world), world.scope()
    async with world.db() as db:
        session = await lock(scope, db, session_id)
        for seq, expected in ((1, nullcontext()), (2, pytest.raises(RuntimeError))):
            document = stored_interaction(NEW, session.now)
            document.seq = seq
            with expected:
                parameters = history.storing(scope, [Extension(session, [document])])
                await history.store(db, parameters)


async def test_a_remembered_session_that_is_held_holds_up_nobody_else(world: World) -> None:
    client = world.client()
    held, free = await new_session(client), await new_session(client)
    for _ in range(8):  # the next one seals a page
        assert (await client.post(held, json=COMMAND)).status_code == 201
    async with world.db() as db:
        await lock(world.scope(), db, int(held.split("/")[3]))
        waiting = [asyncio.create_task(client.post(held, json=COMMAND)) for _ in range(2)]
        async with asyncio.timeout(20):
            for _ in range(5):
                assert (await client.post(free, json=COMMAND)).status_code == 201
        assert not any(task.done() for task in waiting)
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]
    assert await sequences(client, held) == list(range(1, 11))
