"""How large a session's newest interactions are as JSON is kept beside them.

They are compressed, so only whoever wrote them can tell. A database may have the column already:
for a day it was part of the migration before.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Nobody knows the size of what is there already: it counts as full, and the next append seals
    # it. A session without any is not asked for it.
    op.execute(
        "ALTER TABLE sessions ADD COLUMN IF NOT EXISTS tail_bytes BIGINT DEFAULT 16384 NOT NULL"
    )
    op.execute("ALTER TABLE sessions ALTER COLUMN tail_bytes SET DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE sessions DROP COLUMN tail_bytes")
