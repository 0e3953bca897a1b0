"""Long-running agents that survive restarts: their registry and three logs.

The seed's descending indexes are plain ones here, since a B-tree is read in both directions. Two of
its sixteen repeat a key and are left out: (instance_id), the primary key of the registry, and
(instance_id, sequence_num), the unique key of the events.
"""

import datetime
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.errors import Conflict, NotFound, on_violation
from app.models.base import ProjectOwned, TenantOwned, identity, new_uuid, now_column
from app.schemas.continuity import EventType

_EMPTY = text("'{}'")
_ZERO = text("0")


def _of_instance(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", "instance_id"],
        ["supervisor_sessions.account_id", "supervisor_sessions.instance_id"],
        name=f"fk_{table}_instance",
        ondelete="CASCADE",
    )


class SupervisorSession(ProjectOwned):
    """`event_count` and `checkpoint_count` are also the last sequence numbers assigned. Retention
    may delete rows, but a number is never assigned twice."""

    __tablename__ = "supervisor_sessions"

    instance_id: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str]
    instance_type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    context_percent: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    current_epic: Mapped[str | None]
    host_machine: Mapped[str | None]
    external_id: Mapped[str | None]
    event_count: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    checkpoint_count: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    last_heartbeat: Mapped[datetime.datetime] = now_column()
    heartbeat_event_at: Mapped[datetime.datetime | None]
    created_at: Mapped[datetime.datetime] = now_column()
    closed_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_supervisor_sessions_project",
            ondelete="SET NULL (project_id)",
        ),
        CheckConstraint(
            "instance_id ~ '^[a-z0-9-]+-(PS|MS)-[a-z0-9]{6}$' "
            "AND char_length(instance_id) <= 100 "
            "AND substr(instance_id, char_length(instance_id) - 8, 2) = instance_type",
            name="instance_id",
        ),
        CheckConstraint("char_length(project) BETWEEN 1 AND 64", name="project"),
        CheckConstraint("instance_type IN ('PS', 'MS')", name="instance_type"),
        CheckConstraint("status IN ('active', 'stale', 'closed')", name="status"),
        CheckConstraint("context_percent BETWEEN 0 AND 100", name="context_percent"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        Index(
            "ix_supervisor_sessions_project_heartbeat", "account_id", "project", "last_heartbeat"
        ),
        Index("ix_supervisor_sessions_heartbeat", "account_id", "last_heartbeat"),
        Index("ix_supervisor_sessions_project_status", "account_id", "project", "status"),
        # The SET NULL that deleting a project causes, and the lists of one project.
        Index("ix_supervisor_sessions_project_id", "account_id", "project_id"),
        # The keyset of the list, newest first.
        Index("ix_supervisor_sessions_created", "account_id", "created_at", "instance_id"),
        # What retention looks for.
        Index(
            "ix_supervisor_sessions_closed",
            "account_id",
            "closed_at",
            postgresql_where=text("closed_at IS NOT NULL"),
        ),
    )


class LoggedCommand(TenantOwned):
    __tablename__ = "command_log"

    id: Mapped[int] = identity()
    instance_id: Mapped[str]
    command_type: Mapped[str]
    action: Mapped[str]
    tool_name: Mapped[str | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    result: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    success: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    execution_time_ms: Mapped[int | None] = mapped_column(BigInteger)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_EMPTY)
    context_data: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    source: Mapped[str] = mapped_column(server_default=text("'auto'"))
    created_at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (
        _of_instance("command_log"),
        CheckConstraint("execution_time_ms >= 0", name="execution_time_ms"),
        CheckConstraint("source IN ('auto', 'explicit')", name="source"),
        Index("ix_command_log_instance_created", "account_id", "instance_id", "created_at", "id"),
        # The search across instances, newest first.
        Index("ix_command_log_created", "account_id", "created_at", "id"),
    )


