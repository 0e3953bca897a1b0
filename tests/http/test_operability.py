"""What operators rely on: metrics, limits, logs, headers, a proxy in front."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import literal, literal_column, select
from sqlalchemy.exc import DBAPIError

from app.asgi import create_app
from app.settings import Settings, SettingsError, from_environment
from tests.factories import World

BODY = {"type": "RecordedSessions"}


@asynccontextmanager
async def configured(
    world: World, settings: Settings, root_path: str = "", **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    app: Any = create_app(msgspec.structs.replace(settings, **changes))
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    headers = {"Authorization": f"Bearer {world.token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        yield client
    await app.litestar.state.database.close()


async def test_metrics_have_route_templates_and_a_token(world: World, settings: Settings) -> None:
    async with configured(world, settings, metrics_token="for prometheus") as client:
        created = await client.post("/api/sessions", json=BODY)
        await client.get(created.headers["location"])
        assert (await client.get("/metrics")).status_code == 401
        sent = {"Authorization": "Bearer for prometheus"}
        text = (await client.get("/metrics", headers=sent)).text
    assert 'path="/api/sessions/{session_id}"' in text
    assert f"/api/sessions/{created.json()['id']}" not in text
    assert world.token not in text
    assert (await world.client().get("/metrics")).status_code == 404, "off unless configured"


async def test_a_token_that_asks_too_often(world: World, settings: Settings) -> None:
    async with configured(world, settings, rate_limit=5) as client:
        answers = [await client.get("/api/me") for _ in range(7)]
        assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
        assert answers[-1].json()["code"] == "too_many_requests"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        event = {"session_id": "s", "hook_event_name": "SessionStart"}
        for _ in range(10):
            hook = await client.post("/api/hooks/claude-code", json=event)
            assert hook.status_code == 204, "hooks are never limited"
        other = {"Authorization": f"Bearer {await world.token_for('viewer')}"}
        assert (await client.get("/api/me", headers=other)).status_code == 200


async def test_an_exhausted_pool_is_a_503(world: World, settings: Settings) -> None:
    """The request that holds the only connection goes on; the others are told when to try again."""
    app: Any = create_app(msgspec.structs.replace(settings, pool_size=1, pool_timeout=1))
    database = app.litestar.state.database
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {world.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        async with database.transaction(world.scope()):
            refused = await client.get("/api/me", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "1"
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/api/me", headers=headers)).status_code == 200
    await database.close()


async def test_pages_of_listed_origins_only(world: World, settings: Settings) -> None:
    preflight = {"Origin": "https://ide.example", "Access-Control-Request-Method": "POST"}
    async with configured(world, settings, cors_origins="https://ide.example") as client:
        allowed = await client.options("/api/sessions", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://ide.example"
        evil = await client.options(
            "/api/sessions", headers={**preflight, "Origin": "https://evil.example"}
        )
        assert "access-control-allow-origin" not in evil.headers
    closed = await world.client().get("/api/me", headers={"Origin": "https://ide.example"})
    assert "access-control-allow-origin" not in closed.headers


async def test_behind_a_prefix(world: World, settings: Settings) -> None:
    async with configured(world, settings, root_path="/agents") as client:
        created = await client.post("/agents/api/sessions", json=BODY)
        assert created.status_code == 201
        assert created.headers["location"] == f"/agents/api/sessions/{created.json()['id']}"
        assert (await client.get(created.headers["location"])).status_code == 200


async def test_every_answer_has_a_request_id_and_safe_headers(world: World) -> None:
    client = world.client()
    for path in ("/api/me", "/api/nothing", "/health/live"):
        response = await client.get(path, headers={"X-Request-Id": "mine-1"})
        assert response.headers["x-request-id"] == "mine-1"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert "set-cookie" not in response.headers, "so no page can act for somebody"
    forged = await client.get("/api/me", headers={"X-Request-Id": "a b\tc"})
    assert forged.headers["x-request-id"] != "a b\tc"


async def test_logs_hold_no_bodies_and_no_secrets(
    world: World, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    async with configured(world, settings, log_level="info") as client:
        body = {**BODY, "title": "private title", "state": {"x": "private state"}}
        created = await client.post("/api/sessions?x=private", json=body)
        await client.get(created.headers["location"])
    async with configured(world, settings):  # the other tests log warnings only
        pass
    output = capfd.readouterr().err
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    [first, second] = [line for line in lines if line["event"] == "request"]
    assert (first["method"], first["route"], first["status"]) == ("POST", "/api/sessions", 201)
    assert second["route"] == "/api/sessions/{session_id}"
    assert first["request_id"] == created.headers["x-request-id"]
    assert first["account_id"] == world.account_id
    assert "private" not in output
    assert world.token not in output


async def test_an_error_of_the_database_quotes_no_parameter(world: World) -> None:
    """Unexpected errors are logged."""
    statement: Any = select(literal("private"), literal_column("1 / 0"))
    async with world.db() as db:
        with pytest.raises(DBAPIError) as caught:
            await db.session.execute(statement)
        db.rollback_only = True
    assert "division by zero" in str(caught.value)
    assert "private" not in str(caught.value)


def test_an_unusable_setting_is_named() -> None:
    good = {"DATABASE_URL": "postgresql://x"}
    assert from_environment(good).pool_size == 10
    for variable, value in (
        ("AGENT_SESSIONS_POOL_SIZE", "many"),
        ("AGENT_SESSIONS_TOKEN_CACHE_SECONDS", "6"),
        ("AGENT_SESSIONS_LOG_LEVEL", "loud"),
    ):
        with pytest.raises(SettingsError):
            from_environment({**good, variable: value})
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        from_environment({})
    pooled = {**good, "AGENT_SESSIONS_PGBOUNCER": "1"}
    with pytest.raises(SettingsError, match="DATABASE_DIRECT_URL"):
        from_environment(pooled)
    direct = from_environment({**pooled, "DATABASE_DIRECT_URL": "postgresql://y"})
    assert (direct.pgbouncer, direct.direct_url) == (True, "postgresql://y")


async def test_version_and_limits(world: World, settings: Settings) -> None:
    shown = (await world.client().get("/api/meta")).json()
    assert shown["version"] == version("agent-sessions")
    limits = shown["limits"]
    assert limits["requests_per_minute"] is None
    interactions = [{"command": {"module": "Bash", "command": "ls"}}] * (limits["max_batch"] + 1)
    session = await world.client().post("/api/sessions", json=BODY)
    path = f"{session.headers['location']}/interactions"
    assert (await world.client().post(path, json=interactions)).status_code == 422
    assert (await world.client().post(path, json=interactions[1:])).status_code == 201
    for limit, status in ((limits["max_page"], 200), (limits["max_page"] + 1, 422)):
        page = await world.client().get("/api/sessions", params={"limit": limit})
        assert page.status_code == status
    async with configured(world, settings, rate_limit=60, max_body_bytes=1000) as client:
        limits = (await client.get("/api/meta")).json()["limits"]
    assert (limits["requests_per_minute"], limits["max_body_bytes"]) == (60, 1000)


# PostgreSQL ends whoever finds the deadlock, and each looks once. The request waits first; nothing
# may come between its wait and this one, which is in no hurry to look.
_CLOSE_THE_CIRCLE = """
RESET ROLE;
SET LOCAL deadlock_timeout = '1min';
SET LOCAL statement_timeout = '30s';
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid') LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    PERFORM FROM components WHERE name = 'Two' FOR UPDATE;
END
$$
"""


@pytest.mark.parametrize("held", ["components WHERE name = 'One'", "feed_counters WHERE true"])
async def test_a_request_that_deadlocks_is_retried(world: World, held: str) -> None:
    """PostgreSQL ends one of two transactions that wait for each other."""
    client = world.client()
    one, two = [
        (await client.post("/api/components", json={"name": name, "module_name": name})).json()
        for name in ("One", "Two")
    ]
    parent = {"parent_component_id": one["id"]}
    async with world.db() as db:
        await db.driver.execute(f"SELECT FROM {held} FOR UPDATE")
        waiting = asyncio.create_task(client.patch(f"/api/components/{two['id']}", json=parent))
        await db.driver.execute(_CLOSE_THE_CIRCLE)
    answer = await waiting
    assert (answer.status_code, answer.json()["parent_component_id"]) == (200, one["id"])
    events = (await client.get("/api/feed?after=0&limit=100")).json()["data"]
    assert [e["entity_id"] for e in events if e["name"] == "component.updated"] == [str(two["id"])]
