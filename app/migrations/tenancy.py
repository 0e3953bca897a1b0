"""Row-level security, written once for the migrations of every context.

Policies read settings through a scalar subquery, so that PostgreSQL evaluates them once per
statement; with `nullif`, because they are empty, not absent, after the first transaction of a
connection.
"""

from alembic import op

from app.db import APPLICATION_ROLE

ACCOUNT = "account_id = (SELECT nullif(current_setting('app.account_id', true), '')::bigint)"
OWN = "user_id = (SELECT nullif(current_setting('app.user_id', true), '')::bigint)"
_ROLE = "(SELECT current_setting('app.role', true))"
WRITERS = f"{_ROLE} IN ('owner', 'admin', 'editor', 'system')"
ADMINISTRATORS = f"{_ROLE} IN ('owner', 'admin', 'system')"


# All databases of a cluster share its roles: another database may have created it already, or be
# creating it now.
CREATE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
        CREATE ROLE {APPLICATION_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$"""


def execute_each(statements: str) -> None:
    """Executes one statement at a time: asyncpg prepares them, and PostgreSQL prepares only one."""
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)


def secure(
    table: str,
    *,
    select: str = ACCOUNT,
    insert: str = f"{ACCOUNT} AND {WRITERS}",
    update: str | None = f"{ACCOUNT} AND {WRITERS}",
    delete: str | None = f"{ACCOUNT} AND {WRITERS}",
) -> None:
    """Adds the four policies and forces them on the table's owner too. Without a policy a command
    finds no row."""
    execute_each(f"""
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY {table}_select ON {table} FOR SELECT USING ({select});
CREATE POLICY {table}_insert ON {table} FOR INSERT WITH CHECK ({insert})""")
    if update is not None:
        op.execute(
            f"CREATE POLICY {table}_update ON {table} FOR UPDATE "
            f"USING ({update}) WITH CHECK ({update})"
        )
    if delete is not None:
        op.execute(f"CREATE POLICY {table}_delete ON {table} FOR DELETE USING ({delete})")
    grant(table)


def grant(table: str) -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APPLICATION_ROLE}")
