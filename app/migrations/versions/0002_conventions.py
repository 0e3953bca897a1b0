"""Stored answers of requests that carried an Idempotency-Key."""

from app.migrations.tenancy import ACCOUNT, execute_each, secure

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    execute_each("""
CREATE TABLE idempotency_keys (
    account_id BIGINT NOT NULL,
    token_id BIGINT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    key TEXT NOT NULL,
    payload_sha256 BYTEA NOT NULL,
    status INTEGER NOT NULL,
    headers JSONB NOT NULL,
    body BYTEA,
    inserted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (account_id, token_id, method, path, key),
    CONSTRAINT fk_idempotency_keys_account_id FOREIGN KEY (account_id)
        REFERENCES accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_idempotency_keys_account_id_inserted_at
    ON idempotency_keys (account_id, inserted_at)""")
    # A viewer's own requests are remembered as well.
    secure("idempotency_keys", insert=ACCOUNT, update=None, delete=ACCOUNT)


def downgrade() -> None:
    execute_each("DROP TABLE idempotency_keys")
