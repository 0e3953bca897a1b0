"""Agent processes that are alive (claude_sessions), and the work items they hold."""

import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.errors import Conflict, Invalid, NotFound, on_violation
from app.models.base import JSONB, ProjectOwned, TenantOwned, identity, new_uuid, now_column

_TRACKS = "'A', 'B', 'C', 'STANDALONE'"
_NOW = text("now()")
DEFAULT_STALE_AFTER_SECONDS = 300


class Agent(ProjectOwned):
    """Has the seed's columns, nullable where the seed's are. `sd_id` is the key of the work item it
    holds, set exactly while it has a claim that is not released."""

    __tablename__ = "claude_sessions"

    id: Mapped[UUID] = mapped_column(
        primary_key=True, default=new_uuid, server_default=text("gen_random_uuid()")
    )
    session_id: Mapped[str]
    sd_id: Mapped[str | None]
    track: Mapped[str | None]
    tty: Mapped[str | None]
    pid: Mapped[int | None] = mapped_column(Integer)
    hostname: Mapped[str | None]
    codebase: Mapped[str | None]
    claimed_at: Mapped[datetime.datetime | None]
    heartbeat_at: Mapped[datetime.datetime] = mapped_column(nullable=True, server_default=_NOW)
    status: Mapped[str] = mapped_column(nullable=True, server_default=text("'active'"))
    # SQLAlchemy reserves the attribute `metadata`.
    metadata_: Mapped[dict[str, Any]] = mapped_column(
        "metadata", JSONB, key="metadata", nullable=True, server_default=text("'{}'")
    )
    created_at: Mapped[datetime.datetime] = mapped_column(nullable=True, server_default=_NOW)
    updated_at: Mapped[datetime.datetime] = mapped_column(
        nullable=True, server_default=_NOW, onupdate=text("clock_timestamp()")
    )

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_claude_sessions_project",
            ondelete="SET NULL (project_id)",
        ),
        ForeignKeyConstraint(
            ["account_id", "sd_id"],
            ["work_items.account_id", "work_items.key"],
            name="fk_claude_sessions_work_item",
            ondelete="RESTRICT",
        ),
        UniqueConstraint("account_id", "session_id"),
        CheckConstraint("status IN ('active', 'idle', 'stale', 'released')", name="status"),
        CheckConstraint(f"track IN ({_TRACKS})", name="track"),
        CheckConstraint("pid >= 0", name="pid"),
        # The seed's names, each with the tenant in front.
        Index("idx_claude_sessions_heartbeat", "account_id", text("heartbeat_at DESC")),
        Index(
            "idx_claude_sessions_sd",
            "account_id",
            "sd_id",
            postgresql_where=text("sd_id IS NOT NULL"),
        ),
        Index("idx_claude_sessions_status", "account_id", "status"),
        Index(
            "idx_claude_sessions_track",
            "account_id",
            "track",
            postgresql_where=text("track IS NOT NULL"),
        ),
        Index("idx_claude_sessions_tty_pid", "account_id", "tty", "pid"),
        # The keyset of the list, newest first.
        Index("ix_claude_sessions_created", "account_id", "created_at", "id"),
        # The SET NULL from its project, and lists of one project.
        Index("ix_claude_sessions_project_id", "account_id", "project_id"),
    )


class WorkItem(ProjectOwned):
    """`fencing_token` is the last one granted for it."""

    __tablename__ = "work_items"

    key: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    track: Mapped[str] = mapped_column(server_default=text("'STANDALONE'"))
    sequence_rank: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    is_ready: Mapped[bool] = mapped_column(server_default=text("true"))
    fencing_token: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_work_items_project",
            ondelete="SET NULL (project_id)",
        ),
        CheckConstraint("char_length(key) BETWEEN 1 AND 100", name="key"),
        CheckConstraint("status IN ('open', 'done', 'cancelled')", name="status"),
        CheckConstraint(f"track IN ({_TRACKS})", name="track"),
        # What can be claimed next.
        Index(
            "ix_work_items_open",
            "account_id",
            "track",
            "sequence_rank",
            "key",
            postgresql_where=text("status = 'open'"),
        ),
        # The SET NULL from its project, and lists of one project.
        Index("ix_work_items_project_id", "account_id", "project_id"),
    )


