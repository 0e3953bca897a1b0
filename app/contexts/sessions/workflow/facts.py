"""The description of a session that the steps of its workflow receive."""

from app.contexts.sessions import history
from app.contexts.sessions.history import Locked
from app.contexts.sessions.types.definition import (
    ComponentFacts,
    ProjectFacts,
    SessionFacts,
    StepContext,
)
from app.db import Db
from app.scope import Scope


async def lock_context(scope: Scope, db: Db, session_id: int) -> tuple[Locked, StepContext]:
    """Lock a session and describe it to its steps; the context's `last` is left to the caller.

    The lock keeps the description true until the step is stored. Raises NotFound,
    PreconditionFailed.
    """
    locked, row = await history.lock_facts(scope, db, session_id)
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
    return locked, context
