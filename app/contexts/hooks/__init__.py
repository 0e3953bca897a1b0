"""Events that agents post by themselves, turned into sessions.

Nothing an agent sends is an error as long as it is a JSON object: what nobody knows is kept.
"""

from collections.abc import Callable
from typing import Any

from app.contexts.hooks import claude_code
from app.contexts.sessions import observe
from app.db import Db
from app.errors import Invalid, NotFound
from app.schemas.hooks import Observation
from app.scope import Scope

_TRANSLATORS: dict[str, Callable[[dict[str, Any]], Observation | None]] = {
    "claude-code": claude_code.translate,
}


async def ingest_event(scope: Scope, db: Db, agent: str, event: object) -> int | None:
    """The id of the session the event belongs to; None when it belongs to none we may write to.

    Raises NotFound for an agent nobody knows, Invalid for an event that is not an object.
    """
    scope.require_write()
    translate = _TRANSLATORS.get(agent)
    if translate is None:
        raise NotFound
    if not isinstance(event, dict):
        raise Invalid.field("", "must be a JSON object")
    observation = translate(event)
    return None if observation is None else await observe(scope, db, observation)
