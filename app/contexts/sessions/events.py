"""Feed events of sessions and their interactions: one builder each, whichever way a write came."""

from collections.abc import Sequence

from app import feed
from app.contexts.sessions.history import LockedSession
from app.outbox import FeedEvent
from app.schemas.events import InteractionPayload, SessionPayload
from app.schemas.sessions import StoredInteraction
from app.scope import Scope


def session_event(
    scope: Scope, name: str, session_id: int, *, project_id: int | None, status: str, version: int
) -> FeedEvent:
    """`status` and `version` are the session's after the write."""
    payload = SessionPayload(status=status, version=version)
    return feed.event(scope, name, session_id, payload, project_id=project_id)


def interaction_event(
    scope: Scope, session: LockedSession, interactions: Sequence[StoredInteraction]
) -> FeedEvent:
    """One event for the interactions of one write; its fields are those of the newest."""
    newest = interactions[-1]
    result = newest.result
    payload = InteractionPayload(
        session_id=session.id,
        seq=newest.seq,
        count=len(interactions),
        module=newest.command.module,
        status=None if result is None else result.status,
    )
    name = "interaction.created" if result is None else "interaction.completed"
    return feed.event(scope, name, newest.id, payload, project_id=session.project_id)
