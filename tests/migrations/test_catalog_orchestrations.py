"""The migrated catalog holds what the seed of eva_orchestration_sessions lists, policies too."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from app.db import Database, Role, Tenant
from app.errors import AppError
from tests.factories import World
from tests.factories.runs import post
from tests.migrations.test_catalog import COLUMNS, fetch

TABLE = "eva_orchestration_sessions"
STAMP = ["timestamp with time zone", True, None]
# Column: type, nullable, default, as the seed lists them.
SEED: dict[str, list[object]] = {
    "session_id": ["uuid", False, "gen_random_uuid()"],
    "company_id": ["uuid", False, None],
    "session_type": ["text", False, None],
    "session_status": ["text", False, "'active'::text"],
    "active_agents": ["ARRAY", True, "ARRAY[]::text[]"],
    "chairman_oversight": ["boolean", True, "false"],
    "orchestration_context": ["jsonb", True, "'{}'::jsonb"],
    "objective": ["text", True, None],
    "created_at": ["timestamp with time zone", True, "now()"],
    "started_at": STAMP,
    "paused_at": STAMP,
    "resumed_at": STAMP,
    "completed_at": STAMP,
    "failed_at": STAMP,
    "created_by": ["uuid", False, None],
    "error_log": ["jsonb", True, "'[]'::jsonb"],
    "performance_summary": ["jsonb", True, "'{}'::jsonb"],
}
OURS = {"account_id": ["bigint", False, None], "project_id": ["bigint", True, None]}


async def test_the_seed_is_kept(database: Database) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, TABLE)}
    assert len(SEED) == 17
    assert found == {**SEED, **OURS}


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        (f"pk_{TABLE}", "PRIMARY KEY (account_id, session_id)"),
        (
            f"fk_{TABLE}_company",
            "FOREIGN KEY (account_id, company_id) REFERENCES accounts(id, uuid) ON DELETE RESTRICT",
        ),
        (f"fk_{TABLE}_created_by", "FOREIGN KEY (created_by) REFERENCES users(uuid)"),
        (
            f"fk_{TABLE}_project",
            "FOREIGN KEY (account_id, project_id) REFERENCES projects(account_id, id)"
            " ON DELETE SET NULL (project_id)",
        ),
        (
            f"ck_{TABLE}_session_status",
            "CHECK ((session_status = ANY (ARRAY['active'::text, 'paused'::text,"
            " 'completed'::text, 'failed'::text, 'cancelled'::text])))",
        ),
        (
            f"ck_{TABLE}_session_type",
            "CHECK ((session_type = ANY (ARRAY['venture_workflow'::text,"
            " 'strategic_analysis'::text, 'performance_review'::text,"
            " 'integration_coordination'::text])))",
        ),
        ("pk_orchestration_actions", "PRIMARY KEY (account_id, action_id)"),
        ("pk_orchestration_decisions", "PRIMARY KEY (account_id, decision_id)"),
        (
            "ck_orchestration_actions_priority_level",
            "CHECK (((priority_level >= 1) AND (priority_level <= 10)))",
        ),
        ("ck_orchestration_decisions_four_eyes", "CHECK ((decided_by <> requested_by))"),
    ],
)
async def test_constraints(database: Database, name: str, definition: str) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    assert await fetch(database, statement, name) == [(definition,)]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        # The seed's, each with the tenant in front.
        (f"pk_{TABLE}", "(account_id, session_id)"),
        ("idx_eva_sessions_company", "(account_id, company_id)"),
        ("idx_eva_sessions_created", "(account_id, created_at DESC, session_id DESC)"),
        ("idx_eva_sessions_status", "(account_id, session_status)"),
        ("idx_eva_sessions_type", "(account_id, session_type)"),
    ],
)
async def test_indexes(database: Database, name: str, columns: str) -> None:
    statement = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
    [(definition,)] = await fetch(database, statement, name)
    assert definition.endswith(f"btree {columns}")


INSERT = """
INSERT INTO eva_orchestration_sessions
    (account_id, session_id, company_id, session_type, created_by)
SELECT $1, $2, a.uuid, 'venture_workflow', u.uuid FROM accounts a, users u
WHERE a.id = $1 AND u.id = $3
"""
CHANGES = {
    "UPDATE": "UPDATE eva_orchestration_sessions SET objective = 'x' WHERE account_id = $1",
    "DELETE": "DELETE FROM eva_orchestration_sessions WHERE account_id = $1",
}


@pytest.fixture
async def two_worlds(make: Callable[[], Awaitable[World]]) -> tuple[World, World]:
    worlds = await make(), await make()
    for world in worlds:
        body = {"session_type": "venture_workflow"}
        await post(world.client(), "/api/orchestrations", body)
    return worlds


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.EDITOR, Role.VIEWER, None])
async def test_the_four_policies(two_worlds: tuple[World, World], role: Role | None) -> None:
    """Members read their company's rows; owners, admins and editors write them; no one reaches
    another company's."""
    mine, other = two_worlds
    writes = role in {Role.OWNER, Role.ADMIN, Role.EDITOR}
    tenant = Tenant(account_id=mine.account_id, role=role or Role.VIEWER)

    async def run(statement: str, *parameters: object) -> str:
        async with mine.database.transaction(tenant) as db:
            if role is None:
                await db.driver.execute("SET LOCAL app.role = ''")
            return await db.driver.execute(statement, *parameters)

    select = "SELECT FROM eva_orchestration_sessions"
    assert await run(select) == "SELECT 1"
    assert await run(f"{select} WHERE account_id = $1", other.account_id) == "SELECT 0"
    for account, world in ((mine.account_id, mine), (other.account_id, other)):
        if writes and world is mine:
            assert await run(INSERT, account, uuid4(), world.user_id) == "INSERT 0 1"
            continue
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(INSERT, account, uuid4(), world.user_id)
    assert await run(CHANGES["UPDATE"], other.account_id) == "UPDATE 0"
    assert await run(CHANGES["UPDATE"], mine.account_id) == ("UPDATE 2" if writes else "UPDATE 0")
    assert await run(CHANGES["DELETE"], other.account_id) == "DELETE 0"
    assert await run(CHANGES["DELETE"], mine.account_id) == ("DELETE 2" if writes else "DELETE 0")


async def test_a_row_cannot_move_to_another_company(two_worlds: tuple[World, World]) -> None:
    mine, other = two_worlds
    async with other.db() as db:
        company = await db.driver.fetchval("SELECT company_id FROM eva_orchestration_sessions")
    update = "UPDATE eva_orchestration_sessions SET"
    statement = f"{update} account_id = $1, company_id = $2"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with mine.db() as db:
            await db.driver.execute(statement, other.account_id, company)
    with pytest.raises(AppError) as refused:
        async with mine.db() as db:
            await db.driver.execute(f"{update} company_id = $1", company)
    assert isinstance(refused.value.__cause__, asyncpg.ForeignKeyViolationError)
