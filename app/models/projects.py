"""Projects and their components."""

import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, QueryableAttribute, mapped_column

from app.errors import Conflict, Invalid, on_violation
from app.models.base import TenantOwned, identity, now_column


class Project(TenantOwned):
    __tablename__ = "projects"

    id: Mapped[int] = identity()
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    module_name: Mapped[str | None]
    code_repo: Mapped[str | None]
    docs_repo: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    status: Mapped[str] = mapped_column(server_default=text("'created'"))
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        UniqueConstraint("account_id", "slug"),
        CheckConstraint("status IN ('created', 'active', 'archived')", name="status"),
    )

    @classmethod
    def project_column(cls) -> QueryableAttribute[Any]:
        return cls.id


class Component(TenantOwned):
    __tablename__ = "components"

    id: Mapped[int] = identity()
    project_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    type: Mapped[str]
    module_name: Mapped[str]
    description: Mapped[str | None]
    priority: Mapped[int | None] = mapped_column(Integer)
    parent_component_id: Mapped[int | None]
    inserted_at: Mapped[datetime.datetime] = now_column()
    updated_at: Mapped[datetime.datetime] = now_column(on_update=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "project_id"],
            ["projects.account_id", "projects.id"],
            name="fk_components_project",
            ondelete="CASCADE",
        ),
        # The parent's key carries the project: a parent elsewhere cannot exist.
        ForeignKeyConstraint(
            ["account_id", "project_id", "parent_component_id"],
            ["components.account_id", "components.project_id", "components.id"],
            name="fk_components_parent",
            ondelete="SET NULL (parent_component_id)",
        ),
        UniqueConstraint("account_id", "project_id", "id"),
        UniqueConstraint("account_id", "project_id", "module_name"),
        CheckConstraint(
            "type IN ('genserver', 'context', 'coordination_context', 'schema', 'repository', "
            "'task', 'registry', 'behaviour', 'controller', 'other')",
            name="type",
        ),
        CheckConstraint("parent_component_id <> id", name="own_parent"),
        # Children of a component, and the SET NULL from their parent.
        Index("ix_components_parent", "account_id", "parent_component_id"),
    )

    @classmethod
    def project_column(cls) -> QueryableAttribute[Any]:
        return cls.project_id


on_violation(
    "uq_projects_account_id_slug",
    lambda: Conflict("Another project of this account has this slug.", code="slug_taken"),
)
on_violation(
    "uq_components_account_id_project_id_module_name",
    lambda: Conflict(
        "Another component of this project has this module_name.", code="module_name_taken"
    ),
)
on_violation(
    "fk_components_parent",
    lambda: Invalid.field("parent_component_id", "is not a component of the same project"),
)
