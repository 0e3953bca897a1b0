"""Immutability, heartbeats, retention, and other tenants."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app import jobs
from app.contexts import continuity
from app.contexts.continuity import CommandFilter, EventFilter, InstanceFilter
from app.contexts.continuity import retention as expiry
from app.db import Role
from app.errors import Conflict, Forbidden, NotFound
from app.paging import PageRequest
from app.schemas.continuity import (
    CheckpointInput,
    CommandLogInput,
    EventInput,
    Heartbeat,
    InstanceRegister,
)
from app.schemas.retention import ContinuitySettingsUpdate
from tests.factories import World

LOGS = ("command_log", "event_store", "checkpoints")


async def instance(world: World, suffix: str = "abc123", *, rows: int = 2) -> str:
    """An instance with that many commands, events and checkpoints."""
    instance_id = f"consilio-PS-{suffix}"
    scope = world.scope()
    async with world.db() as db:
        data = InstanceRegister(project="consilio-s", instance_type="PS", instance_id=instance_id)
        await continuity.register_instance(scope, db, data)
        command = CommandLogInput(command_type="task", action="spawn")
        if rows:
            await continuity.log_instance_commands(scope, db, instance_id, [command] * rows)
        for _ in range(rows):
            await continuity.create_checkpoint(scope, db, instance_id, CheckpointInput())
    return instance_id


async def counts(world: World) -> dict[str, int]:
    async with world.db() as db:
        return {
            table: await db.driver.fetchval(f"SELECT count(*) FROM {table}")
            for table in (*LOGS, "supervisor_sessions")
        }


async def age(world: World, instance_id: str, days: int, *, closed: bool = True) -> None:
    """Only the owner of the tables can do this: the logs never change."""
    async with world.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for table in LOGS:
            await driver.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            await driver.execute(
                f"UPDATE {table} SET created_at = now() - make_interval(days => $3)"
                " WHERE account_id = $1 AND instance_id = $2",
                world.account_id,
                instance_id,
                days,
            )
            await driver.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        if closed:
            await driver.execute(
                "UPDATE supervisor_sessions SET closed_at = now() - make_interval(days => $3)"
                " WHERE account_id = $1 AND instance_id = $2",
                world.account_id,
                instance_id,
                days,
            )


async def close(world: World, instance_id: str) -> None:
    async with world.db() as db:
        await continuity.close_instance(world.scope(), db, instance_id)


@pytest.mark.parametrize("table", LOGS)
async def test_logged_rows_never_change(world: World, table: str) -> None:
    await close(world, await instance(world))
    with pytest.raises(asyncpg.RaiseError, match="never change"):
        async with world.db() as db:
            await db.driver.execute(f"UPDATE {table} SET created_at = now()")
    for role in (Role.OWNER, Role.SYSTEM):
        async with world.db(world.scope(role)) as db:
            assert await db.driver.execute(f"DELETE FROM {table}") == "DELETE 0"
    async with world.db() as db:
        await db.driver.execute("SET LOCAL app.retention = 'on'")
        assert await db.driver.execute(f"DELETE FROM {table}") == "DELETE 0"
    open_one = await instance(world, "open12")
    async with world.db(world.scope(Role.SYSTEM)) as db:
        await db.driver.execute("SET LOCAL app.retention = 'on'")
        await db.driver.execute(f"DELETE FROM {table}")
        left = await db.driver.fetch(f"SELECT DISTINCT instance_id FROM {table}")
    assert [row["instance_id"] for row in left] == [open_one]


async def test_deleting_an_instance_cascades(world: World) -> None:
    instance_id = await instance(world)
    with pytest.raises(Forbidden):
        async with world.db() as db:
            await continuity.delete_instance(world.scope(Role.EDITOR), db, instance_id)
    async with world.db() as db:
        await continuity.delete_instance(world.scope(), db, instance_id)
    assert set((await counts(world)).values()) == {0}


async def test_heartbeats(world: World) -> None:
    instance_id = await instance(world, rows=0)
    client = world.client()
    path = f"/api/instances/{instance_id}"

    async def kinds() -> list[str]:
        events = (await client.get(f"{path}/events")).json()["data"]
        return [event["event_type"] for event in events[1:]]

    beat = await client.post(f"{path}/heartbeat", json={"context_percent": 79, "current_epic": "e"})
    assert (beat.json()["checkpoint_advised"], beat.json()["current_epic"]) == (False, "e")
    assert await kinds() == ["instance_heartbeat", "context_window_updated"]
    assert (await client.post(f"{path}/heartbeat")).status_code == 200
    assert len(await kinds()) == 2
    beat = await client.post(f"{path}/heartbeat", json={"context_percent": 80})
    assert (beat.json()["checkpoint_advised"], beat.json()["current_epic"]) == (True, "e")
    beat = await client.post(f"{path}/heartbeat", json={"current_epic": None})
    assert (beat.json()["context_percent"], beat.json()["current_epic"]) == (80, None)
    assert (await kinds())[2:] == ["context_window_updated"] * 2
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE supervisor_sessions SET last_heartbeat = now() - interval '31 minutes'"
        )
    for _ in range(2):
        await jobs.mark_stale(world.database, world.account_id)
    assert (await kinds()).count("instance_stale") == 1
    assert (await client.get(path)).json()["status"] == "stale"
    assert (await client.post(f"{path}/heartbeat")).json()["status"] == "active"
    assert (await client.post(f"{path}/close")).json()["status"] == "closed"
    for verb in ("heartbeat", "close"):
        refused = await client.post(f"{path}/{verb}")
        assert (refused.status_code, refused.json()["code"]) == (409, "instance_closed")
    feed = (await client.get("/api/feed?limit=100", headers={"X-Project": "*"})).json()["data"]
    names = [e["name"] for e in feed if e["entity_kind"] == "instance"]
    assert names[:1] + names[-2:] == ["instance.registered", "instance.stale", "instance.closed"]


async def test_heartbeats_from_before_the_clock_was_set_back(world: World) -> None:
    """An instance that died then is silent from the next sweep on; one that lives is seen again."""
    scope = world.scope()
    ids = [await instance(world, suffix, rows=0) for suffix in ("dead12", "alive1")]
    async with world.db() as db:
        await db.driver.execute(
            "UPDATE supervisor_sessions SET last_heartbeat = now() + interval '1 h',"
            " heartbeat_event_at = now() + interval '1 h'"
        )
    async with world.db() as db:
        await continuity.record_instance_heartbeat(scope, db, ids[1], Heartbeat())
    await jobs.mark_stale(world.database, world.account_id)
    async with world.db() as db:
        now = await db.now()
        for instance_id in ids:
            found = await continuity.get_instance(scope, db, instance_id)
            assert (found.status, found.last_heartbeat <= now) == ("active", True)
        assert found.heartbeat_event_at is not None
        assert found.heartbeat_event_at <= now


async def test_retention(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {name: await instance(world, name) for name in ("open12", "old123", "mid123", "new123")}
    for name in ("old123", "mid123", "new123"):
        await close(world, ids[name])
    await age(world, ids["open12"], 400, closed=False)
    await age(world, ids["old123"], 91)
    await age(world, ids["mid123"], 31)
    before = await counts(world)
    planned = (await jobs.retain(world.database, dry_run=True))[world.account_id]
    assert await counts(world) == before
    assert planned.instances == [ids["old123"]]
    assert (planned.commands, planned.events, planned.checkpoints) == (2, 3, 4)
    monkeypatch.setattr(expiry, "BATCH", 1)
    system = world.scope(Role.SYSTEM)
    # Interrupted before its COMMIT, a batch has removed nothing.
    async with world.db(system) as db:
        await continuity.delete_expired(system, db)
        db.rollback_only = True
    assert await counts(world) == before
    async with world.db(system) as db:
        first = await continuity.delete_expired(system, db)
    rest = (await jobs.retain(world.database))[world.account_id]
    assert first.plus(rest) == planned
    after = await counts(world)
    assert {table: before[table] - after[table] for table in before} == {
        "command_log": 2,
        "event_store": 3,
        "checkpoints": 4,
        "supervisor_sessions": 1,
    }
    assert world.account_id not in await jobs.retain(world.database)
    client = world.client()
    kept = await client.get(f"/api/instances/{ids['open12']}/events")
    assert len(kept.json()["data"]) == 3
    async with world.db() as db:
        await continuity.update_continuity_settings(
            world.scope(), db, ContinuitySettingsUpdate(command_days=10)
        )
    assert (await jobs.retain(world.database))[world.account_id].commands == 2


async def test_another_tenant(
    make: Callable[[], Awaitable[World]],
) -> None:
    mine, other = await make(), await make()
    theirs = await instance(other)
    before = await counts(other)
    scope = mine.scope()
    page = PageRequest()
    calls: list[Callable[[Any], Awaitable[object]]] = [
        lambda db: continuity.get_instance(scope, db, theirs),
        lambda db: continuity.find_instance(scope, db, theirs),
        lambda db: continuity.record_instance_heartbeat(scope, db, theirs, Heartbeat()),
        lambda db: continuity.close_instance(scope, db, theirs),
        lambda db: continuity.delete_instance(scope, db, theirs),
        lambda db: continuity.emit_instance_events(
            scope, db, theirs, [EventInput(event_type="test_passed")]
        ),
        lambda db: continuity.list_instance_events(scope, db, theirs, page, EventFilter()),
        lambda db: continuity.log_instance_commands(
            scope, db, theirs, [CommandLogInput(command_type="t", action="a")]
        ),
        lambda db: continuity.search_instance_commands(
            scope, db, page, CommandFilter(), instance_id=theirs
        ),
        lambda db: continuity.create_checkpoint(scope, db, theirs, CheckpointInput()),
        lambda db: continuity.list_checkpoints(scope, db, theirs, page),
        lambda db: continuity.get_latest_checkpoint(scope, db, theirs),
        lambda db: continuity.get_checkpoint(scope, db, theirs, uuid4()),
        lambda db: continuity.restore_checkpoint(scope, db, theirs, uuid4()),
        lambda db: continuity.replay_instance_events(scope, db, theirs),
        lambda db: continuity.list_instance_timeline(scope, db, theirs, page),
        lambda db: continuity.resume_instance(scope, db, theirs),
        lambda db: continuity.resume_instance(scope, db),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            async with mine.db() as db:
                await call(db)
    async with mine.db() as db:
        assert (await continuity.list_instances(scope, db, page, InstanceFilter())).data == []
        assert (await continuity.search_instance_events(scope, db, page, EventFilter())).data == []
        assert (
            await continuity.search_instance_commands(scope, db, page, CommandFilter())
        ).data == []
        assert (await continuity.search_checkpoints(scope, db, page)).data == []
        assert (await continuity.list_expired(scope, db)).is_empty()
        assert (await continuity.delete_expired(mine.scope(Role.SYSTEM), db)).is_empty()
        assert await continuity.mark_stale_instances(scope, db) == 0
        await continuity.update_continuity_settings(
            scope, db, ContinuitySettingsUpdate(stale_minutes=1)
        )
    async with other.db() as db:
        found = await continuity.get_continuity_settings(other.scope(), db)
        assert found.stale_minutes == 30
    assert await counts(other) == before
    assert await instance(mine) == theirs  # the same id in two accounts
    for table in ("supervisor_sessions", "continuity_settings"):
        with pytest.raises(asyncpg.PostgresError):
            async with mine.db() as db:
                await db.driver.execute(f"UPDATE {table} SET account_id = $1", other.account_id)


async def test_wrong_prefix_is_a_conflict_only_for_several(world: World) -> None:
    await instance(world, "abc123", rows=0)
    await instance(world, "abc124", rows=0)
    with pytest.raises(Conflict):
        async with world.db() as db:
            await continuity.find_instance(world.scope(), db, "consilio")
