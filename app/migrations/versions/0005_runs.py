"""Runs: devices, natures, and the evidence of what a job did."""

from alembic import op

from app.migrations.tenancy import execute_each, secure

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE device (
    account_id BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    name TEXT NOT NULL,
    state JSONB DEFAULT '"SINGLETON"',
    boundary TEXT DEFAULT 'UNKNOWN',
    segmentation JSONB,
    state_sysinfo JSONB,
    elaboration JSONB,
    inserted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    project_id BIGINT,
    CONSTRAINT pk_device PRIMARY KEY (account_id, device_id),
    CONSTRAINT fk_device_project FOREIGN KEY(account_id, project_id) REFERENCES projects
        (account_id, id) ON DELETE SET NULL (project_id),
    CONSTRAINT uq_device_account_id_name_state_boundary UNIQUE NULLS NOT DISTINCT (account_id,
        name, state, boundary),
    CONSTRAINT fk_device_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE
        RESTRICT
);
CREATE INDEX ix_device_project_id ON device (account_id, project_id);
CREATE TABLE orchestration_nature (
    account_id BIGINT NOT NULL,
    orchestration_nature_id TEXT NOT NULL,
    nature TEXT NOT NULL,
    elaboration JSONB,
    inserted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_orchestration_nature PRIMARY KEY (account_id, orchestration_nature_id),
    CONSTRAINT fk_orchestration_nature_account_id FOREIGN KEY(account_id) REFERENCES accounts
        (id) ON DELETE RESTRICT
);
CREATE TABLE orchestration_session (
    account_id BIGINT NOT NULL,
    orchestration_session_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    orchestration_nature_id TEXT NOT NULL,
    version TEXT NOT NULL,
    orch_started_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    orch_finished_at TIMESTAMP WITH TIME ZONE,
    elaboration JSONB,
    args_json JSONB,
    diagnostics_json JSONB,
    diagnostics_md TEXT,
    project_id BIGINT,
    CONSTRAINT pk_orchestration_session PRIMARY KEY (account_id, orchestration_session_id),
    CONSTRAINT fk_orchestration_session_project FOREIGN KEY(account_id, project_id) REFERENCES
        projects (account_id, id) ON DELETE SET NULL (project_id),
    CONSTRAINT fk_orchestration_session_device FOREIGN KEY(account_id, device_id) REFERENCES
        device (account_id, device_id) ON DELETE RESTRICT,
    CONSTRAINT fk_orchestration_session_nature FOREIGN KEY(account_id, orchestration_nature_id)
        REFERENCES orchestration_nature (account_id, orchestration_nature_id) ON DELETE
        RESTRICT,
    CONSTRAINT ck_orchestration_session_finished CHECK (orch_finished_at >= orch_started_at),
    CONSTRAINT fk_orchestration_session_account_id FOREIGN KEY(account_id) REFERENCES accounts
        (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_device_id ON orchestration_session (account_id, device_id);
CREATE INDEX ix_orchestration_session_nature_id ON orchestration_session (account_id,
    orchestration_nature_id);
CREATE INDEX ix_orchestration_session_project_id ON orchestration_session (account_id,
    project_id);
CREATE INDEX ix_orchestration_session_started ON orchestration_session (account_id,
    orch_started_at, orchestration_session_id);
CREATE TABLE orchestration_session_entry (
    account_id BIGINT NOT NULL,
    orchestration_session_entry_id TEXT NOT NULL,
    ingest_src TEXT NOT NULL,
    ingest_table_name TEXT,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_entry PRIMARY KEY (account_id,
        orchestration_session_entry_id),
    CONSTRAINT fk_orchestration_session_entry_session FOREIGN KEY(account_id, session_id)
        REFERENCES orchestration_session (account_id, orchestration_session_id) ON DELETE
        CASCADE,
    CONSTRAINT uq_orchestration_session_entry_position UNIQUE (account_id, session_id, position),
    CONSTRAINT uq_orchestration_session_entry_session UNIQUE (account_id, session_id,
        orchestration_session_entry_id),
    CONSTRAINT fk_orchestration_session_entry_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT
);
CREATE TABLE orchestration_session_state (
    account_id BIGINT NOT NULL,
    orchestration_session_state_id TEXT NOT NULL,
    session_entry_id TEXT,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    transition_result JSONB,
    reason TEXT,
    transitioned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_state PRIMARY KEY (account_id,
        orchestration_session_state_id),
    CONSTRAINT fk_orchestration_session_state_session FOREIGN KEY(account_id, session_id)
        REFERENCES orchestration_session (account_id, orchestration_session_id) ON DELETE
        CASCADE,
    CONSTRAINT uq_orchestration_session_state_position UNIQUE (account_id, session_id, position),
    CONSTRAINT fk_orchestration_session_state_session_entry_id FOREIGN KEY(account_id,
        session_id, session_entry_id) REFERENCES orchestration_session_entry (account_id,
        session_id, orchestration_session_entry_id),
    CONSTRAINT fk_orchestration_session_state_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_state_session_entry_id ON orchestration_session_state
    (account_id, session_id, session_entry_id) WHERE session_entry_id IS NOT NULL;
CREATE TABLE orchestration_session_exec (
    account_id BIGINT NOT NULL,
    orchestration_session_exec_id TEXT NOT NULL,
    exec_nature TEXT NOT NULL,
    session_entry_id TEXT,
    parent_exec_id TEXT,
    namespace TEXT,
    exec_identity TEXT,
    exec_code TEXT NOT NULL,
    exec_status INTEGER NOT NULL,
    input_text TEXT,
    exec_error_text TEXT,
    output_text TEXT,
    output_nature JSONB,
    narrative_md TEXT,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_exec PRIMARY KEY (account_id,
        orchestration_session_exec_id),
    CONSTRAINT fk_orchestration_session_exec_session FOREIGN KEY(account_id, session_id)
        REFERENCES orchestration_session (account_id, orchestration_session_id) ON DELETE
        CASCADE,
    CONSTRAINT uq_orchestration_session_exec_position UNIQUE (account_id, session_id, position),
    CONSTRAINT uq_orchestration_session_exec_session UNIQUE (account_id, session_id,
        orchestration_session_exec_id),
    CONSTRAINT fk_orchestration_session_exec_session_entry_id FOREIGN KEY(account_id,
        session_id, session_entry_id) REFERENCES orchestration_session_entry (account_id,
        session_id, orchestration_session_entry_id),
    CONSTRAINT fk_orchestration_session_exec_parent_exec_id FOREIGN KEY(account_id, session_id,
        parent_exec_id) REFERENCES orchestration_session_exec (account_id, session_id,
        orchestration_session_exec_id),
    CONSTRAINT ck_orchestration_session_exec_own_parent CHECK (parent_exec_id <>
        orchestration_session_exec_id),
    CONSTRAINT fk_orchestration_session_exec_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_exec_parent_exec_id ON orchestration_session_exec
    (account_id, session_id, parent_exec_id) WHERE parent_exec_id IS NOT NULL;
CREATE INDEX ix_orchestration_session_exec_session_entry_id ON orchestration_session_exec
    (account_id, session_id, session_entry_id) WHERE session_entry_id IS NOT NULL;
CREATE TABLE orchestration_session_issue (
    account_id BIGINT NOT NULL,
    orchestration_session_issue_id TEXT NOT NULL,
    session_entry_id TEXT,
    issue_type TEXT NOT NULL,
    issue_message TEXT NOT NULL,
    issue_row BIGINT,
    issue_column TEXT,
    invalid_value TEXT,
    remediation TEXT,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_issue PRIMARY KEY (account_id,
        orchestration_session_issue_id),
    CONSTRAINT fk_orchestration_session_issue_session FOREIGN KEY(account_id, session_id)
        REFERENCES orchestration_session (account_id, orchestration_session_id) ON DELETE
        CASCADE,
    CONSTRAINT uq_orchestration_session_issue_position UNIQUE (account_id, session_id, position),
    CONSTRAINT uq_orchestration_session_issue_session UNIQUE (account_id, session_id,
        orchestration_session_issue_id),
    CONSTRAINT fk_orchestration_session_issue_session_entry_id FOREIGN KEY(account_id,
        session_id, session_entry_id) REFERENCES orchestration_session_entry (account_id,
        session_id, orchestration_session_entry_id),
    CONSTRAINT fk_orchestration_session_issue_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_issue_session_entry_id ON orchestration_session_issue
    (account_id, session_id, session_entry_id) WHERE session_entry_id IS NOT NULL;
CREATE TABLE orchestration_session_issue_relation (
    account_id BIGINT NOT NULL,
    orchestration_session_issue_relation_id TEXT NOT NULL,
    issue_id_prime TEXT NOT NULL,
    issue_id_rel TEXT NOT NULL,
    relationship_nature TEXT NOT NULL,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_issue_relation PRIMARY KEY (account_id,
        orchestration_session_issue_relation_id),
    CONSTRAINT fk_orchestration_session_issue_relation_session FOREIGN KEY(account_id,
        session_id) REFERENCES orchestration_session (account_id, orchestration_session_id) ON
        DELETE CASCADE,
    CONSTRAINT uq_orchestration_session_issue_relation_position UNIQUE (account_id, session_id,
        position),
    CONSTRAINT fk_orchestration_session_issue_relation_issue_id_prime FOREIGN KEY(account_id,
        session_id, issue_id_prime) REFERENCES orchestration_session_issue (account_id,
        session_id, orchestration_session_issue_id),
    CONSTRAINT fk_orchestration_session_issue_relation_issue_id_rel FOREIGN KEY(account_id,
        session_id, issue_id_rel) REFERENCES orchestration_session_issue (account_id,
        session_id, orchestration_session_issue_id),
    CONSTRAINT ck_orchestration_session_issue_relation_itself CHECK (issue_id_prime <>
        issue_id_rel),
    CONSTRAINT fk_orchestration_session_issue_relation_account_id FOREIGN KEY(account_id)
        REFERENCES accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_issue_relation_issue_id_prime ON
    orchestration_session_issue_relation (account_id, session_id, issue_id_prime) WHERE
    issue_id_prime IS NOT NULL;
CREATE INDEX ix_orchestration_session_issue_relation_issue_id_rel ON
    orchestration_session_issue_relation (account_id, session_id, issue_id_rel) WHERE
    issue_id_rel IS NOT NULL;
CREATE TABLE orchestration_session_log (
    account_id BIGINT NOT NULL,
    orchestration_session_log_id TEXT NOT NULL,
    exec_id TEXT NOT NULL,
    parent_log_id TEXT,
    category TEXT,
    content TEXT NOT NULL,
    sibling_order INTEGER,
    session_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    elaboration JSONB,
    CONSTRAINT pk_orchestration_session_log PRIMARY KEY (account_id,
        orchestration_session_log_id),
    CONSTRAINT fk_orchestration_session_log_session FOREIGN KEY(account_id, session_id)
        REFERENCES orchestration_session (account_id, orchestration_session_id) ON DELETE
        CASCADE,
    CONSTRAINT uq_orchestration_session_log_position UNIQUE (account_id, session_id, position),
    CONSTRAINT uq_orchestration_session_log_session UNIQUE (account_id, session_id,
        orchestration_session_log_id),
    CONSTRAINT fk_orchestration_session_log_exec_id FOREIGN KEY(account_id, session_id, exec_id)
        REFERENCES orchestration_session_exec (account_id, session_id,
        orchestration_session_exec_id),
    CONSTRAINT fk_orchestration_session_log_parent_log_id FOREIGN KEY(account_id, session_id,
        parent_log_id) REFERENCES orchestration_session_log (account_id, session_id,
        orchestration_session_log_id),
    CONSTRAINT ck_orchestration_session_log_own_parent CHECK (parent_log_id <>
        orchestration_session_log_id),
    CONSTRAINT fk_orchestration_session_log_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT
);
CREATE INDEX ix_orchestration_session_log_exec_id ON orchestration_session_log (account_id,
    session_id, exec_id) WHERE exec_id IS NOT NULL;
CREATE INDEX ix_orchestration_session_log_parent_log_id ON orchestration_session_log
    (account_id, session_id, parent_log_id) WHERE parent_log_id IS NOT NULL
"""

# The accounts that exist know the same natures as those that will be opened. Row security, which
# would hide the other accounts from us, is not yet on.
NATURES = """
INSERT INTO orchestration_nature (account_id, orchestration_nature_id, nature)
SELECT accounts.id, known.id, known.nature FROM accounts CROSS JOIN (VALUES
    ('v&v', 'Verification and Validation'),
    ('deidentification', 'De-identification'),
    ('transform-csv', 'Transform CSV'),
    ('transform-html', 'Transform HTML'),
    ('transform-xml', 'Transform XML')
) AS known (id, nature)"""

# Parents first.
NAMES = (
    "device",
    "orchestration_nature",
    "orchestration_session",
    "orchestration_session_entry",
    "orchestration_session_state",
    "orchestration_session_exec",
    "orchestration_session_issue",
    "orchestration_session_issue_relation",
    "orchestration_session_log",
)


def upgrade() -> None:
    execute_each(TABLES)
    op.execute(NATURES)
    for table in NAMES:
        secure(table)


def downgrade() -> None:
    for table in reversed(NAMES):
        op.execute(f"DROP TABLE {table}")
