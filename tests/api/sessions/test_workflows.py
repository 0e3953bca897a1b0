"""Sessions driven by their type, over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from app.asgi import create_app
from app.contexts import sessions
from app.errors import NotFound
from app.schemas.sessions import ResultInput
from app.settings import Settings, SettingsError, from_environment
from tests.api.sessions.workflows import OK, TYPES, answer, ask, go_to, start, step
from tests.factories import World


def transitions() -> Iterator[Any]:
    """The table of the specification for each type: step, status, next step."""
    for name, (generates, check, repair) in TYPES.items():
        rows = [
            ("Initialize", "ok", generates or check),
            ("Initialize", "error", "Initialize"),
            ("Initialize", "warning", "Initialize"),
            (check, "ok", "Finalize"),
            (check, "error", repair),
            (check, "warning", check),
            (repair, "ok", check),
            (repair, "error", repair),
            (repair, "warning", repair),
            ("Finalize", "ok", "complete"),
            ("Finalize", "error", "Finalize"),
            ("Finalize", "warning", "Finalize"),
        ]
        if generates:
            rows += [
                (generates, "ok", check),
                (generates, "error", generates),
                (generates, "warning", generates),
            ]
        for before, status, after in rows:
            yield pytest.param(name, before, status, after, id=f"{name}-{before}-{status}")


async def test_a_step_may_change_one_to_true(world: World) -> None:
    """Python calls them equal, yet the session must store what the step returned."""
    client = world.client()
    session = await start(client, "ContextDesignSessions", state={"conversation": 1})
    interaction = await go_to(client, session, "GenerateDesign")
    await answer(client, session, interaction, OK)
    assert (await client.get(session)).json()["state"]["conversation"] is True


@pytest.mark.parametrize(("type_", "before", "status", "after"), list(transitions()))
async def test_transitions(world: World, type_: str, before: str, status: str, after: str) -> None:
    client = world.client()
    session = await start(client, type_)
    interaction = await go_to(client, session, before)
    completed = await answer(client, session, interaction, {"status": status})
    assert completed["applied"] is True
    assert completed["interaction"]["result"]["status"] == status
    if after == "complete":
        assert completed["session_status"] == "complete"
    else:
        assert completed["session_status"] == "active"
        assert (await ask(client, session))["step_name"] == after


@pytest.mark.parametrize("type_", TYPES)
async def test_from_the_first_command_to_complete(world: World, type_: str) -> None:
    """Through the repair loop; after the last result the session is complete without another
    poll."""
    client = world.client()
    generates, check, repair = TYPES[type_]
    session = await start(client, type_)
    broken = {"status": "error", "code": 1, "stderr": "it does not even load"}
    expected = ["Initialize", generates, check, repair, check, repair, check, "Finalize"]
    results: dict[str, Iterator[dict[str, Any]]] = {check: iter([broken, broken, OK])}
    seen = []
    for _ in filter(None, expected):
        interaction = await ask(client, session)
        name = interaction["step_name"]
        if name == repair:
            assert "it does not even load" in interaction["command"]["pipe"]
        seen.append(name)
        completed = await answer(client, session, interaction, next(results.get(name, iter([OK]))))
    assert seen == [name for name in expected if name]
    assert (completed["session_status"], completed["applied"]) == ("complete", True)
    after = (await client.get(session)).json()
    assert (after["status"], after["interaction_count"]) == ("complete", len(seen))
    assert after["ended_at"] is not None
    refused = await client.post(f"{session}/next-command")
    assert (refused.status_code, refused.json()["code"]) == (409, "session_ended")
    assert refused.json()["session_status"] == "complete"
    events = (await client.get(f"/api/feed?session_id={after['id']}&limit=100")).json()["data"]
    names = [event["name"] for event in events]
    assert names[-2:] == ["interaction.completed", "session.completed"]
    assert names.count("interaction.created") == names.count("interaction.completed") == len(seen)
    assert events[-1]["payload"]["version"] == after["version"]


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("status", ["error", "warning"])
async def test_the_retry_limit(world: World, type_: str, status: str) -> None:
    """Five failures in a row, although a successful repair lies between each two."""
    client = world.client()
    check = TYPES[type_][1]
    session = await start(client, type_)
    attempts = []
    for _ in range(20):
        interaction = await ask(client, session)
        result: dict[str, Any] = OK
        if interaction["step_name"] == check:
            attempts.append(interaction["command"]["metadata"]["attempt"])
            result = {"status": status}
        completed = await answer(client, session, interaction, result)
        if completed["session_status"] != "active":
            break
    assert attempts == [1, 2, 3, 4, 5]
    after = (await client.get(session)).json()
    assert after["status"] == completed["session_status"] == "failed"
    ended = {"reason": "retry_limit", "step": check, "attempts": 5}
    assert after["state"]["ended"] == ended
    refused = await client.post(f"{session}/next-command")
    assert (refused.status_code, refused.json()["session_status"]) == (409, "failed")


async def test_an_ok_result_begins_the_count_anew(world: World) -> None:
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    interaction = await go_to(client, session, "FixTestFailures")
    for _ in range(3):
        await answer(client, session, interaction, {"status": "error"})
        interaction = await ask(client, session)
    assert interaction["command"]["metadata"]["attempt"] == 4
    await answer(client, session, interaction, OK)
    await step(client, session, {"status": "error"})
    interaction = await ask(client, session)
    assert interaction["step_name"] == "FixTestFailures"
    assert interaction["command"]["metadata"]["attempt"] == 1


async def test_another_retry_limit(world: World, settings: Settings) -> None:
    app: Any = create_app(msgspec.structs.replace(settings, retry_limit=2))
    client = World(
        world.database, app, world.account_id, world.project_id, world.user_id, world.token
    ).client()
    session = await start(client, "IntegrationSessions")
    for expected in ("active", "failed"):
        _, completed = await step(client, session, {"status": "error"})
        assert completed["session_status"] == expected
    await client.aclose()
    await app.litestar.state.database.close()
    with pytest.raises(SettingsError, match="retry_limit"):
        from_environment({"DATABASE_URL": "postgresql://", "AGENT_SESSIONS_RETRY_LIMIT": "0"})


async def test_twenty_concurrent_clients_get_one_command_and_set_one_result(world: World) -> None:
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    asked = await asyncio.gather(*(client.post(f"{session}/next-command") for _ in range(20)))
    assert sorted(a.status_code for a in asked) == [200] * 19 + [201]
    assert len({a.text for a in asked}) == 1
    interaction = asked[0].json()
    assert not interaction.keys() & {"posted", "workflow"}
    assert asked[0].headers["location"].endswith(f"{session}/interactions/{interaction['id']}")
    path = f"{session}/interactions/{interaction['id']}/result"
    results = [{"status": "ok", "stdout": str(number)} for number in range(20)]
    answers = await asyncio.gather(*(client.post(path, json=result) for result in results))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 19
    [won] = [a.json() for a in answers if a.status_code == 200]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"already_completed"}
    winner = {"status": "ok", "stdout": won["interaction"]["result"]["stdout"]}
    again = await client.post(path, json=winner)
    assert (again.status_code, again.json()) == (200, won)
    stored = (await client.get(f"{session}?interactions=all")).json()
    assert stored["interactions"] == [won["interaction"]]
    assert (await ask(client, session))["seq"] == 2


async def test_interactions_of_clients_do_not_advance_the_workflow(world: World) -> None:
    """Even many more than the session's row embeds."""
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    own = {"step_name": "Finalize", "command": {"module": "Finalize"}}
    first = await client.post(f"{session}/interactions", json=own)
    completed = await answer(client, session, first.json(), OK)
    assert (completed["applied"], completed["session_status"]) == (False, "active")
    interaction = await ask(client, session)
    assert interaction["step_name"] == "Initialize"
    await client.post(f"{session}/interactions", json=[{**own, "result": OK}] * 50)
    assert await ask(client, session) == interaction
    await answer(client, session, interaction, OK)
    await client.post(f"{session}/interactions", json=own)
    assert (await ask(client, session))["step_name"] == "GenerateImplementation"


