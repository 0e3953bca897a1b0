"""SQL that forgets the tenant sees and changes one account's rows only."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from app.db import Database, Role, Tenant
from app.errors import AppError
from app.models import Base
from tests.factories import World

Make = Callable[[], Awaitable[World]]
ROW_SECURED = sorted(set(Base.metadata.tables) - {"accounts", "users"})
NONE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def two_worlds(make: Make) -> tuple[World, World]:
    """Two accounts, each with a row in every table of the foundation."""
    worlds = await make(), await make()
    for world in worlds:
        client = world.client()
        await client.post("/api/components", json={"name": "Part", "module_name": "Part"})
        session = await client.post("/api/sessions", json={"type": "RecordedSessions"})
        path = f"/api/sessions/{session.json()['id']}/interactions"
        await client.post(path, json=[{"command": {"module": "Bash"}}] * 20)
    return worlds


@pytest.mark.parametrize("table", ROW_SECURED)
async def test_unscoped_reads(two_worlds: tuple[World, World], table: str) -> None:
    mine, other = two_worlds
    async with mine.db() as db:
        rows = await db.driver.fetch(f"SELECT account_id FROM {table}")
    assert {row["account_id"] for row in rows} <= {mine.account_id}
    assert other.account_id not in {row["account_id"] for row in rows}


@pytest.mark.parametrize("table", ["sessions", "interaction_pages", "components", "projects"])
async def test_unscoped_writes(two_worlds: tuple[World, World], table: str) -> None:
    mine, other = two_worlds

    async def count(world: World) -> int:
        async with world.db() as db:
            found: int = await db.driver.fetchval(f"SELECT count(*) FROM {table}")
            return found

    before = await count(other)
    assert before > 0
    async with mine.db() as db:
        await db.driver.execute("DELETE FROM sessions")
        await db.driver.execute("DELETE FROM components")
        await db.driver.execute("DELETE FROM projects")
    assert await count(mine) == 0
    assert await count(other) == before


async def test_a_row_cannot_move_to_another_account(two_worlds: tuple[World, World]) -> None:
    mine, other = two_worlds
    for table in ("sessions", "projects", "feed_counters"):
        with pytest.raises(asyncpg.PostgresError):
            async with mine.db() as db:
                await db.driver.execute(f"UPDATE {table} SET account_id = $1", other.account_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with mine.db() as db:
            await db.driver.execute(
                "INSERT INTO sessions (account_id, type) VALUES ($1, 'x')", other.account_id
            )


@pytest.mark.parametrize("role", [Role.VIEWER, None])
async def test_a_viewer_changes_nothing(two_worlds: tuple[World, World], role: Role | None) -> None:
    mine, _ = two_worlds
    tenant = Tenant(account_id=mine.account_id, user_id=mine.user_id, role=Role.VIEWER)
    async with mine.database.transaction(tenant) as db:
        if role is None:
            await db.driver.execute("SET LOCAL app.role = ''")
        assert await db.driver.execute("UPDATE sessions SET title = 'x'") == "UPDATE 0"
        assert await db.driver.execute("DELETE FROM sessions") == "DELETE 0"
        assert await db.driver.execute("DELETE FROM members") == "DELETE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with mine.database.transaction(tenant) as db:
            await db.driver.execute(
                "INSERT INTO sessions (account_id, type) VALUES ($1, 'x')", mine.account_id
            )


async def test_an_editor_cannot_make_members(two_worlds: tuple[World, World]) -> None:
    mine, other = two_worlds
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with mine.db(mine.scope(Role.EDITOR)) as db:
            await db.driver.execute(
                "INSERT INTO members (account_id, user_id, role) VALUES ($1, $2, 'owner')",
                mine.account_id,
                other.user_id,
            )


async def test_nothing_is_visible_outside_a_transaction(
    two_worlds: tuple[World, World], database: Database
) -> None:
    """The settings are empty again once a transaction has ended: no rows, and no error either."""
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("SET ROLE agent_sessions_app")
        try:
            assert await driver.fetch("SELECT * FROM sessions") == []
        finally:
            await driver.execute("RESET ROLE")


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "INSERT INTO sessions (account_id, type, project_id) VALUES ($1, 'x', $2)",
            "fk_sessions_project",
        ),
        (
            "INSERT INTO components (account_id, project_id, name, type, module_name)"
            " VALUES ($1, $2, 'n', 'other', 'm')",
            "fk_components_project",
        ),
        (
            "UPDATE user_preferences SET active_project_id = $2 WHERE account_id = $1",
            "fk_user_preferences_active_project",
        ),
        ("UPDATE api_tokens SET project_id = $2 WHERE account_id = $1", "fk_api_tokens_project"),
    ],
)
async def test_cross_tenant_references_are_refused(
    two_worlds: tuple[World, World], statement: str, constraint: str
) -> None:
    mine, other = two_worlds
    with pytest.raises(AppError) as refused:
        async with mine.db() as db:
            await db.driver.execute(statement, mine.account_id, other.project_id)
    cause = refused.value.__cause__
    assert isinstance(cause, asyncpg.ForeignKeyViolationError)
    assert cause.constraint_name == constraint


async def test_another_accounts_interactions_cannot_be_referenced(
    two_worlds: tuple[World, World],
) -> None:
    mine, other = two_worlds
    async with other.db() as db:
        session_id = await db.driver.fetchval("SELECT id FROM sessions")
    for statement in (
        "INSERT INTO interaction_pages (account_id, session_id, first_seq, last_seq, interactions)"
        " VALUES ($1, $2, 1, 1, '[]')",
        f"INSERT INTO interaction_keys (account_id, session_id, id, seq)"
        f" VALUES ($1, $2, '{NONE}', 1)",
        "UPDATE sessions SET parent_session_id = $2 WHERE account_id = $1",
    ):
        with pytest.raises(AppError) as refused:
            async with mine.db() as db:
                await db.driver.execute(statement, mine.account_id, session_id)
        assert isinstance(refused.value.__cause__, asyncpg.ForeignKeyViolationError)
