"""Locks of agents and work items, and how an item is released.

A claim is opened and closed only under the locks of its agent and its work item, taken in that
order; so is `sd_id`, which therefore always agrees with the claims.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, NamedTuple, TypeVar

import asyncpg

from app import feed
from app.contexts.fleet.statements import CLOSE, LOCK_AGENTS, LOCK_ITEMS, LOCK_SILENT, REWIND
from app.db import Db
from app.errors import Conflict, NotFound, Unavailable
from app.schemas.fleet import ReleaseReason
from app.scope import Scope

SWEEP_BATCH = 100
UNDO_ATTEMPT = "ROLLBACK TO SAVEPOINT attempt"

Answer = TypeVar("Answer")


class LockedAgent(NamedTuple):
    """The row of an agent, locked until the transaction ends."""

    session_id: str
    project_id: int | None
    status: str
    sd_id: str | None


class Changed(Exception):
    """What was read before locking is no longer true."""


async def retried(db: Db, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """Tries again, with no lock held, when the attempt raises Changed, and once after a deadlock.
    Raises Unavailable after a second deadlock."""
    deadlocked = False
    while True:
        recorded = len(db.events)
        await db.driver.execute("SAVEPOINT attempt")
        try:
            return await attempt()
        except Changed:
            pass
        except asyncpg.DeadlockDetectedError as error:
            if deadlocked:
                raise Unavailable("The work items are too busy right now; try again.") from error
            deadlocked = True
        await db.driver.execute(UNDO_ATTEMPT)
        del db.events[recorded:]


async def lock_agents(scope: Scope, db: Db, session_ids: Iterable[str]) -> dict[str, LockedAgent]:
    """Locks agents of any project; the caller checks whether they may be seen."""
    rows = await db.driver.fetch(LOCK_AGENTS, scope.account_id, list(session_ids))
    return {row["session_id"]: LockedAgent(**row) for row in rows}


async def lock_agent(scope: Scope, db: Db, session_id: str) -> LockedAgent:
    """Raises NotFound for an agent that is not visible."""
    agent = (await lock_agents(scope, db, [session_id])).get(session_id)
    if agent is None or (scope.strict and agent.project_id != scope.project_id):
        raise NotFound
    return agent


async def lock_items(scope: Scope, db: Db, keys: Iterable[str | None]) -> None:
    """To be called after `lock_agents`."""
    wanted = sorted({key for key in keys if key is not None})
    if wanted:
        await db.driver.fetch(LOCK_ITEMS, scope.account_id, wanted)


async def close_claims(
    scope: Scope,
    db: Db,
    session_ids: list[str],
    reason: ReleaseReason,
    status: Literal["idle", "stale", "released"],
) -> None:
    """Closes the claims of agents that are locked, as are the items they hold; some may hold
    none."""
    rows = await db.driver.fetch(CLOSE, scope.account_id, session_ids, reason, status)
    for row in rows:
        if row["claim_id"] is not None:
            record_claim(
                scope,
                db,
                "released",
                row["claim_id"],
                project_id=row["item_project_id"],
                work_item_key=row["work_item"],
                agent_key=row["session_id"],
                track=row["track"],
                fencing_token=row["fencing_token"],
                reason=reason,
            )
        if status != "idle":
            feed.record(
                scope, db, f"agent.{status}", row["session_id"], project_id=row["project_id"]
            )


def record_claim(
    scope: Scope,
    db: Db,
    event: Literal["granted", "released"],
    claim_id: int,
    *,
    project_id: int | None,
    work_item_key: str,
    agent_key: str,
    track: str | None,
    fencing_token: int,
    reason: ReleaseReason | None = None,
) -> None:
    feed.record(
        scope,
        db,
        f"claim.{event}",
        claim_id,
        project_id=project_id,
        work_item_key=work_item_key,
        agent_key=agent_key,
        track=track,
        fencing_token=fencing_token,
        reason=reason,
    )


async def release_claim(
    scope: Scope, db: Db, session_id: str, reason: ReleaseReason = "manual"
) -> None:
    """Raises Conflict `no_claim` when the agent holds nothing."""
    scope.require_write()
    agent = await lock_agent(scope, db, session_id)
    if agent.sd_id is None:
        raise Conflict("The agent holds no work item.", code="no_claim", session_id=session_id)
    await lock_items(scope, db, [agent.sd_id])
    await close_claims(scope, db, [session_id], reason, "idle")


async def end_agent(scope: Scope, db: Db, session_id: str) -> None:
    """Releases what the agent holds. Ending it again changes nothing. Raises NotFound."""
    scope.require_write()
    agent = await lock_agent(scope, db, session_id)
    if agent.status != "released":
        await lock_items(scope, db, [agent.sd_id])
        await close_claims(scope, db, [session_id], "session_ended", "released")


async def mark_stale_agents(scope: Scope, db: Db) -> int:
    """Marks at most 100 agents and closes their claims with `timeout`; returns how many."""
    scope.require_write()
    await db.driver.execute(REWIND, scope.account_id)
    silent = await db.driver.fetch(LOCK_SILENT, scope.account_id, SWEEP_BATCH)
    if silent:
        await lock_items(scope, db, [row["sd_id"] for row in silent])
        await close_claims(scope, db, [row["session_id"] for row in silent], "timeout", "stale")
    return len(silent)
