"""What the steps of a session's workflow are told about it."""

from app.contexts.sessions.history import statements
from app.contexts.sessions.history.locking import LockedTail, lock_row, tail_of
from app.contexts.sessions.types.definition import (
    ComponentFacts,
    ProjectFacts,
    SessionFacts,
    StepContext,
)
from app.db import Db
from app.scope import Scope


async def lock_facts(scope: Scope, db: Db, session_id: int) -> tuple[LockedTail, StepContext]:
    """Under its lock, so that what the session says still holds when the step is stored; `last` is
    for the caller to find. Raises NotFound."""
    row = await lock_row(scope, db, session_id, statements.LOCK_FACTS)
    project = component = None
    if row["project_name"] is not None:
        project = ProjectFacts(
            name=row["project_name"],
            module_name=row["project_module_name"],
            description=row["project_description"],
            settings=row["settings"],
        )
    if row["component_name"] is not None:
        component = ComponentFacts(
            name=row["component_name"],
            type=row["component_type"],
            module_name=row["component_module_name"],
            description=row["component_description"],
        )
    session = SessionFacts(
        id=row["id"],
        type=row["type"],
        title=row["title"],
        environment=row["environment"],
        state=row["state"],
    )
    context = StepContext(session=session, project=project, component=component, last=None)
    return tail_of(row), context
