"""Projects and the components they are made of."""

from typing import Any

import msgspec

from app import feed
from app.contexts import accounts, continuity, fleet, orchestrations, runs, sessions
from app.db import Db
from app.errors import Invalid
from app.models import Component, Project
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import Page, given
from app.schemas.projects import ComponentCreate, ComponentUpdate, ProjectCreate, ProjectUpdate
from app.schemas.toolchain import toolchain_of
from app.scope import Scope, locked, one, require_visible, saved


class ComponentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list."""

    project_id: int | None = None
    type: str | None = None
    parent_component_id: int | None = None


async def list_projects(
    scope: Scope, db: Db, request: PageRequest, *, status: str | None = None
) -> Page[Project]:
    """Lists all projects of the account, whichever is active: a client must see the others to
    switch to them."""
    statement = scope.select(Project)
    if status is not None:
        statement = statement.where(Project.status == status)
    return await fetch_page(db, statement, [Project.id], request)


async def get_project(scope: Scope, db: Db, project_id: int) -> Project:
    return await one(db, scope.select(Project).where(Project.id == project_id))


async def create_project(scope: Scope, db: Db, data: ProjectCreate) -> Project:
    """Raises Conflict `slug_taken`, Invalid for a toolchain in the settings that cannot be used."""
    scope.require_write()
    toolchain_of(data.settings)
    scope.require_whole_account()
    project = scope.build(Project, **msgspec.structs.asdict(data))
    db.session.add(project)
    await db.session.flush()  # its id goes into the feed
    feed.record(scope, db, "project.created", project.id, project_id=project.id)
    return project


async def update_project(scope: Scope, db: Db, project_id: int, data: ProjectUpdate) -> Project:
    """Replaces `settings` as a whole. Raises Invalid for a toolchain in them that cannot be
    used."""
    scope.require_write()
    if isinstance(data.settings, dict):
        toolchain_of(data.settings)
    project = await locked(db, scope.select(Project).where(Project.id == project_id))
    await _apply_changes(db, project, given(data))
    feed.record(scope, db, "project.updated", project.id, project_id=project.id)
    return project


async def delete_project(scope: Scope, db: Db, project_id: int) -> None:
    """Deletes its components and the tokens made for it too. Its work stays, without a project."""
    project = await locked(db, scope.select(Project).where(Project.id == project_id))
    scope.require_admin()
    # Agents, work items, sessions: the order in which hooks and claims lock them.
    await fleet.detach_agents(scope, db, project_id)
    await fleet.detach_work_items(scope, db, project_id)
    await runs.detach_devices(scope, db, project_id)
    await orchestrations.detach_orchestrations(scope, db, project_id)
    await runs.detach_runs(scope, db, project_id)
    await continuity.detach_instances(scope, db, project_id)
    await sessions.detach_project(scope, db, project_id)
    components = scope.delete(Component).where(Component.project_id == project_id)
    for component in await db.session.scalars(components.returning(Component)):
        _record_component(scope, db, component, "deleted")
    await accounts.delete_project_tokens(scope, db, project_id)
    await db.session.delete(project)
    feed.record(scope, db, "project.deleted", project_id, project_id=project_id)


async def list_components(
    scope: Scope, db: Db, request: PageRequest, filters: ComponentFilter
) -> Page[Component]:
    """The active project narrows the list unless the filter names one."""
    statement = (scope.select_listed if filters.project_id is None else scope.select)(Component)
    statement = filtered(
        statement,
        filters,
        project_id=Component.project_id,
        type=Component.type,
        parent_component_id=Component.parent_component_id,
    )
    return await fetch_page(db, statement, [Component.id], request)


async def get_component(scope: Scope, db: Db, component_id: int) -> Component:
    return await one(db, scope.select(Component).where(Component.id == component_id))


async def create_component(scope: Scope, db: Db, data: ComponentCreate) -> Component:
    """Raises Conflict `module_name_taken`, Invalid for a project or parent that is not visible."""
    scope.require_write()
    fields = msgspec.structs.asdict(data)
    fields["project_id"] = await _component_project(scope, db, data.project_id)
    if data.parent_component_id is not None:
        await _find_parent(scope, db, fields["project_id"], data.parent_component_id)
    component = scope.build(Component, **fields)
    db.session.add(component)
    await db.session.flush()  # its id goes into the feed
    _record_component(scope, db, component, "created")
    return component


async def update_component(
    scope: Scope, db: Db, component_id: int, data: ComponentUpdate
) -> Component:
    """Raises Invalid when the new parent is the component itself or one of its descendants."""
    scope.require_write()
    component = await _locked_component(scope, db, component_id)
    if isinstance(data.parent_component_id, int):
        await _refuse_circle(scope, db, component, data.parent_component_id)
    await _apply_changes(db, component, given(data))
    _record_component(scope, db, component, "updated")
    return component


async def delete_component(scope: Scope, db: Db, component_id: int) -> None:
    """Its sessions and child components stay, without it."""
    component = await _locked_component(scope, db, component_id)
    scope.require_admin()
    await sessions.detach_component(scope, db, component_id)
    await db.session.execute(
        scope.update(Component)
        .where(Component.parent_component_id == component_id)
        .values(parent_component_id=None)
    )
    await db.session.delete(component)
    _record_component(scope, db, component, "deleted")


async def _locked_component(scope: Scope, db: Db, component_id: int) -> Component:
    """Locks its project first, in the order in which deleting the project does."""
    statement = scope.select(Component).where(Component.id == component_id)
    of_project = statement.with_only_columns(Component.project_id).scalar_subquery()
    project = scope.select(Project).where(Project.id == of_project)
    await db.session.execute(project.with_for_update(key_share=True))
    return await locked(db, statement)


async def _apply_changes(db: Db, row: Project | Component, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(row, name, value)
    await saved(db, row)


async def _component_project(scope: Scope, db: Db, project_id: int | None) -> int:
    if project_id is None:
        if scope.project_id is None:
            raise Invalid.field("project_id", "is required, since no project is active")
        return scope.project_id
    if scope.project_id not in {None, project_id}:
        raise Invalid.field("project_id", "is not the project of this request")
    await require_visible(scope, db, Project, project_id, "project_id")
    return project_id


async def _find_parent(scope: Scope, db: Db, project_id: int, parent_id: int) -> Component:
    parent = await db.session.scalar(
        scope.select(Component).where(Component.id == parent_id, Component.project_id == project_id)
    )
    if parent is None:
        raise Invalid.field("parent_component_id", "is not a component of the same project")
    return parent


async def _refuse_circle(scope: Scope, db: Db, component: Component, parent_id: int) -> None:
    """Walks up from the new parent. The lock of the project keeps two concurrent moves from closing
    a circle together."""
    ancestor: int | None = parent_id
    while ancestor is not None:
        if ancestor == component.id:
            raise Invalid.field("parent_component_id", "would make the component its own ancestor")
        found = await _find_parent(scope, db, component.project_id, ancestor)
        ancestor = found.parent_component_id


def _record_component(scope: Scope, db: Db, component: Component, event: str) -> None:
    name = f"component.{event}"
    feed.record(scope, db, name, component.id, project_id=component.project_id)