class Claim(TenantOwned):
    """One row per claim, kept for ever; live until `released_at`."""

    __tablename__ = "claims"

    id: Mapped[int] = identity()
    work_item: Mapped[str]
    session_id: Mapped[str]
    track: Mapped[str]
    claimed_at: Mapped[datetime.datetime] = now_column()
    released_at: Mapped[datetime.datetime | None]
    release_reason: Mapped[str | None]
    fencing_token: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "work_item"],
            ["work_items.account_id", "work_items.key"],
            name="fk_claims_work_item",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["claude_sessions.account_id", "claude_sessions.session_id"],
            name="fk_claims_agent",
            ondelete="RESTRICT",
        ),
        # The claims of one item, in order; a token is granted once.
        UniqueConstraint("account_id", "work_item", "fencing_token"),
        CheckConstraint(f"track IN ({_TRACKS})", name="track"),
        CheckConstraint(
            "release_reason IN ('completed', 'timeout', 'manual', 'conflict', 'session_ended', "
            "'takeover')",
            name="release_reason",
        ),
        CheckConstraint("(released_at IS NULL) = (release_reason IS NULL)", name="released"),
        # The guarantee: at most one live claim per item, and one per agent.
        Index(
            "uq_claims_live_work_item",
            "account_id",
            "work_item",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(
            "uq_claims_live_agent",
            "account_id",
            "session_id",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        # What one agent has claimed, newest first.
        Index("ix_claims_session_id", "account_id", "session_id", "id"),
    )


class WorkItemConflict(TenantOwned):
    """Two items that must not be worked on together; `work_item_a` sorts first, byte by byte."""

    __tablename__ = "work_item_conflicts"

    id: Mapped[int] = identity()
    work_item_a: Mapped[str]
    work_item_b: Mapped[str]
    conflict_type: Mapped[str]
    severity: Mapped[str]
    affected_areas: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    detected_at: Mapped[datetime.datetime] = now_column()
    resolved_at: Mapped[datetime.datetime | None]
    resolution_notes: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "work_item_a"],
            ["work_items.account_id", "work_items.key"],
            name="fk_work_item_conflicts_a",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "work_item_b"],
            ["work_items.account_id", "work_items.key"],
            name="fk_work_item_conflicts_b",
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "account_id",
            "work_item_a",
            "work_item_b",
            "conflict_type",
            name="uq_work_item_conflicts_pair_type",
        ),
        CheckConstraint('work_item_a COLLATE "C" < work_item_b COLLATE "C"', name="pair"),
        CheckConstraint(
            "conflict_type IN ('file_overlap', 'component_overlap', 'dependency_conflict', "
            "'resource_conflict')",
            name="conflict_type",
        ),
        CheckConstraint("severity IN ('blocking', 'warning', 'info')", name="severity"),
        # The other half of a pair; the unique key begins with the first.
        Index("ix_work_item_conflicts_b", "account_id", "work_item_b"),
    )


class FleetSettings(TenantOwned):
    """The settings an account has changed; without a row the defaults apply."""

    __tablename__ = "fleet_settings"

    stale_after_seconds: Mapped[int] = mapped_column(
        Integer, server_default=text(str(DEFAULT_STALE_AFTER_SECONDS))
    )

    __table_args__ = (CheckConstraint("stale_after_seconds > 0", name="positive"),)


on_violation("fk_claude_sessions_project", NotFound)
on_violation("fk_work_items_project", NotFound)
# The item was deleted while a row that refers to it was written.
on_violation("fk_claims_work_item", NotFound)
on_violation(
    "fk_work_item_conflicts_a", lambda: Invalid.field("work_item_a", "is not a visible work item")
)
on_violation(
    "fk_work_item_conflicts_b", lambda: Invalid.field("work_item_b", "is not a visible work item")
)
on_violation(
    "pk_work_items",
    lambda: Conflict("Another work item of this account has this key.", code="key_taken"),
)
on_violation(
    "uq_claims_live_work_item",
    lambda: Conflict("The work item has a claim that is not released.", code="already_claimed"),
)
