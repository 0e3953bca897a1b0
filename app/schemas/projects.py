from typing import Any, Literal

from msgspec import UNSET, UnsetType

from app.schemas.base import Input, Instant, Integer, Name, Output, RowId, Slug, Text

ProjectStatus = Literal["created", "active", "archived"]
ComponentType = Literal[
    "genserver",
    "context",
    "coordination_context",
    "schema",
    "repository",
    "task",
    "registry",
    "behaviour",
    "controller",
    "other",
]


class ProjectCreate(Input):
    name: Name
    slug: Slug
    description: Text | None = None
    module_name: Name | None = None
    code_repo: Name | None = None
    docs_repo: Name | None = None
    settings: dict[str, Any] = {}
    status: ProjectStatus = "created"


class ProjectUpdate(Input):
    name: Name | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    module_name: Name | UnsetType | None = UNSET
    code_repo: Name | UnsetType | None = UNSET
    docs_repo: Name | UnsetType | None = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    status: ProjectStatus | UnsetType = UNSET


class ProjectOut(Output):
    id: int
    name: str
    slug: str
    description: str | None
    module_name: str | None
    code_repo: str | None
    docs_repo: str | None
    settings: dict[str, Any]
    status: ProjectStatus
    inserted_at: Instant
    updated_at: Instant


class ComponentCreate(Input):
    name: Name
    module_name: Name
    type: ComponentType = "other"
    project_id: RowId | None = None
    description: Text | None = None
    priority: Integer | None = None
    parent_component_id: RowId | None = None


class ComponentUpdate(Input):
    name: Name | UnsetType = UNSET
    module_name: Name | UnsetType = UNSET
    type: ComponentType | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    priority: Integer | UnsetType | None = UNSET
    parent_component_id: RowId | UnsetType | None = UNSET


class ComponentOut(Output):
    id: int
    project_id: int
    name: str
    type: ComponentType
    module_name: str
    description: str | None
    priority: int | None
    parent_component_id: int | None
    inserted_at: Instant
    updated_at: Instant
