from litestar import Response
from litestar.params import FromPath, FromQuery, JSONBody

from app.contexts import runs
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, created, location, route
from app.paging import PageRequest
from app.schemas.base import Move, Page
from app.schemas.rendering import rendered, rendered_page
from app.schemas.runs import (
    DeviceCreate,
    DeviceOut,
    DeviceUpdate,
    NatureCreate,
    NatureOut,
    NatureUpdate,
)


@route("GET", "/api/devices", reach="project", tag="runs")
async def list_devices(
    current_scope: CurrentScope,
    db: OpenDb,
    name: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeviceOut]:
    page = await runs.list_devices(current_scope, db, PageRequest(limit, cursor), name=name)
    return rendered_page(page, DeviceOut)


@route("POST", "/api/devices", 201, reach="project", tag="runs")
async def create_device(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[DeviceCreate]
) -> Response[DeviceOut]:
    device = await runs.create_device(current_scope, db, data)
    return created(rendered(device, DeviceOut), location("/api/devices", device.device_id))


@route("GET", "/api/devices/{device_id:str}", reach="project", tag="runs")
async def get_device(
    current_scope: CurrentScope, db: OpenDb, device_id: FromPath[str]
) -> DeviceOut:
    return rendered(await runs.get_device(current_scope, db, device_id), DeviceOut)


@route("PATCH", "/api/devices/{device_id:str}", reach="project", tag="runs", also=[409])
async def update_device(
    current_scope: CurrentScope, db: OpenDb, device_id: FromPath[str], data: JSONBody[DeviceUpdate]
) -> DeviceOut:
    return rendered(await runs.update_device(current_scope, db, device_id, data), DeviceOut)


@route("DELETE", "/api/devices/{device_id:str}", 204, reach="project", tag="runs", also=[409])
async def delete_device(current_scope: CurrentScope, db: OpenDb, device_id: FromPath[str]) -> None:
    """409 `device_in_use` while a run refers to it."""
    await runs.delete_device(current_scope, db, device_id)


@route("POST", "/api/devices/{device_id:str}/move", reach="project", tag="runs")
async def move_device(
    current_scope: CurrentScope, db: OpenDb, device_id: FromPath[str], data: JSONBody[Move]
) -> DeviceOut:
    device = await runs.move_device(current_scope, db, device_id, data.project_id)
    return rendered(device, DeviceOut)


@route("GET", "/api/natures", reach="project", tag="runs")
async def list_natures(
    current_scope: CurrentScope, db: OpenDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[NatureOut]:
    """Lists natures in the order of their ids."""
    page = await runs.list_natures(current_scope, db, PageRequest(limit, cursor))
    return rendered_page(page, NatureOut)


@route("POST", "/api/natures", 201, reach="account", tag="runs")
async def create_nature(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[NatureCreate]
) -> Response[NatureOut]:
    nature = await runs.create_nature(current_scope, db, data)
    where = location("/api/natures", nature.orchestration_nature_id)
    return created(rendered(nature, NatureOut), where)


@route("GET", "/api/natures/{nature_id:str}", reach="project", tag="runs")
async def get_nature(
    current_scope: CurrentScope, db: OpenDb, nature_id: FromPath[str]
) -> NatureOut:
    return rendered(await runs.get_nature(current_scope, db, nature_id), NatureOut)


@route("PATCH", "/api/natures/{nature_id:str}", reach="account", tag="runs")
async def update_nature(
    current_scope: CurrentScope, db: OpenDb, nature_id: FromPath[str], data: JSONBody[NatureUpdate]
) -> NatureOut:
    return rendered(await runs.update_nature(current_scope, db, nature_id, data), NatureOut)


@route("DELETE", "/api/natures/{nature_id:str}", 204, reach="account", tag="runs", also=[409])
async def delete_nature(current_scope: CurrentScope, db: OpenDb, nature_id: FromPath[str]) -> None:
    """409 `nature_in_use` while a run refers to it."""
    await runs.delete_nature(current_scope, db, nature_id)
