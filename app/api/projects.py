from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import projects
from app.contexts.projects import ComponentFilter
from app.http.dependencies import CurrentScope, OpenDb, query_filters
from app.http.routing import Cursor, Limit, OptionalId, created, route
from app.paging import PageRequest
from app.schemas.base import Page
from app.schemas.projects import (
    ComponentCreate,
    ComponentOut,
    ComponentType,
    ComponentUpdate,
    ProjectCreate,
    ProjectOut,
    ProjectStatus,
    ProjectUpdate,
)
from app.schemas.rendering import rendered, rendered_page


@route("GET", "/api/projects", reach="project", tag="projects")
async def list_projects(
    current_scope: CurrentScope,
    db: OpenDb,
    status: FromQuery[ProjectStatus | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProjectOut]:
    page = await projects.list_projects(
        current_scope, db, PageRequest(limit, cursor), status=status
    )
    return rendered_page(page, ProjectOut)


@route("POST", "/api/projects", 201, reach="account", tag="projects")
async def create_project(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[ProjectCreate]
) -> Response[ProjectOut]:
    project = await projects.create_project(current_scope, db, data)
    return created(rendered(project, ProjectOut), f"/api/projects/{project.id}")


@route("GET", "/api/projects/{project_id:int}", reach="project", tag="projects")
async def get_project(
    current_scope: CurrentScope, db: OpenDb, project_id: FromPath[int]
) -> ProjectOut:
    return rendered(await projects.get_project(current_scope, db, project_id), ProjectOut)


@route("PATCH", "/api/projects/{project_id:int}", reach="project", tag="projects", also=[409])
async def update_project(
    current_scope: CurrentScope,
    db: OpenDb,
    project_id: FromPath[int],
    data: JSONBody[ProjectUpdate],
) -> ProjectOut:
    project = await projects.update_project(current_scope, db, project_id, data)
    return rendered(project, ProjectOut)


@route("DELETE", "/api/projects/{project_id:int}", 204, reach="project", tag="projects")
async def delete_project(
    current_scope: CurrentScope, db: OpenDb, project_id: FromPath[int]
) -> None:
    await projects.delete_project(current_scope, db, project_id)


_FILTERS = query_filters(
    ComponentFilter,
    project_id=OptionalId,
    type=ComponentType | None,
    parent_component_id=OptionalId,
)


@route("GET", "/api/components", reach="project", tag="components", dependencies=_FILTERS)
async def list_components(
    current_scope: CurrentScope,
    db: OpenDb,
    filters: NamedDependency[ComponentFilter],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ComponentOut]:
    page = await projects.list_components(current_scope, db, PageRequest(limit, cursor), filters)
    return rendered_page(page, ComponentOut)


@route("POST", "/api/components", 201, reach="project", tag="components")
async def create_component(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[ComponentCreate]
) -> Response[ComponentOut]:
    component = await projects.create_component(current_scope, db, data)
    return created(rendered(component, ComponentOut), f"/api/components/{component.id}")


@route("GET", "/api/components/{component_id:int}", reach="project", tag="components")
async def get_component(
    current_scope: CurrentScope, db: OpenDb, component_id: FromPath[int]
) -> ComponentOut:
    return rendered(await projects.get_component(current_scope, db, component_id), ComponentOut)


@route("PATCH", "/api/components/{component_id:int}", reach="project", tag="components", also=[409])
async def update_component(
    current_scope: CurrentScope,
    db: OpenDb,
    component_id: FromPath[int],
    data: JSONBody[ComponentUpdate],
) -> ComponentOut:
    component = await projects.update_component(current_scope, db, component_id, data)
    return rendered(component, ComponentOut)


@route("DELETE", "/api/components/{component_id:int}", 204, reach="project", tag="components")
async def delete_component(
    current_scope: CurrentScope, db: OpenDb, component_id: FromPath[int]
) -> None:
    await projects.delete_component(current_scope, db, component_id)
