"""The registry of instances."""

import datetime
import secrets
import string
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, func

from app import feed
from app.cleaning import clean_within
from app.contexts.continuity.event_log import append
from app.db import Db
from app.errors import Conflict, Invalid, NotFound
from app.models import SupervisorSession
from app.paging import Key, PageRequest, fetch_page, filtered
from app.queries import Query
from app.schemas.base import MAX_NAME, Page
from app.schemas.continuity import EventInput, InstanceRegister
from app.scope import Scope, locked, one, update_all

CHECKPOINT_ADVISED_PERCENT = 80
MATCHES_SHOWN = 10
Row = TypeVar("Row", bound=tuple[Any, ...])

_SUFFIX = string.ascii_lowercase + string.digits


class _Registration(NamedTuple):
    account_id: int
    instance_id: str
    project: str
    instance_type: str
    context_percent: int
    current_epic: str | None
    host_machine: str | None
    external_id: str | None
    project_id: int | None


_REGISTER = Query(
    _Registration,
    """
INSERT INTO supervisor_sessions (account_id, instance_id, project, instance_type, context_percent,
                                 current_epic, host_machine, external_id, project_id)
VALUES (:account_id, :instance_id, :project, :instance_type, :context_percent,
        :current_epic, :host_machine, :external_id, :project_id)
ON CONFLICT (account_id, instance_id) DO NOTHING RETURNING true
""",
)


class InstanceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `silent_seconds` keeps the instances that
    have sent no heartbeat for longer than that."""

    project: str | None = None
    status: list[str] | None = None
    instance_type: str | None = None
    silent_seconds: int | None = None


class Registered(msgspec.Struct):
    instance: SupervisorSession
    created: bool


async def list_instances(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: InstanceFilter,
) -> Page[SupervisorSession]:
    """Lists instances, newest first."""
    statement = scope.select_listed(SupervisorSession)
    statement = filtered(
        statement,
        filters,
        project=SupervisorSession.project,
        status=SupervisorSession.status,
        instance_type=SupervisorSession.instance_type,
    )
    if filters.silent_seconds is not None:
        statement = statement.where(is_silent(datetime.timedelta(seconds=filters.silent_seconds)))
    keys = [SupervisorSession.created_at, SupervisorSession.instance_id]
    return await fetch_page(db, statement, keys, request)


def is_silent(limit: datetime.timedelta) -> ColumnElement[bool]:
    """Whether an instance's last heartbeat is longer ago than `limit`, by the database clock: the
    rule that makes an active instance stale."""
    return SupervisorSession.last_heartbeat < func.now() - limit


def of_listed(scope: Scope, statement: Select[Row], instance_id: Key) -> Select[Row]:
    """Narrows a statement to the rows of the instances that a list shows."""
    if scope.project_id is None:
        return statement
    listed = scope.select_listed(SupervisorSession)
    return statement.where(instance_id.in_(listed.with_only_columns(SupervisorSession.instance_id)))


async def get_instance(scope: Scope, db: Db, instance_id: str) -> SupervisorSession:
    return await one(
        db, scope.select(SupervisorSession).where(SupervisorSession.instance_id == instance_id)
    )


async def find_instance(scope: Scope, db: Db, prefix: str) -> SupervisorSession:
    """Finds an instance by its id or the beginning of it. Raises Conflict `ambiguous_instance`,
    with up to ten matches, when several ids begin so."""
    statement = scope.select(SupervisorSession).where(
        SupervisorSession.instance_id.startswith(prefix, autoescape=True)
    )
    found = await db.session.scalars(
        statement.order_by(
            SupervisorSession.instance_id != prefix, SupervisorSession.instance_id
        ).limit(MATCHES_SHOWN)
    )
    matches = list(found)
    if not matches:
        raise NotFound
    if len(matches) > 1 and matches[0].instance_id != prefix:
        raise Conflict(
            "Several instance ids begin with this.",
            code="ambiguous_instance",
            matches=[match.instance_id for match in matches],
        )
    return matches[0]


async def register_instance(scope: Scope, db: Db, data: InstanceRegister) -> Registered:
    """Returns the instance as it is, open or closed, when it was registered before.

    Raises Conflict `instance_exists` when the id belongs to an instance of another project name,
    and `key_in_other_project` when that instance lies outside the project of the request.
    """
    scope.require_write()
    project = data.project
    instance_id = data.instance_id or _new_id(project, data.instance_type)
    if instance_id[-9:-7] != data.instance_type:
        raise Invalid.field(
            "instance_id", f"must read <project>-{data.instance_type}-<six characters>"
        )
    registration = _Registration(
        account_id=scope.account_id,
        instance_id=instance_id,
        project=project,
        instance_type=data.instance_type,
        context_percent=data.context_percent,
        current_epic=clean_within(MAX_NAME, data.current_epic),
        host_machine=data.host_machine,
        external_id=data.external_id,
        project_id=scope.project_id,
    )
    created = await db.driver.fetchval(*_REGISTER(registration))
    if not created:
        return Registered(await _registered_before(scope, db, instance_id, project), created=False)
    instance = await lock_instance(scope, db, instance_id)
    event = EventInput(
        event_type="instance_registered",
        event_data={"project": project, "instance_type": data.instance_type},
    )
    await append(scope, db, instance, [event])
    record(scope, db, instance, "registered")
    return Registered(instance, created=True)


async def close_instance(scope: Scope, db: Db, instance_id: str) -> SupervisorSession:
    """Raises Conflict `instance_closed` when it is already closed."""
    scope.require_write()
    instance = await lock_instance(scope, db, instance_id)
    if instance.status == "closed":
        raise instance_closed()
    instance.status, instance.closed_at = "closed", await db.now()
    record(scope, db, instance, "closed")
    return instance


async def delete_instance(scope: Scope, db: Db, instance_id: str) -> None:
    """Deletes its commands, events and checkpoints too."""
    instance = await lock_instance(scope, db, instance_id)
    scope.require_admin()
    await db.session.delete(instance)
    record(scope, db, instance, "deleted")


async def detach_instances(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's instances."""
    scope.require_write()
    condition = SupervisorSession.project_id == project_id
    for instance in await update_all(scope, db, SupervisorSession, condition, project_id=None):
        record(scope, db, instance, "moved")


async def lock_instance(scope: Scope, db: Db, instance_id: str) -> SupervisorSession:
    """Locks the row, which entitles the transaction to the next sequence numbers."""
    return await locked(
        db, scope.select(SupervisorSession).where(SupervisorSession.instance_id == instance_id)
    )


def instance_closed() -> Conflict:
    return Conflict("The instance is closed.", code="instance_closed")


async def _registered_before(
    scope: Scope, db: Db, instance_id: str, project: str
) -> SupervisorSession:
    try:
        instance = await get_instance(scope, db, instance_id)
    except NotFound:
        raise Conflict(
            "An instance of another project has this instance_id.", code="key_in_other_project"
        ) from None
    if instance.project != project:
        raise Conflict(
            "An instance with this instance_id works on another project.", code="instance_exists"
        )
    return instance


def _new_id(project: str, instance_type: str) -> str:
    """Makes `consilio-s-PS-4f9a1c` of `Consilio S`: the project, the type and six random
    characters."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in project.lower()).split()
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(6))
    return f"{'-'.join(words) or 'instance'}-{instance_type}-{suffix}"


def record(scope: Scope, db: Db, instance: SupervisorSession, event: str) -> None:
    feed.record(
        scope,
        db,
        f"instance.{event}",
        instance.instance_id,
        project_id=instance.project_id,
        status=instance.status,
    )
