"""A request that is sent again is carried out once."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.contexts import idempotency
from app.settings import Settings
from tests.factories import World

BODY = {"type": "RecordedSessions"}
KEY = {"Idempotency-Key": "one"}
COMMAND = '{"command": {"module": "Bash"}}'
RETRY = {"Idempotency-Key": "the key", "Content-Type": "application/json"}

# Posts once, and dies at the n-th statement it sends: before PostgreSQL gets it, or after it ran.
DYING_CLIENT = """
import asyncio, os, signal, sys
import asyncpg, httpx
from app.asgi import create_app
from app.settings import Settings
import msgspec

settings, token, path, body, fatal, after = sys.argv[1:]
count = 0

def dying(method):
    async def call(*arguments, **options):
        global count
        count += armed
        if count == int(fatal) and after == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await method(*arguments, **options)
        if count == int(fatal):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return call

armed = 0
for name in ("execute", "fetch", "fetchrow", "fetchval"):
    setattr(asyncpg.Connection, name, dying(getattr(asyncpg.Connection, name)))

async def main():
    global armed
    transport = httpx.ASGITransport(app=create_app(msgspec.json.decode(settings, type=Settings)))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/api/me", headers=headers)
        armed = 1
        headers["Idempotency-Key"] = "the key"
        answer = await client.post(path, content=body, headers=headers)
        print(answer.status_code)

