"""The devices that jobs run on, and the natures of those jobs."""

from typing import Any

import msgspec
from sqlalchemy import Select, null
from sqlalchemy.exc import IntegrityError

from app import feed
from app.cleaning import clean
from app.contexts.runs.keys import refuse_taken_key
from app.db import Db
from app.errors import Invalid, from_violation
from app.models import Device, OrchestrationNature, Project
from app.models.base import new_uuid
from app.models.runs import KNOWN_NATURES
from app.paging import PageRequest, fetch_page
from app.schemas.base import Page, given
from app.schemas.runs import DeviceCreate, DeviceUpdate, NatureCreate, NatureUpdate
from app.scope import Scope, locked, one, require_visible, saved, update_all

# A B-tree entry holds 2,704 bytes; a number takes up to six times its digits in jsonb.
_MAX_KEY_BYTES = 2500
_JSONB_GROWTH = 6


async def list_devices(
    scope: Scope, db: Db, request: PageRequest, *, name: str | None = None
) -> Page[Device]:
    """Lists devices, newest first."""
    statement = scope.select_listed(Device)
    if name is not None:
        statement = statement.where(Device.name == name)
    return await fetch_page(db, statement, [Device.inserted_at, Device.device_id], request)


async def get_device(scope: Scope, db: Db, device_id: str) -> Device:
    return await one(db, scope.select(Device).where(Device.device_id == device_id))


async def create_device(scope: Scope, db: Db, data: DeviceCreate) -> Device:
    """Raises Conflict `id_taken`, `key_in_other_project`, or `device_exists` for another device of
    the same name, state and boundary."""
    scope.require_write()
    fields = {
        **msgspec.structs.asdict(data),
        "device_id": data.device_id or str(new_uuid()),
        "state": clean(data.state),
        "segmentation": clean(data.segmentation),
        "state_sysinfo": clean(data.state_sysinfo),
        "elaboration": clean(data.elaboration),
    }
    _require_indexable(fields["state"], data.name, data.boundary)
    for name in ("state", "boundary"):
        # The ORM would take None for "not given" and apply the column's default.
        fields[name] = null() if fields[name] is None else fields[name]
    device = scope.build(Device, **fields)
    await refuse_taken_key(scope, db, Device, Device.device_id, device.device_id)
    await saved(db, device)
    _record(scope, db, device, "created")
    return device


async def update_device(scope: Scope, db: Db, device_id: str, data: DeviceUpdate) -> Device:
    """Raises Conflict `device_exists`."""
    device = await locked(db, scope.select(Device).where(Device.device_id == device_id))
    scope.require_write()
    for name, value in given(data).items():
        setattr(device, name, value if name in {"name", "boundary"} else clean(value))
    _require_indexable(device.state, device.name, device.boundary)
    await saved(db, device)
    _record(scope, db, device, "updated")
    return device


async def delete_device(scope: Scope, db: Db, device_id: str) -> None:
    """Raises Conflict `device_in_use` while a run of any project refers to it."""
    device = await locked(db, scope.select(Device).where(Device.device_id == device_id))
    scope.require_admin()
    await _delete(db, device, "fk_orchestration_session_device")
    _record(scope, db, device, "deleted")


async def move_device(scope: Scope, db: Db, device_id: str, project_id: int | None) -> Device:
    """Moves it to another project or to none. Raises Invalid for a project that is not visible."""
    device = await locked(db, scope.select(Device).where(Device.device_id == device_id))
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    device.project_id = project_id
    await saved(db, device)
    _record(scope, db, device, "moved")
    return device


async def detach_devices(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's devices."""
    scope.require_write()
    for device in await update_all(
        scope, db, Device, Device.project_id == project_id, project_id=None
    ):
        _record(scope, db, device, "moved")


async def list_natures(scope: Scope, db: Db, request: PageRequest) -> Page[OrchestrationNature]:
    """Lists natures in the order of their ids."""
    keys = [OrchestrationNature.orchestration_nature_id]
    statement = scope.select(OrchestrationNature)
    return await fetch_page(db, statement, keys, request, descending=False)


async def get_nature(scope: Scope, db: Db, nature_id: str) -> OrchestrationNature:
    return await one(db, _nature(scope, nature_id))


async def create_nature(scope: Scope, db: Db, data: NatureCreate) -> OrchestrationNature:
    """Raises Conflict `id_taken`."""
    scope.require_write()
    key = OrchestrationNature.orchestration_nature_id
    await refuse_taken_key(scope, db, OrchestrationNature, key, data.orchestration_nature_id)
    fields = {**msgspec.structs.asdict(data), "elaboration": clean(data.elaboration)}
    nature = scope.build(OrchestrationNature, **fields)
    await saved(db, nature)
    feed.record(scope, db, "nature.created", nature.orchestration_nature_id)
    return nature


async def create_known_natures(scope: Scope, db: Db) -> None:
    """Creates the natures that a new account starts with. Records no events, since no one can
    follow the account yet."""
    for key, nature in KNOWN_NATURES.items():
        db.session.add(scope.build(OrchestrationNature, orchestration_nature_id=key, nature=nature))


async def update_nature(
    scope: Scope, db: Db, nature_id: str, data: NatureUpdate
) -> OrchestrationNature:
    nature = await locked(db, _nature(scope, nature_id))
    scope.require_write()
    for name, value in given(data).items():
        setattr(nature, name, clean(value))
    await saved(db, nature)
    feed.record(scope, db, "nature.updated", nature_id)
    return nature


async def delete_nature(scope: Scope, db: Db, nature_id: str) -> None:
    """Raises Conflict `nature_in_use` while a run of any project refers to it."""
    nature = await locked(db, _nature(scope, nature_id))
    scope.require_admin()
    await _delete(db, nature, "fk_orchestration_session_nature")
    feed.record(scope, db, "nature.deleted", nature_id)


def _nature(scope: Scope, nature_id: str) -> Select[tuple[OrchestrationNature]]:
    key = OrchestrationNature.orchestration_nature_id
    return scope.select(OrchestrationNature).where(key == nature_id)


def _require_indexable(state: Any, name: str, boundary: str | None) -> None:
    """Raises Invalid for a value that is too long for the unique key."""
    size = len(msgspec.json.encode(state)) * _JSONB_GROWTH
    if size + len(name.encode()) + len((boundary or "").encode()) > _MAX_KEY_BYTES:
        raise Invalid.field("state", "is too long together with the name and the boundary")


async def _delete(db: Db, row: Device | OrchestrationNature, used_by: str) -> None:
    """Lets the foreign key decide, so that no run can slip in between check and deletion."""
    try:
        await db.session.delete(row)
        await db.session.flush()  # the foreign key answers here
    except IntegrityError:
        raise from_violation(used_by) from None


def _record(scope: Scope, db: Db, device: Device, event: str) -> None:
    feed.record(scope, db, f"device.{event}", device.device_id, project_id=device.project_id)