class StoredEvent(TenantOwned):
    """Never changes: PostgreSQL refuses an UPDATE, and allows a DELETE only to retention and to the
    cascade."""

    __tablename__ = "event_store"

    event_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_uuid)
    instance_id: Mapped[str]
    event_type: Mapped[str]
    sequence_num: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[datetime.datetime] = now_column()
    created_at: Mapped[datetime.datetime] = now_column()
    event_data: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    # Every SQLAlchemy model already has an attribute `metadata`.
    event_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=_EMPTY)

    __table_args__ = (
        _of_instance("event_store"),
        UniqueConstraint("account_id", "instance_id", "sequence_num"),
        CheckConstraint("sequence_num > 0", name="sequence_num"),
        CheckConstraint(
            f"event_type IN ({', '.join(map(repr, get_args(EventType)))})", name="event_type"
        ),
        Index("ix_event_store_instance_created", "account_id", "instance_id", "created_at"),
        Index("ix_event_store_timestamp", "account_id", "timestamp", "event_id"),
        Index("ix_event_store_type_timestamp", "account_id", "event_type", "timestamp", "event_id"),
        # The timeline of one instance.
        Index(
            "ix_event_store_instance_timestamp",
            "account_id",
            "instance_id",
            "timestamp",
            "sequence_num",
        ),
    )


class Checkpoint(TenantOwned):
    """Never changes, like an event. `replay_state` is the fold of all events up to
    `event_sequence`, from which a replay starts."""

    __tablename__ = "checkpoints"

    checkpoint_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_uuid)
    instance_id: Mapped[str]
    checkpoint_type: Mapped[str]
    sequence_num: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[datetime.datetime] = now_column()
    context_window_percent: Mapped[int] = mapped_column(Integer)
    work_state: Mapped[dict[str, Any]] = mapped_column(server_default=_EMPTY)
    checkpoint_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=_EMPTY)
    event_sequence: Mapped[int] = mapped_column(BigInteger)
    replay_state: Mapped[dict[str, Any]]
    created_at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (
        _of_instance("checkpoints"),
        UniqueConstraint("account_id", "instance_id", "sequence_num"),
        CheckConstraint("sequence_num > 0", name="sequence_num"),
        CheckConstraint(
            "checkpoint_type IN ('manual', 'automatic', 'context_window', 'epic_completion')",
            name="checkpoint_type",
        ),
        CheckConstraint("context_window_percent BETWEEN 0 AND 100", name="context_window_percent"),
        Index(
            "ix_checkpoints_instance_timestamp",
            "account_id",
            "instance_id",
            "timestamp",
            "sequence_num",
        ),
        Index(
            "ix_checkpoints_type_created",
            "account_id",
            "checkpoint_type",
            "created_at",
            "checkpoint_id",
        ),
        # The list across instances, newest first.
        Index("ix_checkpoints_created", "account_id", "created_at", "checkpoint_id"),
    )


class ContinuitySettings(TenantOwned):
    """The settings an account has changed; without a row the defaults apply."""

    __tablename__ = "continuity_settings"

    stale_minutes: Mapped[int] = mapped_column(Integer, server_default=text("30"))
    session_days: Mapped[int] = mapped_column(Integer, server_default=text("90"))
    command_days: Mapped[int] = mapped_column(Integer, server_default=text("90"))
    event_days: Mapped[int] = mapped_column(Integer, server_default=text("90"))
    checkpoint_days: Mapped[int] = mapped_column(Integer, server_default=text("30"))
    checkpoint_on_epic_completed: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false")
    )

    __table_args__ = (
        CheckConstraint(
            "stale_minutes > 0 AND session_days > 0 AND command_days > 0 AND event_days > 0 "
            "AND checkpoint_days > 0",
            name="positive",
        ),
    )


on_violation("fk_supervisor_sessions_project", NotFound)
# The instance was deleted while one of its logs was written.
for _table in ("command_log", "event_store", "checkpoints"):
    on_violation(f"fk_{_table}_instance", NotFound)
on_violation(
    "pk_supervisor_sessions",
    lambda: Conflict("Another instance has this instance_id.", code="instance_exists"),
)
