"""${message}."""

from app.migrations.tenancy import execute_each, secure

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    execute_each("""
""")


def downgrade() -> None:
    execute_each("""
""")
