"""A session's newest interactions are compressed like its pages, their size is kept beside them.

What every append writes anew shrinks to a third of the write-ahead log and, below 2 KB, stays in
the row instead of a table of its own. How large it is as JSON can then only be told by whoever
wrote it.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE sessions ALTER COLUMN interactions SET STORAGE EXTENDED")
    # Nobody knows the size of what is there already: it counts as full, and the next append seals
    # it. A session without any is not asked for it.
    op.execute("ALTER TABLE sessions ADD COLUMN tail_bytes BIGINT DEFAULT 16384 NOT NULL")
    op.execute("ALTER TABLE sessions ALTER COLUMN tail_bytes SET DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE sessions DROP COLUMN tail_bytes")
    op.execute("ALTER TABLE sessions ALTER COLUMN interactions SET STORAGE EXTERNAL")
