"""Multi-agent coordination (eva_orchestration_sessions), its actions and their approvals."""

import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.errors import NotFound, on_violation
from app.models.base import JSONB, ProjectOwned, TenantOwned, new_uuid, now_column


class Orchestration(ProjectOwned):
    """Has the seed's columns, nullable where the seed's are; the server never stores a null there.

    `company_id` is the account's UUID; the foreign key keeps the two in agreement.
    """

    __tablename__ = "eva_orchestration_sessions"

    session_id: Mapped[UUID] = mapped_column(
        primary_key=True, default=new_uuid, server_default=text("gen_random_uuid()")
    )
    company_id: Mapped[UUID]
    session_type: Mapped[str]
    session_status: Mapped[str] = mapped_column(server_default=text("'active'"))
    active_agents: Mapped[list[str]] = mapped_column(
        ARRAY(Text), nullable=True, server_default=text("ARRAY[]::text[]")
    )
    chairman_oversight: Mapped[bool] = mapped_column(
        Boolean, nullable=True, server_default=text("false")
    )
    orchestration_context: Mapped[dict[str, Any]] = mapped_column(
        JSONB, nullable=True, server_default=text("'{}'")
    )
    objective: Mapped[str | None]
    created_at: Mapped[datetime.datetime] = mapped_column(
        nullable=True, server_default=text("now()")
    )
    started_at: Mapped[datetime.datetime | None]
    paused_at: Mapped[datetime.datetime | None]
    resumed_at: Mapped[datetime.datetime | None]
    completed_at: Mapped[datetime.datetime | None]
    failed_at: Mapped[datetime.datetime | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.uuid"))
    error_log: Mapped[list[Any]] = mapped_column(JSONB, nullable=True, server_default=text("'[]'"))
    performance_summary: Mapped[dict[str, Any]] = mapped_column(
        JSONB, nullable=True, server_default=text("'{}'")
    )

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_eva_orchestration_sessions_project",
            ondelete="SET NULL (project_id)",
        ),
        ForeignKeyConstraint(
            ["account_id", "company_id"],
            ["accounts.id", "accounts.uuid"],
            name="fk_eva_orchestration_sessions_company",
            ondelete="RESTRICT",
        ),
        CheckConstraint(
            "session_status IN ('active', 'paused', 'completed', 'failed', 'cancelled')",
            name="session_status",
        ),
        CheckConstraint(
            "session_type IN ('venture_workflow', 'strategic_analysis', 'performance_review', "
            "'integration_coordination')",
            name="session_type",
        ),
        # The seed's names, each with the tenant in front.
        Index("idx_eva_sessions_company", "account_id", "company_id"),
        # Also the keyset of the list, newest first.
        Index(
            "idx_eva_sessions_created",
            "account_id",
            text("created_at DESC"),
            text("session_id DESC"),
        ),
        Index("idx_eva_sessions_status", "account_id", "session_status"),
        Index("idx_eva_sessions_type", "account_id", "session_type"),
        # The SET NULL from its project, and lists of one project.
        Index("ix_eva_orchestration_sessions_project_id", "account_id", "project_id"),
    )


class OrchestrationAction(TenantOwned):
    """`created_by` is the user who may not approve it."""

    __tablename__ = "orchestration_actions"

    action_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_uuid)
    session_id: Mapped[UUID]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.uuid"))
    event_type: Mapped[str]
    action_name: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    priority_level: Mapped[int] = mapped_column(Integer, server_default=text("5"))
    assigned_agent_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    critical: Mapped[bool] = mapped_column(server_default=text("false"))
    result: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    error_message: Mapped[str | None]
    retry_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_retries: Mapped[int] = mapped_column(Integer, server_default=text("3"))
    is_reversible: Mapped[bool] = mapped_column(server_default=text("false"))
    rollback_data: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    scheduled_for: Mapped[datetime.datetime | None]
    created_at: Mapped[datetime.datetime] = now_column()
    started_at: Mapped[datetime.datetime | None]
    completed_at: Mapped[datetime.datetime | None]
    failed_at: Mapped[datetime.datetime | None]
    cancelled_at: Mapped[datetime.datetime | None]
    rolled_back_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["eva_orchestration_sessions.account_id", "eva_orchestration_sessions.session_id"],
            name="fk_orchestration_actions_session",
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "session_id", "action_id"),
        CheckConstraint("priority_level BETWEEN 1 AND 10", name="priority_level"),
        CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled', "
            "'rolled_back')",
            name="status",
        ),
        CheckConstraint("retry_count BETWEEN 0 AND max_retries", name="retry_count"),
        # Claiming the next one: highest priority, then oldest.
        Index(
            "ix_orchestration_actions_pending",
            "account_id",
            "session_id",
            text("priority_level DESC"),
            "created_at",
            "action_id",
            postgresql_where=text("status = 'pending'"),
        ),
    )


class OrchestrationDecision(TenantOwned):
    """One per critical action under oversight; withdrawn when the action is cancelled first."""

    __tablename__ = "orchestration_decisions"

    decision_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_uuid)
    session_id: Mapped[UUID]
    action_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.uuid"))
    requested_at: Mapped[datetime.datetime] = now_column()
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.uuid"))
    decided_at: Mapped[datetime.datetime | None]
    note: Mapped[str | None]

    action: Mapped[OrchestrationAction] = relationship(lazy="raise", viewonly=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "session_id", "action_id"],
            [
                "orchestration_actions.account_id",
                "orchestration_actions.session_id",
                "orchestration_actions.action_id",
            ],
            name="fk_orchestration_decisions_action",
            ondelete="CASCADE",
        ),
        UniqueConstraint("account_id", "session_id", "action_id"),
        CheckConstraint(
            "status IN ('pending', 'approved', 'rejected', 'withdrawn')", name="status"
        ),
        CheckConstraint("status <> 'rejected' OR note IS NOT NULL", name="note"),
        CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        # An approver's inbox.
        Index(
            "ix_orchestration_decisions_status",
            "account_id",
            "status",
            "requested_at",
            "decision_id",
        ),
    )


on_violation("fk_eva_orchestration_sessions_project", NotFound)
