"""What happened, for whoever follows the account: recorded in the transaction of the change."""

import msgspec

from app.db import Db, FeedEvent
from app.scope import Scope


def record(
    scope: Scope,
    db: Db,
    name: str,
    entity_id: object,
    *,
    project_id: int | None = None,
    **payload: object,
) -> None:
    """Buffered; `transaction()` numbers and writes all events of the transaction at its end.

    `name` is `<entity kind>.<what happened>`; the payload holds ids, states and counts, never
    bodies. `project_id` decides which project-scoped readers see the event.
    """
    db.events.append(
        FeedEvent(
            name=name,
            entity_kind=name.partition(".")[0],
            entity_id=str(entity_id),
            project_id=project_id,
            user_id=scope.user_id,
            token_id=scope.token_id,
            payload=msgspec.json.encode(payload).decode(),
        )
    )
