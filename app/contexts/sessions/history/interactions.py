"""What a session was told and what came back."""

from collections.abc import Sequence
from uuid import UUID

from app import feed
from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import shown
from app.contexts.sessions.history.history import Window
from app.contexts.sessions.history.locking import LockedSession
from app.db import Db
from app.errors import NotFound
from app.outbox import FeedEvent
from app.schemas.sessions import StoredInteraction
from app.scope import Scope


async def list_interactions(
    scope: Scope, db: Db, session_id: int, window: Window
) -> list[StoredInteraction]:
    """Raises NotFound."""
    return await history.read(scope, db, session_id, window)


async def get_interaction(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    """Raises NotFound."""
    found = await history.find_in_all(scope, db, {session_id: [interaction_id]})
    if interaction_id not in found[session_id]:
        raise NotFound
    return shown(found[session_id][interaction_id])


def record(
    scope: Scope, db: Db, session: LockedSession, interactions: Sequence[StoredInteraction]
) -> None:
    """One event for what came together."""
    db.events.append(event(scope, session, interactions))


def event(
    scope: Scope, session: LockedSession, interactions: Sequence[StoredInteraction]
) -> FeedEvent:
    last = interactions[-1]
    return feed.event(
        scope,
        "interaction.created" if last.result is None else "interaction.completed",
        last.id,
        project_id=session.project_id,
        session_id=session.id,
        seq=last.seq,
        count=len(interactions),
        module=last.command.module,
        status=None if last.result is None else last.result.status,
    )
