"""The workflow of a session: its next command, and the results of commands."""

from uuid import UUID

from litestar import Response
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from app.contexts import sessions
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import created, route
from app.schemas.base import Page
from app.schemas.rendering import rendered
from app.schemas.sessions import Interaction, ResultInput, ResultOut, SessionTypeOut


@route("GET", "/api/session-types", reach="project", tag="workflows")
async def list_session_types() -> Page[SessionTypeOut]:
    """All types of this server, on one page; `steps` is empty where the agent decides what to
    do."""
    types = [
        SessionTypeOut(
            name=known.name,
            title=known.title,
            description=known.description,
            steps=[step.name for step in known.steps],
        )
        for known in sessions.session_types().values()
    ]
    return Page(types, None)


@route(
    "POST",
    "/api/sessions/{session_id:int}/next-command",
    201,
    reach="project",
    tag="workflows",
    also=[200, 502],
    hot=True,
)
async def next_session_command(
    current_scope: CurrentScope, db: OpenDb, session_id: FromPath[int]
) -> Response[Interaction]:
    """Returns the workflow's next command, and the same one again until its result is set."""
    command = await sessions.next_session_command(current_scope, db, session_id)
    interaction = command.interaction
    location = f"/api/sessions/{session_id}/interactions/{interaction.id}"
    return created(interaction, location, 201 if command.created else 200)


@route(
    "POST",
    "/api/sessions/{session_id:int}/interactions/{interaction_id:uuid}/result",
    reach="project",
    tag="interactions",
    also=[502],
    hot=True,
    nul_allowed_in="*",
)
async def set_interaction_result(
    current_scope: CurrentScope,
    db: OpenDb,
    state: State,
    session_id: FromPath[int],
    interaction_id: FromPath[UUID],
    data: JSONBody[ResultInput],
) -> ResultOut:
    """For a command of a workflow, the step may change the result's status and the session."""
    completed = await sessions.set_interaction_result(
        current_scope, db, session_id, interaction_id, data, state.settings.retry_limit
    )
    return rendered(completed, ResultOut)
