"""What every append pays for and nothing asks for is left out.

A page and its keys name their session, whose own reference to the account says the rest. A new
version of a session finds room beside the old one, instead of making the table longer.
"""

from app.migrations.tenancy import execute_each

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    execute_each("""
ALTER TABLE interaction_pages DROP CONSTRAINT fk_interaction_pages_account_id;
ALTER TABLE interaction_keys DROP CONSTRAINT fk_interaction_keys_account_id;
ALTER TABLE sessions SET (fillfactor = 70)""")


def downgrade() -> None:
    execute_each("""
ALTER TABLE sessions RESET (fillfactor);
ALTER TABLE interaction_keys ADD CONSTRAINT fk_interaction_keys_account_id
    FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT;
ALTER TABLE interaction_pages ADD CONSTRAINT fk_interaction_pages_account_id
    FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT""")