asyncio.run(main())
"""


async def test_the_same_key_gives_the_same_answer(world: World) -> None:
    client = world.client()
    first = await client.post("/api/sessions", json=BODY, headers=KEY)
    again = await client.post("/api/sessions", json=BODY, headers=KEY)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    other_payload = await client.post("/api/sessions", json={**BODY, "title": "x"}, headers=KEY)
    assert other_payload.status_code == 422
    assert other_payload.json()["code"] == "idempotency_key_reused"
    other_token = world.client(await world.token_for("editor"))
    assert (await other_token.post("/api/sessions", json=BODY, headers=KEY)).status_code == 201
    path = f"{first.headers['location']}/complete"
    assert (await client.post(path, headers=KEY)).status_code == 200
    assert (await client.post(path, headers=KEY)).status_code == 200, "replayed, not session_ended"
    everywhere = await client.get("/api/sessions", headers={"X-Project": "*"})
    assert len(everywhere.json()["data"]) == 2


async def test_a_key_belongs_to_the_project_it_was_used_in(world: World) -> None:
    client = world.client()
    project = await client.post("/api/projects", json={"name": "Other", "slug": "other"})
    there = {**KEY, "X-Project": "other"}
    first = await client.post("/api/sessions", json=BODY, headers=there)
    assert first.json()["project_id"] == project.json()["id"]
    assert (await client.post("/api/sessions", json=BODY, headers=there)).json() == first.json()
    for elsewhere in (KEY, {**KEY, "X-Project": "*"}):
        refused = await client.post("/api/sessions", json=BODY, headers=elsewhere)
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"


async def test_an_address_too_long_for_an_index(world: World) -> None:
    path = f"/api/sessions?unknown={secrets.token_urlsafe(4000)}"
    first, again = [await world.client().post(path, json=BODY, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.json()) == (201, first.json())
    other = await world.client().post(f"{path}x", json=BODY, headers=KEY)
    assert other.json()["id"] != first.json()["id"]


async def test_errors_are_not_remembered(world: World) -> None:
    client = world.client()
    body = {**BODY, "external_id": "taken"}
    blocker = await client.post("/api/sessions", json=body)
    assert (await client.post("/api/sessions", json=body, headers=KEY)).status_code == 409
    await client.delete(blocker.headers["location"])
    assert (await client.post("/api/sessions", json=body, headers=KEY)).status_code == 201


async def test_a_secret_is_shown_once(world: World) -> None:
    client = world.client()
    body = {"name": "t", "scopes": ["read"]}
    created = await client.post("/api/tokens", json=body, headers=KEY)
    secret = created.json()["token"]
    again = await client.post("/api/tokens", json=body, headers=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "secret_already_shown")
    async with world.db() as db:
        rows = await db.driver.fetch("SELECT body, headers::text FROM idempotency_keys")
    assert [row["body"] for row in rows] == [None]
    assert secret not in str(rows)
    assert len((await client.get("/api/tokens")).json()["data"]) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "\x01"])
async def test_an_invalid_key_is_refused(world: World, key: str) -> None:
    response = await world.client().post(
        "/api/sessions", json=BODY, headers={"Idempotency-Key": key}
    )
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == ["Idempotency-Key"]


async def test_twenty_at_once(world: World) -> None:
    client = world.client()
    answers = await asyncio.gather(
        *(client.post("/api/sessions", json=BODY, headers=KEY) for _ in range(20))
    )
    assert {a.status_code for a in answers} <= {201, 409}
    assert {a.json().get("code") for a in answers} <= {None, "idempotency_in_flight"}
    assert len((await client.get("/api/sessions")).json()["data"]) == 1


async def test_answers_are_kept_for_a_day(world: World) -> None:
    client = world.client()
    first = await client.post("/api/sessions", json=BODY, headers=KEY)

    async def age(interval: str) -> None:
        connection = await world.database.engine.connect()
        try:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(
                "UPDATE idempotency_keys SET inserted_at = now() - $1::text::interval"
                " WHERE account_id = $2",
                interval,
                world.account_id,
            )
        finally:
            await connection.close()

    await age("23 hours")
    assert (await client.post("/api/sessions", json=BODY, headers=KEY)).json() == first.json()
    await age("25 hours")
    second = await client.post("/api/sessions", json=BODY, headers=KEY)
    assert second.json()["id"] != first.json()["id"]
    await age("25 hours")
    async with world.db() as db:
        await idempotency.trim_answers(world.scope(), db)
        assert await db.driver.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def die_at(
    world: World, settings: Settings, script: Path, path: str, statement: int, moment: str
) -> int | str:
    """The status that the process printed, or `killed`."""
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        msgspec.json.encode(settings).decode(),
        world.token,
        path,
        COMMAND,
        str(statement),
        moment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
    )
    output, _ = await client.communicate()
    return "killed" if client.returncode == -signal.SIGKILL else int(output)


async def test_killed_between_any_two_statements(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    """Wherever the process died, the retry ends with exactly one interaction."""
    script = tmp_path / "dying_client.py"
    script.write_text(textwrap.dedent(DYING_CLIENT))
    client = world.client()

    async def attempt(statement: int, moment: str) -> int | str:
        session = await client.post("/api/sessions", json=BODY)
        path = f"{session.headers['location']}/interactions"
        outcome = await die_at(world, settings, script, path, statement, moment)
        retried = await client.post(path, content=COMMAND, headers=RETRY)
        while retried.status_code == 409:  # PostgreSQL has not heard yet that it died
            assert retried.json()["code"] == "idempotency_in_flight"
            retried = await client.post(path, content=COMMAND, headers=RETRY)
        assert retried.status_code == 201
        found = (await client.get(session.headers["location"])).json()
        assert (found["interaction_count"], found["version"]) == (1, 2)
        return outcome

    statement = 1
    while await attempt(statement, "before") == "killed":
        statement += 1
    assert statement > 6, "BEGIN, lock the key, find it, append, store, feed, COMMIT"
    assert await attempt(statement - 1, "after") == "killed", "committed, but never answered"


async def test_a_commit_that_fails_is_no_success(world: World) -> None:
    """The row is refused when the transaction ends, long after the answer was rendered."""
    connection = await world.database.engine.connect()
    try:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(
            "CREATE OR REPLACE FUNCTION refuse_at_commit() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.title = 'refuse at commit' THEN RAISE 'refused'; END IF;"
            " RETURN NULL; END $$"
        )
        await driver.execute(
            "CREATE CONSTRAINT TRIGGER refuse_at_commit AFTER INSERT ON sessions"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_at_commit()"
        )
        try:
            body = {**BODY, "title": "refuse at commit"}
            response = await world.client().post("/api/sessions", json=body, headers=KEY)
        finally:
            await driver.execute("DROP TRIGGER refuse_at_commit ON sessions")
    finally:
        await connection.close()
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert (await world.client().get("/api/sessions")).json()["data"] == []
    assert (await world.client().post("/api/sessions", json=body, headers=KEY)).status_code == 201
