"""Name the program that drives a session: claude-code, codex, gemini, opencode, …

The seed's `agent` column has one value; programs it does not know left their name in
`state.agent`, from where recorded sessions are filled.
"""

from app.migrations.tenancy import execute_each

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # The owner of a table is bound by its policies as well, as long as they are forced.
    execute_each("""
ALTER TABLE sessions ADD COLUMN client TEXT;
ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY;
UPDATE sessions SET client = coalesce(state ->> 'agent', 'claude-code')
WHERE external_id IS NOT NULL AND type = 'RecordedSessions'
  AND (agent = 'claude_code' OR state ->> 'agent' IN ('codex', 'gemini', 'opencode'))
  AND coalesce(state ->> 'agent', 'claude-code') IN ('claude-code', 'codex', 'gemini', 'opencode');
ALTER TABLE sessions FORCE ROW LEVEL SECURITY""")


def downgrade() -> None:
    execute_each("ALTER TABLE sessions DROP COLUMN client")
