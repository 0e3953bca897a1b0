"""The session itself: its life from active to complete or failed."""

from typing import Any

import msgspec
from msgspec import UNSET

from app import feed
from app.cleaning import clean, clean_text, clean_within, merge_patch
from app.contexts.projects import require_visible_project
from app.contexts.sessions.listing import is_outside
from app.contexts.sessions.types import has_workflow, require_session_type
from app.db import Db
from app.errors import Conflict, Invalid
from app.models import Component, Session
from app.schemas.base import MAX_NAME
from app.schemas.sessions import SessionCreate, SessionUpdate
from app.scope import Scope, locked, update_all


async def create_session(scope: Scope, db: Db, data: SessionCreate) -> Session:
    """Raises Invalid for an unknown type or a component or parent that is not visible, Conflict
    `external_id_taken`, or `key_in_other_project` when the scope cannot see who has it."""
    scope.require_write()
    require_session_type(data.type)
    fields: dict[str, Any] = {
        **msgspec.structs.asdict(data),
        "state": clean(data.state),
        "title": clean_within(MAX_NAME, data.title),
        "user_id": scope.user_id,
    }
    if data.component_id is not None:
        component = await _visible_component(scope, db, data.component_id)
        if scope.project_id not in {None, component.project_id}:
            raise Invalid.field("component_id", "belongs to another project")
        fields["project_id"] = component.project_id
    if data.parent_session_id is not None:
        parent = scope.select(Session).where(Session.id == data.parent_session_id)
        if await db.session.scalar(parent) is None:
            raise Invalid.field("parent_session_id", "is not a visible session")
    if data.external_id is not None and await is_outside(scope, db, data.external_id):
        raise Conflict(
            "A session of another project has this external_id.", code="key_in_other_project"
        )
    session = scope.build(Session, **fields)
    db.session.add(session)
    await db.session.flush()  # its id goes into the feed
    await db.session.refresh(session)
    _record(scope, db, session, "created")
    return session


async def update_session(
    scope: Scope,
    db: Db,
    session_id: int,
    data: SessionUpdate,
) -> Session:
    scope.require_write()
    session = await _locked(scope, db, session_id)
    if data.title is not UNSET:
        session.title = clean_within(MAX_NAME, data.title)
    if data.environment is not UNSET:
        session.environment = data.environment
    if isinstance(data.state, dict):
        session.state = merge_patch(session.state, clean(data.state))
    if data.component_id is None:
        session.component_id = None
    elif data.component_id is not UNSET:
        component = await _visible_component(scope, db, data.component_id)
        if component.project_id != session.project_id:
            raise Invalid.field("component_id", "belongs to another project than the session")
        session.component_id = component.id
    return await _changed(scope, db, session, "updated")


async def delete_session(scope: Scope, db: Db, session_id: int) -> None:
    """Its history goes with it; sessions that it is the parent of stay."""
    session = await _locked(scope, db, session_id)
    scope.require_admin()
    is_child = Session.parent_session_id == session_id
    changes = {"parent_session_id": None, "version": Session.version + 1}
    await update_all(scope, db, Session, is_child, **changes)
    await db.session.delete(session)
    _record(scope, db, session, "deleted")


async def complete_session(scope: Scope, db: Db, session_id: int) -> Session:
    """Raises Conflict `session_ended`. Pending interactions stay pending."""
    return await _end(scope, db, session_id, "complete", "completed", None)


async def fail_session(scope: Scope, db: Db, session_id: int, reason: str) -> Session:
    """Raises Conflict `session_ended`."""
    return await _end(scope, db, session_id, "failed", "failed", {"reason": clean_text(reason)})


async def cancel_session(
    scope: Scope, db: Db, session_id: int, reason: str | None = None
) -> Session:
    """The seed knows three statuses only: cancelled is failed, and `state.ended` says why."""
    why = {"reason": "cancelled"}
    if reason is not None:
        why["message"] = clean_text(reason)
    return await _end(scope, db, session_id, "failed", "cancelled", why)


async def reopen_session(scope: Scope, db: Db, session_id: int) -> Session:
    """Only where the agent drives. Raises Conflict `has_workflow`."""
    scope.require_write()
    session = await _locked(scope, db, session_id)
    if has_workflow(session.type):
        raise Conflict("A session with a workflow cannot be reopened.", code="has_workflow")
    if session.status == "active":
        return session
    session.status, session.ended_at = "active", None
    session.state = merge_patch(session.state, {"ended": None})
    return await _changed(scope, db, session, "reopened")


async def move_session(scope: Scope, db: Db, session_id: int, project_id: int | None) -> Session:
    """The one way to another project; the component stays behind. Raises Invalid for a project
    that is not visible."""
    session = await _locked(scope, db, session_id)
    scope.require_admin()
    await require_visible_project(scope, db, project_id)
    if session.project_id != project_id:
        session.project_id, session.component_id = project_id, None
    return await _changed(scope, db, session, "moved")


def session_ended(status: str) -> Conflict:
    return Conflict(
        f"The session has ended ({status}).", code="session_ended", session_status=status
    )


async def _end(
    scope: Scope,
    db: Db,
    session_id: int,
    status: str,
    event: str,
    reason: dict[str, str] | None,
) -> Session:
    scope.require_write()
    session = await _locked(scope, db, session_id)
    if session.status != "active":
        raise session_ended(session.status)
    session.status = status
    session.ended_at = await db.now()
    session.needs_input = None
    if reason is not None:
        session.state = {**session.state, "ended": reason}
    return await _changed(scope, db, session, event)


async def _locked(scope: Scope, db: Db, session_id: int) -> Session:
    return await locked(db, scope.select(Session).where(Session.id == session_id))


async def _changed(scope: Scope, db: Db, session: Session, event: str) -> Session:
    session.version += 1
    await db.session.flush()  # the database's updated_at belongs into the answer
    await db.session.refresh(session)
    _record(scope, db, session, event)
    return session


def _record(scope: Scope, db: Db, session: Session, event: str) -> None:
    feed.record(
        scope,
        db,
        f"session.{event}",
        session.id,
        project_id=session.project_id,
        status=session.status,
        version=session.version,
    )


async def _visible_component(scope: Scope, db: Db, component_id: int) -> Component:
    statement = scope.select(Component).where(Component.id == component_id)
    component = await db.session.scalar(statement)
    if component is None:
        raise Invalid.field("component_id", "is not a visible component")
    return component
