"""Appends that arrive together share transactions, and nobody notices anything else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.contexts.sessions import AppendQueue
from app.schemas.sessions import CommandInput, InteractionInput
from tests.factories import World
from tests.locks import until_waiting

COMMAND = {"command": {"module": "Bash", "command": "ls"}}
BODY = {"type": "RecordedSessions"}


async def new_session(client: httpx.AsyncClient, **fields: Any) -> str:
    """Where its interactions are posted."""
    created = await client.post("/api/sessions", json={**BODY, **fields})
    assert created.status_code == 201
    return f"{created.headers['location']}/interactions"


async def transactions(world: World, name: str = "interaction.created") -> list[tuple[str, int]]:
    """Of each event of that name: the transaction that wrote it, and the token that was used."""
    async with world.db() as db:
        rows = await db.driver.fetch(
            "SELECT xmin::text, token_id FROM feed_events WHERE account_id = $1 AND name = $2",
            world.account_id,
            name,
        )
    return [(row["xmin"], row["token_id"]) for row in rows]


async def sequences(client: httpx.AsyncClient, path: str) -> list[int]:
    page = await client.get(path, params={"order": "asc", "limit": 100})
    return [interaction["seq"] for interaction in page.json()["data"]]


async def test_appends_that_arrive_together_share_transactions(world: World) -> None:
    client = world.client()
    paths = [await new_session(client) for _ in range(4)]
    answers = await asyncio.gather(
        *(client.post(paths[number % 4], json=[COMMAND] * 3) for number in range(40))
    )
    assert {answer.status_code for answer in answers} == {201}
    for number, path in enumerate(paths):
        assert await sequences(client, path) == list(range(1, 31))
        own = [a["seq"] for answer in answers[number::4] for a in answer.json()["data"]]
        assert sorted(own) == list(range(1, 31)), "each is told its own numbers"
    written = await transactions(world)
    assert len(written) == 40, "an event for each request"
    assert len({transaction for transaction, _ in written}) <= 20


async def test_only_equal_scopes_share(world: World) -> None:
    owner, editor = world.client(), world.client(await world.token_for("editor"))
    path = await new_session(owner)
    answers = await asyncio.gather(
        *(client.post(path, json=COMMAND) for _ in range(15) for client in (owner, editor))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await sequences(owner, path) == list(range(1, 31))
    tokens: dict[str, set[int]] = {}
    for transaction, token_id in await transactions(world):
        tokens.setdefault(transaction, set()).add(token_id)
    assert {len(users) for users in tokens.values()} == {1}
    assert len(set.union(*tokens.values())) == 2


async def test_one_that_is_refused_is_refused_alone(
    world: World, make: Callable[[], Awaitable[World]]
) -> None:
    client = world.client()
    good, ended = await new_session(client), await new_session(client)
    assert (await client.post(f"{ended.rpartition('/')[0]}/complete")).status_code == 200
    foreign = await new_session((await make()).client())
    named = {**COMMAND, "id": "0190b3c4-0000-7000-8000-000000000001"}
    twice = {**COMMAND, "id": "0190b3c4-0000-7000-8000-000000000002"}
    other = {**named, "step_name": "Other"}
    expected = {
        (good, "new"): (COMMAND, {201}),
        (good, "named"): (named, {200, 201}),
        (good, "same again"): (named, {200, 201}),
        (good, "same id"): ([COMMAND, other], {409}),
        (good, "repeats itself"): ([twice, twice], {201}),
        (ended, "ended"): (COMMAND, {409}),
        (foreign, "foreign"): (COMMAND, {404}),
        ("/api/sessions/999999999/interactions", "missing"): (COMMAND, {404}),
        (good, "last"): (COMMAND, {201}),
    }
    assert (await client.post(good, json=named)).status_code == 201
    first = asyncio.create_task(client.post(good, json=COMMAND))
    answers = await asyncio.gather(
        *(client.post(path, json=body) for (path, _), (body, _) in expected.items())
    )
    assert (await first).status_code == 201
    for ((_, what), (_, statuses)), answer in zip(expected.items(), answers, strict=True):
        assert answer.status_code in statuses, what
    assert await sequences(client, good) == [1, 2, 3, 4, 5]
    assert await sequences(client, ended) == []


async def test_a_session_that_is_held_holds_up_nobody_else(world: World) -> None:
    client = world.client()
    held, free = await new_session(client), await new_session(client)
    async with world.db() as db:
        await db.driver.execute(
            "SELECT FROM sessions WHERE account_id = $1 AND id = $2 FOR UPDATE",
            world.account_id,
            int(held.split("/")[3]),
        )
        waiting = [asyncio.create_task(client.post(held, json=COMMAND)) for _ in range(2)]
        for _ in range(5):
            assert (await client.post(free, json=COMMAND)).status_code == 201
        assert not any(task.done() for task in waiting)
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]
    assert await sequences(client, held) == [1, 2]


@asynccontextmanager
async def refusing(world: World, *, at_commit: bool) -> AsyncIterator[None]:
    """PostgreSQL itself refuses whatever happens to a session with the title `refused`."""
    connection = await world.database.engine.connect()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute(
        "CREATE OR REPLACE FUNCTION refuse_session() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.title = 'refused' THEN RAISE 'refused'; END IF; RETURN NULL; END $$"
    )
    kind = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    deferred = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    await driver.execute(
        f"CREATE {kind} refuse_session AFTER UPDATE ON sessions {deferred}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_session()"
    )
    try:
        yield
    finally:
        await driver.execute("DROP TRIGGER refuse_session ON sessions")
        await connection.close()


async def test_one_that_postgresql_refuses_is_refused_alone(world: World) -> None:
    client = world.client()
    refused = await new_session(client, title="refused")
    paths = [await new_session(client) for _ in range(8)]
    async with refusing(world, at_commit=False):
        answers = await asyncio.gather(
            *(client.post(path, json=COMMAND) for path in [*paths, refused, *paths])
        )
    assert [answer.status_code for answer in answers] == [201] * 8 + [500] + [201] * 8
    assert await sequences(client, refused) == []
    for path in paths:
        assert await sequences(client, path) == [1, 2]


async def test_nobody_is_told_of_success_when_the_commit_fails(world: World) -> None:
    """Whether it happened is unknown then, so nothing is tried again by the server."""
    client = world.client()
    refused = await new_session(client, title="refused")
    paths = [await new_session(client) for _ in range(8)]
    async with refusing(world, at_commit=True):
        answers = await asyncio.gather(
            *(client.post(path, json=COMMAND) for path in [*paths, refused, *paths])
        )
    assert answers[8].status_code == 500
    assert 201 in {answer.status_code for answer in answers}
    told = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert told == {"internal_error"}
    for number, path in enumerate(paths):
        successes = [answers[number].status_code, answers[number + 9].status_code].count(201)
        assert await sequences(client, path) == list(range(1, successes + 1))


async def test_an_expected_version_is_nobody_elses(world: World) -> None:
    client = world.client()
    path = await new_session(client)
    session = path.rpartition("/")[0]
    etag = (await client.get(session)).headers["etag"]
    answers = await asyncio.gather(
        *(client.post(path, json=COMMAND, headers={"If-Match": etag}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 412, 412, 412]
    assert await sequences(client, path) == [1]


async def test_those_who_go_away_hold_up_nobody(world: World) -> None:
    path = await new_session(world.client())
    session_id = int(path.split("/")[3])
    command = InteractionInput(command=CommandInput(module="Bash", command="ls"))
    appends = AppendQueue(world.database)
    async with world.db() as db:
        await db.driver.execute(
            "SELECT FROM feed_counters WHERE account_id = $1 FOR UPDATE", world.account_id
        )
        waiting = [
            asyncio.create_task(appends.append(world.scope(), session_id, [command]))
            for _ in range(5)
        ]
        await until_waiting(db.driver)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    appended, committed = await appends.append(world.scope(), session_id, [command])
    assert appended.created
    assert await committed is None
    async with asyncio.timeout(10):  # nobody works for nobody
        while world.database.connections.in_use:  # noqa: ASYNC110 - it happens in PostgreSQL
            await asyncio.sleep(0.01)
    assert await sequences(world.client(), path) == list(range(1, 7))
