"""Orchestrations, their actions, and the decisions about critical ones."""

from alembic import op

from app.migrations.tenancy import execute_each, secure

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE eva_orchestration_sessions (
    account_id BIGINT NOT NULL,
    session_id UUID DEFAULT gen_random_uuid() NOT NULL,
    company_id UUID NOT NULL,
    session_type TEXT NOT NULL,
    session_status TEXT DEFAULT 'active' NOT NULL,
    active_agents TEXT[] DEFAULT ARRAY[]::text[],
    chairman_oversight BOOLEAN DEFAULT false,
    orchestration_context JSONB DEFAULT '{}',
    objective TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    started_at TIMESTAMP WITH TIME ZONE,
    paused_at TIMESTAMP WITH TIME ZONE,
    resumed_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    created_by UUID NOT NULL,
    error_log JSONB DEFAULT '[]',
    performance_summary JSONB DEFAULT '{}',
    project_id BIGINT,
    CONSTRAINT pk_eva_orchestration_sessions PRIMARY KEY (account_id, session_id),
    CONSTRAINT fk_eva_orchestration_sessions_project FOREIGN KEY(account_id, project_id)
        REFERENCES projects (account_id, id) ON DELETE SET NULL (project_id),
    CONSTRAINT fk_eva_orchestration_sessions_company FOREIGN KEY(account_id, company_id)
        REFERENCES accounts (id, uuid) ON DELETE RESTRICT,
    CONSTRAINT ck_eva_orchestration_sessions_session_status CHECK (session_status IN ('active',
        'paused', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_eva_orchestration_sessions_session_type CHECK (session_type IN
        ('venture_workflow', 'strategic_analysis', 'performance_review',
        'integration_coordination')),
    CONSTRAINT fk_eva_orchestration_sessions_account_id FOREIGN KEY(account_id) REFERENCES
        accounts (id) ON DELETE RESTRICT,
    CONSTRAINT fk_eva_orchestration_sessions_created_by FOREIGN KEY(created_by) REFERENCES users
        (uuid)
);
CREATE INDEX idx_eva_sessions_company ON eva_orchestration_sessions (account_id, company_id);
CREATE INDEX idx_eva_sessions_created ON eva_orchestration_sessions (account_id, created_at
    DESC, session_id DESC);
CREATE INDEX idx_eva_sessions_status ON eva_orchestration_sessions (account_id, session_status);
CREATE INDEX idx_eva_sessions_type ON eva_orchestration_sessions (account_id, session_type);
CREATE INDEX ix_eva_orchestration_sessions_project_id ON eva_orchestration_sessions (account_id,
    project_id);
CREATE TABLE orchestration_actions (
    account_id BIGINT NOT NULL,
    action_id UUID NOT NULL,
    session_id UUID NOT NULL,
    created_by UUID NOT NULL,
    event_type TEXT NOT NULL,
    action_name TEXT,
    payload JSONB DEFAULT '{}' NOT NULL,
    priority_level INTEGER DEFAULT 5 NOT NULL,
    assigned_agent_id UUID,
    status TEXT DEFAULT 'pending' NOT NULL,
    critical BOOLEAN DEFAULT false NOT NULL,
    result JSONB,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0 NOT NULL,
    max_retries INTEGER DEFAULT 3 NOT NULL,
    is_reversible BOOLEAN DEFAULT false NOT NULL,
    rollback_data JSONB,
    scheduled_for TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    rolled_back_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_orchestration_actions PRIMARY KEY (account_id, action_id),
    CONSTRAINT fk_orchestration_actions_session FOREIGN KEY(account_id, session_id) REFERENCES
        eva_orchestration_sessions (account_id, session_id) ON DELETE CASCADE,
    CONSTRAINT uq_orchestration_actions_account_id_session_id_action_id UNIQUE (account_id,
        session_id, action_id),
    CONSTRAINT ck_orchestration_actions_priority_level CHECK (priority_level BETWEEN 1 AND 10),
    CONSTRAINT ck_orchestration_actions_status CHECK (status IN ('pending', 'in_progress',
        'completed', 'failed', 'cancelled', 'rolled_back')),
    CONSTRAINT ck_orchestration_actions_retry_count CHECK (retry_count BETWEEN 0 AND max_retries),
    CONSTRAINT fk_orchestration_actions_account_id FOREIGN KEY(account_id) REFERENCES accounts
        (id) ON DELETE RESTRICT,
    CONSTRAINT fk_orchestration_actions_created_by FOREIGN KEY(created_by) REFERENCES users (uuid)
);
CREATE INDEX ix_orchestration_actions_pending ON orchestration_actions (account_id, session_id,
    priority_level DESC, created_at, action_id) WHERE status = 'pending';
CREATE TABLE orchestration_decisions (
    account_id BIGINT NOT NULL,
    decision_id UUID NOT NULL,
    session_id UUID NOT NULL,
    action_id UUID NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    requested_by UUID NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    decided_by UUID,
    decided_at TIMESTAMP WITH TIME ZONE,
    note TEXT,
    CONSTRAINT pk_orchestration_decisions PRIMARY KEY (account_id, decision_id),
    CONSTRAINT fk_orchestration_decisions_action FOREIGN KEY(account_id, session_id, action_id)
        REFERENCES orchestration_actions (account_id, session_id, action_id) ON DELETE CASCADE,
    CONSTRAINT uq_orchestration_decisions_account_id_session_id_action_id UNIQUE (account_id,
        session_id, action_id),
    CONSTRAINT ck_orchestration_decisions_status CHECK (status IN ('pending', 'approved',
        'rejected', 'withdrawn')),
    CONSTRAINT ck_orchestration_decisions_note CHECK (status <> 'rejected' OR note IS NOT NULL),
    CONSTRAINT ck_orchestration_decisions_four_eyes CHECK (decided_by <> requested_by),
    CONSTRAINT fk_orchestration_decisions_account_id FOREIGN KEY(account_id) REFERENCES accounts
        (id) ON DELETE RESTRICT,
    CONSTRAINT fk_orchestration_decisions_requested_by FOREIGN KEY(requested_by) REFERENCES
        users (uuid),
    CONSTRAINT fk_orchestration_decisions_decided_by FOREIGN KEY(decided_by) REFERENCES users
        (uuid)
);
CREATE INDEX ix_orchestration_decisions_status ON orchestration_decisions (account_id, status,
    requested_at, decision_id)
"""

# Parents first.
NAMES = ("eva_orchestration_sessions", "orchestration_actions", "orchestration_decisions")


def upgrade() -> None:
    execute_each(TABLES)
    for table in NAMES:
        secure(table)


def downgrade() -> None:
    for table in reversed(NAMES):
        op.execute(f"DROP TABLE {table}")
