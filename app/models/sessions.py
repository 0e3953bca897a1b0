"""Development sessions and the pages of their history."""

import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.errors import Conflict, Invalid, NotFound, on_violation
from app.models.base import (
    JSONB,
    ProjectOwned,
    TenantOwned,
    account_of_parent,
    identity,
    now_column,
)


class Session(ProjectOwned):
    """`interactions` embeds only the newest ones; `history` reads and writes them all."""

    __tablename__ = "sessions"

    id: Mapped[int] = identity()
    component_id: Mapped[int | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    parent_session_id: Mapped[int | None]
    type: Mapped[str]
    agent: Mapped[str | None]
    client: Mapped[str | None]
    environment: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    state: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    title: Mapped[str | None]
    external_id: Mapped[str | None]
    needs_input: Mapped[dict[str, Any] | None]
    interactions: Mapped[list[Any]] = mapped_column(
        JSONB, server_default=text("'[]'"), deferred=True
    )
    interaction_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    sealed_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    tail_bytes: Mapped[int] = mapped_column(server_default=text("0"))
    last_interaction: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    ended_at: Mapped[datetime.datetime | None]
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_sessions_project",
            ondelete="SET NULL (project_id)",
        ),
        ForeignKeyConstraint(
            ["account_id", "component_id"],
            ["components.account_id", "components.id"],
            name="fk_sessions_component",
            ondelete="SET NULL (component_id)",
        ),
        ForeignKeyConstraint(
            ["account_id", "parent_session_id"],
            ["sessions.account_id", "sessions.id"],
            name="fk_sessions_parent",
            ondelete="SET NULL (parent_session_id)",
        ),
        UniqueConstraint("account_id", "external_id"),
        CheckConstraint("status IN ('active', 'complete', 'failed')", name="status"),
        CheckConstraint("agent IN ('claude_code')", name="agent"),
        CheckConstraint("environment IN ('local', 'vscode')", name="environment"),
        # An index on account_id alone would repeat the head of the primary key.
        Index("ix_sessions_project_id", "account_id", "project_id"),
        Index("ix_sessions_component_id", "account_id", "component_id"),
        Index("ix_sessions_account_id_status", "account_id", "status"),
        # The SET NULL that deleting a parent causes.
        Index(
            "ix_sessions_parent_session_id",
            "account_id",
            "parent_session_id",
            postgresql_where=text("parent_session_id IS NOT NULL"),
        ),
        # The keyset of the list, newest first.
        Index("ix_sessions_account_id_updated_at", "account_id", "updated_at", "id"),
    )


class InteractionPage(TenantOwned):
    """A sealed page of interactions, which only a late result rewrites."""

    __tablename__ = "interaction_pages"

    account_id: Mapped[int] = account_of_parent()
    session_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    first_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    interactions: Mapped[list[Any]] = mapped_column(JSONB)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["sessions.account_id", "sessions.id"],
            name="fk_interaction_pages_session",
            ondelete="CASCADE",
        ),
    )


class InteractionKey(TenantOwned):
    """Finds a sealed interaction by its id."""

    __tablename__ = "interaction_keys"

    account_id: Mapped[int] = account_of_parent()
    session_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["sessions.account_id", "sessions.id"],
            name="fk_interaction_keys_session",
            ondelete="CASCADE",
        ),
    )


on_violation(
    "uq_sessions_account_id_external_id",
    lambda: Conflict("Another session has this external_id.", code="external_id_taken"),
)
on_violation("fk_sessions_project", NotFound)
on_violation(
    "fk_sessions_component", lambda: Invalid.field("component_id", "is not a visible component")
)
on_violation(
    "fk_sessions_parent", lambda: Invalid.field("parent_session_id", "is not a visible session")
)