async def test_a_result_after_the_end(world: World) -> None:
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    interaction = await go_to(client, session, "RunTests")
    await client.post(f"{session}/cancel")
    before = (await client.get(session)).json()
    completed = await answer(client, session, interaction, {"status": "ok", "stdout": "work"})
    assert (completed["applied"], completed["session_status"]) == (False, "failed")
    assert completed["interaction"]["result"]["stdout"] == "work"
    after = (await client.get(session)).json()
    assert (after["status"], after["state"]) == ("failed", before["state"])
    assert await answer(client, session, interaction, {"status": "ok", "stdout": "work"}) == (
        completed
    )


async def test_sessions_without_a_workflow(world: World) -> None:
    client = world.client()
    session = await start(client, "RecordedSessions")
    refused = await client.post(f"{session}/next-command")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_workflow")
    unknown = await client.post("/api/sessions", json={"type": "DanceSessions"})
    assert unknown.status_code == 422
    [error] = unknown.json()["errors"]
    assert error["path"] == "type"
    assert all(name in error["message"] for name in [*TYPES, "RecordedSessions"])


async def test_a_command_is_bound_to_the_version(world: World) -> None:
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    refused = await client.post(f"{session}/next-command", headers={"If-Match": '"9"'})
    assert refused.status_code == 412
    taken = await client.post(f"{session}/next-command", headers={"If-Match": '"1"'})
    assert taken.status_code == 201


async def test_the_menu(world: World) -> None:
    client = world.client()
    page = (await client.get("/api/session-types")).json()
    assert page["next_cursor"] is None
    listed = {row["name"]: row for row in page["data"]}
    assert set(listed) >= {*TYPES, "RecordedSessions"}
    for name, (generates, check, repair) in TYPES.items():
        steps = ["Initialize", generates, check, repair, "Finalize"]
        assert listed[name]["steps"] == [s for s in steps if s]
        assert listed[name]["title"]
        assert listed[name]["description"]
    assert listed["RecordedSessions"]["steps"] == []


async def test_another_tenants_workflow_does_not_exist(
    world: World, make: Callable[[], Awaitable[World]]
) -> None:
    client = world.client()
    session = await start(client, "ComponentCodingSessions")
    interaction = await ask(client, session)
    number = int(session.rpartition("/")[2])
    stranger = await make()
    async with stranger.db() as db:
        with pytest.raises(NotFound):
            await sessions.next_session_command(stranger.scope(), db, number)
        with pytest.raises(NotFound):
            await sessions.set_interaction_result(
                stranger.scope(), db, number, interaction["id"], ResultInput(status="ok")
            )
    elsewhere = world.scope(project_id=world.project_id + 1, strict=True)
    async with world.db(elsewhere) as db:
        with pytest.raises(NotFound):
            await sessions.next_session_command(elsewhere, db, number)
    assert await ask(client, session) == interaction
