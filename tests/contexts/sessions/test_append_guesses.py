"""Guesses about sessions save a question to the database, and are never trusted."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from uuid import uuid4

import msgspec
import pytest

from app.contexts import sessions
from app.contexts.projects import create_project
from app.contexts.sessions import Appended, AppendQueue, history
from app.contexts.sessions.appending.guesses import Guesses
from app.contexts.sessions.appending.plan import (
    Answer,
    Outdated,
    Plan,
    Posting,
    append_together,
    foresee,
)
from app.contexts.sessions.history import lock_row, stored_interaction
from app.errors import NotFound
from app.schemas.projects import ProjectCreate
from app.schemas.sessions import CommandInput, InteractionInput, StoredInteraction
from app.scope import Scope
from tests.contexts.sessions.test_append_queue import COMMAND, new_session, sequences
from tests.factories import World

NEW = InteractionInput(command=CommandInput(module="Bash", command="ls"))


async def append(
    appends: AppendQueue, scope: Scope, session_id: int, posted: InteractionInput = NEW
) -> int:
    """Append one interaction and return its seq."""
    appended, committed = await appends.append(scope, session_id, [posted])
    assert await committed is None
    return appended.interactions[0].seq


async def remembering(world: World, guesses: Guesses, session_id: int) -> None:
    async with world.db() as db:
        posting = Posting(session_id, [NEW])
        [answer] = await append_together(world.scope(), db, guesses, [posting])
    assert isinstance(answer, Appended)
    assert foresee(world.scope(), guesses, [posting])


def documents_of(plan: Plan) -> list[StoredInteraction]:
    [answer] = plan.answers
    assert isinstance(answer, Answer)
    return answer.documents


async def session_of(world: World) -> int:
    return int((await new_session(world.client())).split("/")[3])


async def test_two_servers_number_one_history(world: World) -> None:
    session_id = await session_of(world)
    mine, other = AppendQueue(world.database), AppendQueue(world.database)
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


async def test_changes_by_other_routes_are_seen(world: World) -> None:
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
    guesses = Guesses()
    for session_id in (wrong, right):
        await remembering(world, guesses, session_id)
    async with world.db() as db:
        await sessions.append_interactions(world.scope(), db, wrong, [NEW])
    postings = [Posting(wrong, [NEW]), Posting(right, [NEW])]
    plan = foresee(world.scope(), guesses, postings)
    assert plan
    with pytest.raises(Outdated):
        async with world.db() as db:
            await append_together(world.scope(), db, guesses, postings, plan)
    for session_id, count in ((wrong, 2), (right, 1)):
        path = f"/api/sessions/{session_id}/interactions"
        assert await sequences(world.client(), path) == list(range(1, count + 1))
    for session_id in (wrong, right):
        async with world.db() as db:
            posting = Posting(session_id, [NEW])
            await append_together(world.scope(), db, guesses, [posting])
    assert foresee(world.scope(), guesses, postings) is None
    assert foresee(world.scope(), guesses, postings[1:])
    async with world.db() as db:
        answers = await append_together(world.scope(), db, guesses, postings)
    assert [a.interactions[0].seq for a in answers if isinstance(a, Appended)] == [4, 3]


async def test_guess_is_invisible_to_other_accounts_and_projects(
    world: World, make: Callable[[], Awaitable[World]]
) -> None:
    session_id = await session_of(world)
    guesses, posting = Guesses(), Posting(session_id, [NEW])
    await remembering(world, guesses, session_id)
    other = await make()
    async with world.db() as db:
        project = await create_project(
            world.scope(), db, ProjectCreate(name="Another", slug="another")
        )
    strict = world.scope(project_id=project.id, strict=True)
    for stranger in (other.scope(), strict):
        assert foresee(stranger, guesses, [posting]) is None
        async with world.database.transaction(stranger) as db:
            assert await append_together(stranger, db, guesses, [posting]) == [None]
            with pytest.raises(NotFound):
                await sessions.append_interactions(stranger, db, session_id, [NEW])


async def test_times_come_from_the_database_clock(world: World) -> None:
    session_id = await session_of(world)
    guesses, posting = Guesses(), Posting(session_id, [NEW])
    last = None
    for _ in range(10):
        await remembering(world, guesses, session_id)
        await asyncio.sleep(0.01)
        async with world.db() as db:
            before = await db.now()
            plan = foresee(world.scope(), guesses, [posting])
            assert plan
            moment = documents_of(plan)[0].command.timestamp
            assert abs((moment - before).total_seconds()) < 10
            assert last is None or last < moment
            last = moment


async def test_only_the_interaction_with_a_secret_is_redacted(world: World) -> None:
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


async def test_write_with_an_old_version_is_refused_under_lock(world: World) -> None:
    session_id, scope = await session_of(world), world.scope()
    async with world.db() as db:
        locked = await lock_row(scope, db, session_id)
        for expected in (nullcontext(), pytest.raises(RuntimeError)):
            with expected:
                new = [stored_interaction(NEW, locked.session.now)]
                await history.write(scope, db, locked, new=new)


async def test_locked_session_does_not_hold_up_appends_to_others(world: World) -> None:
    client = world.client()
    held, free = await new_session(client), await new_session(client)
    for _ in range(8):  # the next one seals a page
        assert (await client.post(held, json=COMMAND)).status_code == 201
    async with world.db() as db:
        await lock_row(world.scope(), db, int(held.split("/")[3]))
        waiting = [asyncio.create_task(client.post(held, json=COMMAND)) for _ in range(2)]
        async with asyncio.timeout(20):
            for _ in range(5):
                assert (await client.post(free, json=COMMAND)).status_code == 201
        assert not any(task.done() for task in waiting)
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]
    assert await sequences(client, held) == list(range(1, 11))
