"""What the steps of a session's workflow are told about it."""

from app.contexts.sessions.types.definition import (
    ComponentFacts,
    ProjectFacts,
    SessionFacts,
    StepContext,
)
from app.db import Db
from app.schemas.sessions import Interaction
from app.scope import Scope

_FACTS = """
SELECT s.id, s.type, s.title, s.environment, s.state,
       p.name AS project_name, p.module_name AS project_module_name,
       p.description AS project_description, p.settings,
       c.name AS component_name, c.type AS component_type,
       c.module_name AS component_module_name, c.description AS component_description
FROM sessions AS s
LEFT JOIN projects AS p ON p.account_id = $1 AND p.id = s.project_id
LEFT JOIN components AS c ON c.account_id = $1 AND c.id = s.component_id
WHERE s.account_id = $1 AND s.id = $2
"""


async def gather(scope: Scope, db: Db, session_id: int, last: Interaction | None) -> StepContext:
    """The session must be locked, so that what it says still holds when the step is stored."""
    row = await db.fetch_one(_FACTS, scope.account_id, session_id)
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
    return StepContext(session=session, project=project, component=component, last=last)
