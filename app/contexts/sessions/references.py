"""Sessions whose project, component or parent is deleted: they stay, without it."""

from app.contexts.sessions.events import session_event
from app.contexts.sessions.statements import (
    DETACH_COMPONENT,
    DETACH_PARENT,
    DETACH_PROJECT,
    Reference,
)
from app.db import Db
from app.queries import Query
from app.scope import Scope


async def detach_project(scope: Scope, db: Db, project_id: int) -> None:
    """Take the project, and with it the component, off all of the account's sessions."""
    await _detach(scope, db, DETACH_PROJECT, project_id, "session.moved")


async def detach_component(scope: Scope, db: Db, component_id: int) -> None:
    await _detach(scope, db, DETACH_COMPONENT, component_id, "session.updated")


async def detach_parent(scope: Scope, db: Db, session_id: int) -> None:
    await _detach(scope, db, DETACH_PARENT, session_id, "session.updated")


async def _detach(scope: Scope, db: Db, query: Query[Reference], row_id: int, name: str) -> None:
    scope.require_write()
    records = await db.driver.fetch(*query(Reference(scope.account_id, row_id)))
    db.events += [
        session_event(
            scope,
            name,
            record["id"],
            project_id=record["project_id"],
            status=record["status"],
            version=record["version"],
        )
        for record in records
    ]
