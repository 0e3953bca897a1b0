"""Interactions as clients read them: commands with their results."""

from uuid import UUID

from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import without_marks
from app.contexts.sessions.history.history import Window
from app.db import Db
from app.errors import NotFound
from app.schemas.sessions import Interaction
from app.scope import Scope


async def list_interactions(
    scope: Scope, db: Db, session_id: int, window: Window
) -> list[Interaction]:
    """Raises NotFound."""
    return await history.read(scope, db, session_id, window)


async def get_interaction(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> Interaction:
    """Raises NotFound."""
    found = await history.find_in_all(scope, db, {session_id: [interaction_id]})
    if interaction_id not in found[session_id]:
        raise NotFound
    return without_marks(found[session_id][interaction_id])
