"""Claims on work items: checked without consequences, then granted under locks."""

from functools import partial

import msgspec

from app.contexts.fleet.agents import agent_released, record_agent_heartbeats
from app.contexts.fleet.claim_rules import Situation, judge, look, notice
from app.contexts.fleet.queries import of_visible_items
from app.contexts.fleet.releasing import (
    UNDO_ATTEMPT,
    Changed,
    LockedAgent,
    close_claims,
    lock_agents,
    lock_items,
    record_claim,
    retried,
)
from app.contexts.fleet.statements import GRANT, NEXT, NEXT_UNLOCKED
from app.contexts.fleet.work_items import get_work_item
from app.db import Db
from app.errors import Conflict, NotFound
from app.models import Agent, Claim, WorkItem
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import Page
from app.schemas.fleet import Claimable, ClaimOut, Granted, WorkItemClaim
from app.schemas.rendering import rendered
from app.scope import Scope, one, version_of


class ClaimFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; a claim is live until it is released."""

    work_item: str | None = None
    session_id: str | None = None
    live: bool | None = None
    release_reason: str | None = None


async def can_claim_work_item(scope: Scope, db: Db, key: str, session_id: str) -> Claimable:
    """Answers what a claim would be answered now, without making it."""
    agent = await one(db, scope.select(Agent).where(Agent.session_id == session_id))
    situation = await look(scope, db, key, session_id)
    found = judge(situation, force=False)
    if agent.status == "released":
        gone = agent_released(session_id)
        found.blocking_reasons.insert(0, notice(gone.code, gone.message, None, session_id))
    if agent.sd_id not in {None, key}:
        message = f"The agent would release {agent.sd_id}."
        found.info.append(notice("releases_other", message, agent.sd_id, session_id))
    found.can_claim = not found.blocking_reasons
    return found


async def claim_work_item(scope: Scope, db: Db, key: str, data: WorkItemClaim) -> Granted:
    """Releases what the agent held before, reason `manual`. Claiming again what it holds returns
    the same claim. A stale holder loses the item in the same transaction.

    Raises NotFound, Forbidden for `force` without being an administrator, Conflict
    `agent_released`, `work_item_closed`, `already_claimed` or `conflict`; a refusal changes
    nothing.
    """
    scope.require_write()
    attempt = partial(_claim, scope, db, key, data.session_id, force=data.force)
    return await retried(db, attempt)


async def claim_next_work_item(
    scope: Scope, db: Db, session_id: str, track: str | None = None
) -> Granted | None:
    """Claims the best item that can be claimed: items on a free track first, then by track, rank
    and key. An agent that holds an item gets it again. Returns None when there is nothing to do.

    Agents that ask at the same time get different items. Raises Conflict `agent_released`, or
    `key_in_other_project` when the item that the agent holds was moved to a project that the caller
    cannot see.
    """
    scope.require_write()
    granted = await retried(db, lambda: _claim_free(scope, db, session_id, track))
    refused: set[str] = set()
    while granted is None:
        # Release the locks of the attempt: the next one takes its own in order.
        await db.driver.execute(UNDO_ATTEMPT)
        key = await _best(scope, db, NEXT, track, refused)
        if key is None:
            return None
        try:
            granted = await retried(db, partial(_claim, scope, db, key, session_id, keep=True))
        except (Conflict, NotFound) as error:
            if error.code == "agent_released":
                raise
            refused.add(key)  # another agent was faster
    return granted


async def list_claims(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: ClaimFilter,
) -> Page[Claim]:
    """Lists all claims ever made, the last one first."""
    statement = of_visible_items(scope, scope.select(Claim), Claim.work_item, listed=True)
    statement = filtered(
        statement,
        filters,
        work_item=Claim.work_item,
        session_id=Claim.session_id,
        live=Claim.released_at.is_(None),
        release_reason=Claim.release_reason,
    )
    return await fetch_page(db, statement, [Claim.id], request)


async def get_claim(scope: Scope, db: Db, claim_id: int) -> Claim:
    """Lets a holder check its fencing token before it does anything irreversible."""
    statement = scope.select(Claim).where(Claim.id == claim_id)
    return await one(db, of_visible_items(scope, statement, Claim.work_item))


async def _claim(
    scope: Scope,
    db: Db,
    key: str,
    session_id: str,
    *,
    force: bool = False,
    keep: bool = False,
) -> Granted:
    before = await look(scope, db, key, session_id)
    if force:
        scope.require_admin()
    agents = await lock_agents(scope, db, {session_id} | before.rivals(force=force))
    asking = _require_alive(scope, agents, session_id)
    if keep and asking.sd_id is not None:
        return await _held(scope, db, asking)
    locked = before.blocking()
    await lock_items(scope, db, [key, asking.sd_id, *locked])
    if db.expected_versions is not None and not keep:  # of the item that the request names
        named = scope.select(WorkItem).where(WorkItem.key == key)
        db.require_version(version_of(await one(db, named)))
    situation = await look(scope, db, key, session_id)
    if not (situation.rivals(force=force) <= set(agents) and situation.blocking() <= locked):
        raise Changed
    return await _settle(scope, db, situation, asking, force=force)


async def _claim_free(scope: Scope, db: Db, session_id: str, track: str | None) -> Granted | None:
    """Claims the best item if that takes no lock but its own. Skips items that others have locked,
    or claimed since the statement began."""
    agents = await lock_agents(scope, db, [session_id])
    asking = _require_alive(scope, agents, session_id)
    if asking.sd_id is not None:
        return await _held(scope, db, asking)
    given: set[str] = set()
    while True:
        key = await _best(scope, db, NEXT_UNLOCKED, track, given)
        if key is None:
            return None
        situation = await look(scope, db, key, session_id)
        if situation.rivals(force=False) or situation.blocking():
            return None
        if not judge(situation, force=False).blocking_reasons:
            return await _settle(scope, db, situation, asking, force=False)
        given.add(key)


async def _best(
    scope: Scope, db: Db, statement: str, track: str | None, without: set[str]
) -> str | None:
    """Finds the best item of the active project if there is one, as a list does."""
    parameters = (scope.account_id, scope.project_id, track, list(without))
    key: str | None = await db.driver.fetchval(statement, *parameters)
    return key


def _require_alive(scope: Scope, agents: dict[str, LockedAgent], session_id: str) -> LockedAgent:
    agent = agents.get(session_id)
    if agent is None or (scope.strict and agent.project_id != scope.project_id):
        raise NotFound
    if agent.status == "released":
        raise agent_released(session_id)
    return agent


async def _settle(
    scope: Scope, db: Db, situation: Situation, asking: LockedAgent, *, force: bool
) -> Granted:
    """Decides and claims, under all the locks."""
    judged = judge(situation, force=force)
    if judged.blocking_reasons:
        reason = judged.blocking_reasons[0]
        details = msgspec.structs.asdict(reason)
        raise Conflict(details.pop("message"), code=details.pop("code"), **details)
    if situation.own:
        return await _held(scope, db, asking)
    item = situation.item
    if asking.sd_id is not None:
        await close_claims(scope, db, [asking.session_id], "manual", "idle")
    if item.session_id is not None and item.stale:
        await close_claims(scope, db, [item.session_id], "timeout", "stale")
    elif item.session_id is not None:
        await close_claims(scope, db, [item.session_id], "takeover", "idle")
    row = await db.fetch_one(GRANT, scope.account_id, item.key, asking.session_id)
    record_claim(
        scope,
        db,
        "granted",
        row["id"],
        project_id=item.project_id,
        work_item_key=item.key,
        agent_key=asking.session_id,
        track=row["track"],
        fencing_token=row["fencing_token"],
    )
    return Granted(
        claim=msgspec.convert(dict(row), ClaimOut),
        work_item=await get_work_item(scope, db, item.key),
        warnings=judged.warnings,
    )


async def _held(scope: Scope, db: Db, agent: LockedAgent) -> Granted:
    """Returns the claim the agent holds; asking for it counts as a heartbeat. Raises Conflict
    `key_in_other_project`."""
    await record_agent_heartbeats(scope, db, [agent.session_id])
    claim = await one(
        db,
        scope.select(Claim).where(
            Claim.session_id == agent.session_id, Claim.released_at.is_(None)
        ),
    )
    try:
        item = await get_work_item(scope, db, claim.work_item)
    except NotFound:  # the item was moved to a project that this token cannot see
        raise Conflict(
            "The agent holds a work item of another project.", code="key_in_other_project"
        ) from None
    return Granted(claim=rendered(claim, ClaimOut), work_item=item, warnings=[])
