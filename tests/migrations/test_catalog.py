"""The migrated catalog holds what the session document lists, and every table is walled in."""

from typing import Any

import pytest

from app.db import Database, Role, Tenant
from app.models import Base

SYSTEM = Tenant(account_id=0, role=Role.SYSTEM)
# Their rows belong to no account; `accounts` and `users` are reached by one context only.
WITHOUT_ROW_SECURITY = {"accounts", "users", "schema_migrations"}


async def fetch(database: Database, statement: str, *parameters: object) -> list[Any]:
    async with database.transaction(SYSTEM) as db:
        return [tuple(row) for row in await db.driver.fetch(statement, *parameters)]


OF_SESSION = (
    "FOREIGN KEY (account_id, session_id) REFERENCES sessions(account_id, id) ON DELETE CASCADE"
)
COLUMNS = """
SELECT column_name, data_type, is_nullable = 'YES', column_default
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
"""


async def test_session_fields(database: Database) -> None:
    found = {name: rest for name, *rest in await fetch(database, COLUMNS, "sessions")}
    stamp = ["timestamp with time zone", False, "now()"]
    assert {
        "id": ["bigint", False, None],
        "type": ["text", False, None],
        "agent": ["text", True, None],
        "environment": ["text", True, None],
        "status": ["text", False, "'active'::text"],
        "state": ["jsonb", False, "'{}'::jsonb"],
        "project_id": ["bigint", True, None],
        "account_id": ["bigint", False, None],
        "component_id": ["bigint", True, None],
        "interactions": ["jsonb", False, "'[]'::jsonb"],
        "inserted_at": stamp,
        "updated_at": stamp,
    }.items() <= found.items()


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("pk_sessions", "PRIMARY KEY (account_id, id)"),
        (
            "fk_sessions_account_id",
            "FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE RESTRICT",
        ),
        (
            "fk_sessions_project",
            "FOREIGN KEY (account_id, project_id) REFERENCES projects(account_id, id)"
            " ON DELETE SET NULL (project_id)",
        ),
        (
            "fk_sessions_component",
            "FOREIGN KEY (account_id, component_id) REFERENCES components(account_id, id)"
            " ON DELETE SET NULL (component_id)",
        ),
        (
            "ck_sessions_status",
            "CHECK ((status = ANY (ARRAY['active'::text, 'complete'::text, 'failed'::text])))",
        ),
        # All that these two tables refer to: through their session also the account.
        ("fk_interaction_pages_session", OF_SESSION),
        ("fk_interaction_keys_session", OF_SESSION),
        ("ck_sessions_agent", "CHECK ((agent = 'claude_code'::text))"),
        (
            "ck_sessions_environment",
            "CHECK ((environment = ANY (ARRAY['local'::text, 'vscode'::text])))",
        ),
    ],
)
async def test_session_constraints(database: Database, name: str, definition: str) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
    assert await fetch(database, statement, name) == [(definition,)]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        # The document's index on account_id alone is the head of this key.
        ("pk_sessions", "(account_id, id)"),
        ("ix_sessions_project_id", "(account_id, project_id)"),
        ("ix_sessions_component_id", "(account_id, component_id)"),
        ("ix_sessions_account_id_status", "(account_id, status)"),
        ("ix_sessions_account_id_updated_at", "(account_id, updated_at, id)"),
    ],
)
async def test_session_indexes(database: Database, name: str, columns: str) -> None:
    statement = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
    [(definition,)] = await fetch(database, statement, name)
    assert definition.endswith(f"btree {columns}")


async def test_every_tenant_table_is_walled_in(database: Database) -> None:
    rows = await fetch(
        database,
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relkind = 'r'",
    )
    assert {name for name, secured in rows if not secured} == WITHOUT_ROW_SECURITY
    for table in Base.metadata.sorted_tables:
        if table.name in WITHOUT_ROW_SECURITY:
            continue
        assert not table.c.account_id.nullable
        assert next(iter(table.primary_key.columns)) is table.c.account_id, table.name
        for constraint in await fetch(
            database,
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = $1::text::regclass AND contype = 'u'",
            table.name,
        ):
            definition = constraint[0].replace(" NULLS NOT DISTINCT", "")
            assert definition.startswith("UNIQUE (account_id"), table.name


async def test_policies_cover_every_command(database: Database) -> None:
    rows = await fetch(database, "SELECT tablename, cmd, qual, with_check FROM pg_policies")
    account = "current_setting('app.account_id'"
    assert all(account in (qual or check) for _, _, qual, check in rows)
    tables = {table for table, *_ in rows}
    assert tables == set(Base.metadata.tables) - WITHOUT_ROW_SECURITY
    for table in tables:
        commands = {command for name, command, *_ in rows if name == table}
        assert {"SELECT", "INSERT"} <= commands <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
