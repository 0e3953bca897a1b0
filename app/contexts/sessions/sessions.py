"""Development sessions as clients create, change, end and move them."""

from typing import Any

from msgspec import UNSET

from app.cleaning import clean, clean_text, clean_within, merge_patch
from app.contexts.sessions import history, lifecycle
from app.contexts.sessions.events import session_event
from app.contexts.sessions.history import Locked
from app.contexts.sessions.lifecycle import SessionChange
from app.contexts.sessions.listing import find_recorded, get_session
from app.contexts.sessions.references import detach_parent
from app.contexts.sessions.statements import DELETE, NewSession, Reference
from app.contexts.sessions.types import has_workflow, require_session_type
from app.db import Db
from app.engine import to_jsonb
from app.errors import Conflict, Invalid
from app.models import Component, Project, Session
from app.schemas.base import MAX_NAME
from app.schemas.sessions import SessionCreate, SessionSummary, SessionUpdate
from app.scope import Scope, require_visible


async def create_session(scope: Scope, db: Db, data: SessionCreate) -> SessionSummary:
    """Raises Invalid for an unknown type or a component or parent that is not visible, Conflict
    `external_id_taken`, or `key_in_other_project` when the scope cannot see who has it."""
    scope.require_write()
    require_session_type(data.type)
    project_id = scope.project_id
    component = await require_visible(scope, db, Component, data.component_id, "component_id")
    if component is not None:
        if project_id not in {None, component.project_id}:
            raise Invalid.field("component_id", "belongs to another project")
        project_id = component.project_id
    await require_visible(scope, db, Session, data.parent_session_id, "parent_session_id")
    if data.external_id is not None:
        recorded = await find_recorded(scope, db, data.external_id)
        if recorded.outside:
            raise Conflict(
                "A session of another project has this external_id.", code="key_in_other_project"
            )
    new = NewSession(
        account_id=scope.account_id,
        project_id=project_id,
        user_id=scope.user_id,
        type=data.type,
        agent=data.agent,
        client=data.client,
        environment=data.environment,
        title=clean_within(MAX_NAME, data.title),
        state=to_jsonb(clean(data.state)),
        component_id=data.component_id,
        external_id=data.external_id,
        parent_session_id=data.parent_session_id,
    )
    session_id = await lifecycle.create(scope, db, new)
    if session_id is None:
        raise Conflict("Another session has this external_id.", code="external_id_taken")
    return await get_session(scope, db, session_id)


async def update_session(
    scope: Scope,
    db: Db,
    session_id: int,
    data: SessionUpdate,
) -> SessionSummary:
    """`state` is merged as RFC 7396 says. Raises Invalid for a component that is not visible or
    belongs to another project than the session."""
    scope.require_write()
    locked = await history.lock_row(scope, db, session_id)
    values: dict[str, Any] = {}
    if data.title is not UNSET:
        values["title"] = clean_within(MAX_NAME, data.title)
    if data.environment is not UNSET:
        values["environment"] = data.environment
    if isinstance(data.state, dict):
        values["state"] = merge_patch(locked.row.state, clean(data.state))
    if data.component_id is not UNSET:
        values["component_id"] = data.component_id
        component = await require_visible(scope, db, Component, data.component_id, "component_id")
        if component is not None and component.project_id != locked.row.project_id:
            raise Invalid.field("component_id", "belongs to another project than the session")
    change = SessionChange(locked)
    change.edit(**values)
    return await _changed(scope, db, locked, change)


async def delete_session(scope: Scope, db: Db, session_id: int) -> None:
    """Delete a session and its history; the sessions it is the parent of stay. Administrators
    only."""
    locked = await history.lock_row(scope, db, session_id)
    scope.require_admin()
    await detach_parent(scope, db, session_id)
    await db.driver.execute(*DELETE(Reference(scope.account_id, session_id)))
    event = session_event(
        scope,
        "session.deleted",
        session_id,
        project_id=locked.row.project_id,
        status=locked.row.status,
        version=locked.session.version,
    )
    db.events.append(event)


async def complete_session(scope: Scope, db: Db, session_id: int) -> SessionSummary:
    """Raises Conflict `session_ended`. Pending interactions stay pending."""
    scope.require_write()
    locked = await history.lock_row(scope, db, session_id)
    change = SessionChange(locked)
    change.complete()
    return await _changed(scope, db, locked, change)


async def fail_session(scope: Scope, db: Db, session_id: int, reason: str) -> SessionSummary:
    """Raises Conflict `session_ended`."""
    scope.require_write()
    locked = await history.lock_row(scope, db, session_id)
    change = SessionChange(locked)
    change.fail({"reason": clean_text(reason)})
    return await _changed(scope, db, locked, change)


async def cancel_session(
    scope: Scope, db: Db, session_id: int, reason: str | None = None
) -> SessionSummary:
    """Raises Conflict `session_ended`."""
    scope.require_write()
    locked = await history.lock_row(scope, db, session_id)
    change = SessionChange(locked)
    change.cancel(None if reason is None else clean_text(reason))
    return await _changed(scope, db, locked, change)


async def reopen_session(scope: Scope, db: Db, session_id: int) -> SessionSummary:
    """Make a session active again; only where the agent drives. Raises Conflict `has_workflow`."""
    scope.require_write()
    locked = await history.lock_row(scope, db, session_id)
    if has_workflow(locked.session.type):
        raise Conflict("A session with a workflow cannot be reopened.", code="has_workflow")
    if locked.row.status == "active":
        return await get_session(scope, db, session_id)
    change = SessionChange(locked)
    change.reopen()
    return await _changed(scope, db, locked, change)


async def move_session(
    scope: Scope, db: Db, session_id: int, project_id: int | None
) -> SessionSummary:
    """Put a session into another project, or into none; its component stays behind.

    Administrators only. Raises Invalid for a project that is not visible.
    """
    locked = await history.lock_row(scope, db, session_id)
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    change = SessionChange(locked)
    change.move(project_id)
    return await _changed(scope, db, locked, change)


async def _changed(scope: Scope, db: Db, locked: Locked, change: SessionChange) -> SessionSummary:
    await lifecycle.apply(scope, db, locked, change)
    # Account-wide: a strict scope may have moved the session out of its own sight.
    return await get_session(scope.account_wide(), db, locked.session.id)
