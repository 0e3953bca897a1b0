"""Orchestration sessions: created, configured, moved, deleted."""

import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET

from app.cleaning import clean, clean_within, merge_patch
from app.contexts.orchestrations.common import (
    FINAL,
    find_actor,
    lock_alone,
    measure,
    require_not_final,
)
from app.contexts.orchestrations.decisions import refuse_pending, request_missing_decisions
from app.contexts.orchestrations.events import record_orchestration
from app.db import Db
from app.errors import Invalid
from app.models import Orchestration, Project
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import MAX_TEXT, Page
from app.schemas.orchestrations import OrchestrationCreate, OrchestrationUpdate, Performance
from app.scope import Scope, one, require_visible, saved, update_all


class OrchestrationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `agent` is one of `active_agents`."""

    status: list[str] | None = None
    type: str | None = None
    created_by: UUID | None = None
    agent: UUID | None = None
    created_after: datetime.datetime | None = None


async def list_orchestrations(
    scope: Scope, db: Db, request: PageRequest, filters: OrchestrationFilter
) -> Page[Orchestration]:
    """Lists sessions, the last created first."""
    statement = scope.select_listed(Orchestration)
    statement = filtered(
        statement,
        filters,
        status=Orchestration.session_status,
        type=Orchestration.session_type,
        created_by=Orchestration.created_by,
    )
    if filters.agent is not None:
        # Row security rules out an index: this filters the rows that the other conditions leave.
        statement = statement.where(Orchestration.active_agents.any_() == str(filters.agent))
    if filters.created_after is not None:
        statement = statement.where(Orchestration.created_at > filters.created_after)
    keys = [Orchestration.created_at, Orchestration.session_id]
    return await fetch_page(db, statement, keys, request)


async def get_orchestration(scope: Scope, db: Db, session_id: UUID) -> Orchestration:
    return await one(db, scope.select(Orchestration).where(Orchestration.session_id == session_id))


async def get_performance(scope: Scope, db: Db, session_id: UUID) -> Performance:
    """Counted live until the session has ended, then as it was at the end."""
    session = await get_orchestration(scope, db, session_id)
    if session.session_status in FINAL:
        return msgspec.convert(session.performance_summary, Performance)
    return await measure(scope, db, session, await db.now())


async def create_orchestration(scope: Scope, db: Db, data: OrchestrationCreate) -> Orchestration:
    scope.require_write()
    actor = await find_actor(scope, db)
    session = scope.build(
        Orchestration,
        company_id=actor.company_id,
        created_by=actor.user_uuid,
        session_type=data.session_type,
        objective=clean_within(MAX_TEXT, data.objective),
        chairman_oversight=data.chairman_oversight,
        orchestration_context=clean(data.orchestration_context),
        active_agents=sorted({str(agent) for agent in data.active_agents}),
    )
    await saved(db, session)
    record_orchestration(scope, db, session, "created")
    return session


async def update_orchestration(
    scope: Scope, db: Db, session_id: UUID, data: OrchestrationUpdate
) -> Orchestration:
    """Switching oversight on requests decisions about the critical actions that are pending.

    Raises Conflict `orchestration_ended`, or `decisions_pending` when oversight would be switched
    off while a decision is pending.
    """
    scope.require_write()
    session = await lock_alone(scope, db, session_id)
    require_not_final(session)
    if data.objective is not UNSET:
        session.objective = clean_within(MAX_TEXT, data.objective)
    if isinstance(data.orchestration_context, dict):
        patch = clean(data.orchestration_context)
        session.orchestration_context = merge_patch(session.orchestration_context, patch)
    if data.chairman_oversight is True and not session.chairman_oversight:
        session.chairman_oversight = True
        await request_missing_decisions(scope, db, session)
    if data.chairman_oversight is False and session.chairman_oversight:
        await refuse_pending(scope, db, session_id)
        session.chairman_oversight = False
    record_orchestration(scope, db, session, "updated")
    return session


async def delete_orchestration(scope: Scope, db: Db, session_id: UUID) -> None:
    """Deletes its actions and decisions too."""
    session = await lock_alone(scope, db, session_id)
    scope.require_admin()
    await db.session.delete(session)
    record_orchestration(scope, db, session, "deleted")


async def move_orchestration(
    scope: Scope, db: Db, session_id: UUID, project_id: int | None
) -> Orchestration:
    """Moves it to another project or to none. Raises Invalid for a project that is not visible."""
    session = await lock_alone(scope, db, session_id)
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    session.project_id = project_id
    record_orchestration(scope, db, session, "moved")
    return session


async def add_orchestration_agent(
    scope: Scope, db: Db, session_id: UUID, agent_id: str
) -> Orchestration:
    """Adding an agent twice has no further effect. Raises Invalid unless `agent_id` is a UUID,
    Conflict `orchestration_ended`."""
    return await _change_agents(scope, db, session_id, agent_id, add=True)


async def remove_orchestration_agent(
    scope: Scope, db: Db, session_id: UUID, agent_id: str
) -> Orchestration:
    """Removing an agent that is not there has no effect. Raises Invalid unless `agent_id` is a
    UUID, Conflict `orchestration_ended`."""
    return await _change_agents(scope, db, session_id, agent_id, add=False)


async def _change_agents(
    scope: Scope, db: Db, session_id: UUID, agent_id: str, *, add: bool
) -> Orchestration:
    scope.require_write()
    session = await lock_alone(scope, db, session_id)
    try:
        agent = str(UUID(agent_id))
    except ValueError:
        raise Invalid.field("agent_id", "is not a UUID") from None
    require_not_final(session)
    before = set(session.active_agents)
    after = before | {agent} if add else before - {agent}
    if after != before:
        session.active_agents = sorted(after)
        event = "agent_added" if add else "agent_removed"
        record_orchestration(scope, db, session, event, agent_id=agent)
    return session


async def detach_orchestrations(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's orchestrations."""
    scope.require_write()
    condition = Orchestration.project_id == project_id
    for session in await update_all(scope, db, Orchestration, condition, project_id=None):
        record_orchestration(scope, db, session, "moved")
