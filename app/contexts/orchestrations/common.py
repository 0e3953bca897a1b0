"""What the three parts of an orchestration share: actors, locks and refusals.

Locks are taken in one order: the session, then an action, then its decision. Ending, pausing or
reconfiguring a session locks its row alone; everything else takes a shared lock.
"""

import datetime
from typing import NamedTuple
from uuid import UUID

from app.contexts.orchestrations.statements import DECISIONS, IDENTITY, PERFORMANCE
from app.db import Db
from app.errors import Conflict, Forbidden
from app.models import Orchestration
from app.schemas.orchestrations import ActionCounts, Performance
from app.scope import Scope, locked, one

FINAL = frozenset({"completed", "failed", "cancelled"})


class Actor(NamedTuple):
    company_id: UUID
    user_uuid: UUID


async def find_actor(scope: Scope, db: Db) -> Actor:
    """Raises Forbidden for the server itself, which neither creates nor decides."""
    if scope.user_id is None:
        raise Forbidden
    row = await db.fetch_one(IDENTITY, scope.account_id, scope.user_id)
    return Actor(**row)


async def lock_alone(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Waits until no other transaction works in the session."""
    statement = scope.select(Orchestration).where(Orchestration.session_id == session_id)
    return await locked(db, statement.execution_options(populate_existing=True))


async def lock_shared(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    """Lets any number of agents work at once, while no one ends or pauses the session."""
    statement = scope.select(Orchestration).where(Orchestration.session_id == session_id)
    fresh = statement.with_for_update(read=True).execution_options(populate_existing=True)
    return await one(db, fresh)


def invalid_transition(what: str, before: str, after: str) -> Conflict:
    return Conflict(
        f"The {what} cannot go from {before} to {after}.",
        code="invalid_transition",
        **{"from": before, "to": after},
    )


def require_not_final(session: Orchestration) -> None:
    """Raises Conflict `orchestration_ended`."""
    if session.session_status in FINAL:
        raise Conflict(
            f"The orchestration has ended ({session.session_status}).", code="orchestration_ended"
        )


async def measure(
    scope: Scope, db: Db, session: Orchestration, until: datetime.datetime
) -> Performance:
    """Counts actions and decisions as they are now."""
    key = (scope.account_id, session.session_id)
    counts = await db.fetch_one(PERFORMANCE, *key)
    decisions = await db.fetch_one(DECISIONS, *key)
    ended = counts["completed"] + counts["failed"] + counts["rolled_back"]
    started = session.started_at
    return Performance(
        actions=ActionCounts(**{name: counts[name] for name in ActionCounts.__struct_fields__}),
        error_rate=counts["failed"] / ended if ended else None,
        duration_seconds=None if started is None else (until - started).total_seconds(),
        agents=counts["agents"],
        approvals=decisions["approvals"],
        rejections=decisions["rejections"],
        retries=counts["retries"],
    )
