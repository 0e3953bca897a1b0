"""A session's newest interactions are compressed like its pages.

What every append writes anew shrinks to a third of the write-ahead log and, below 2 KB, stays in
the row instead of a table of its own.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE sessions ALTER COLUMN interactions SET STORAGE EXTENDED")


def downgrade() -> None:
    op.execute("ALTER TABLE sessions ALTER COLUMN interactions SET STORAGE EXTERNAL")
