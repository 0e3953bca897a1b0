"""Users, accounts, memberships, tokens and preferences."""

import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.errors import Conflict, NotFound, on_violation
from app.models.base import Base, TenantOwned, identity, new_uuid, now_column


class User(Base):
    """A person or a machine identity. It belongs to no account, so its table has no row
    security."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[UUID] = mapped_column(default=new_uuid, unique=True)
    email: Mapped[str]
    name: Mapped[str | None]
    confirmed_at: Mapped[datetime.datetime | None]
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (Index("uq_users_lower_email", text("lower(email)"), unique=True),)


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    uuid: Mapped[UUID] = mapped_column(default=new_uuid)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str] = mapped_column(server_default=text("'team'"))
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        # Tables that name a company by its UUID refer to both columns, so that they always agree.
        UniqueConstraint("id", "uuid"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
        CheckConstraint("slug ~ '^[a-z0-9-]{3,50}$'", name="slug"),
        CheckConstraint("type IN ('personal', 'team')", name="type"),
    )


class Member(TenantOwned):
    __tablename__ = "members"

    id: Mapped[int] = identity()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    role: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("account_id", "user_id"),
        CheckConstraint("role IN ('owner', 'admin', 'editor', 'viewer')", name="role"),
        # "My accounts" looks a user up across accounts.
        Index("ix_members_user_id", "user_id"),
    )


class UserPreference(TenantOwned):
    __tablename__ = "user_preferences"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    active_project_id: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["members.account_id", "members.user_id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "active_project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_user_preferences_active_project",
            ondelete="SET NULL (active_project_id)",
        ),
    )


class ApiToken(TenantOwned):
    """Keeps only the SHA-256 of the secret. A token made for a project is deleted with it."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = identity()
    user_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    project_id: Mapped[int | None]
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]
    last_used_at: Mapped[datetime.datetime | None]
    inserted_at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["members.account_id", "members.user_id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_api_tokens_project",
            ondelete="CASCADE",
        ),
        CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0", name="scopes"
        ),
        # "My tokens", and the cascade from members.
        Index("ix_api_tokens_account_id_user_id", "account_id", "user_id"),
    )


on_violation(
    "uq_accounts_slug", lambda: Conflict("Another account has this slug.", code="slug_taken")
)
on_violation(
    "uq_members_account_id_user_id",
    lambda: Conflict("This user is a member already.", code="already_member"),
)
on_violation("fk_user_preferences_active_project", NotFound)
on_violation("fk_api_tokens_project", NotFound)
