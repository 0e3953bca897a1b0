"""The registry of agents and of their heartbeats."""

from typing import Any, NamedTuple

import msgspec

from app import feed
from app.cleaning import clean, clean_within
from app.contexts.fleet.queries import agent_columns, agents
from app.contexts.fleet.statements import HEARTBEATS, OBSERVE, STATUSES, Sighting
from app.db import Db
from app.engine import to_jsonb
from app.errors import Conflict, Invalid, NotFound
from app.models import Agent, Project
from app.models.base import new_uuid
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import MAX_INTEGER, MAX_NAME, Page
from app.schemas.fleet import (
    MAX_LABEL,
    AgentOut,
    AgentRegister,
    AgentSummary,
    HeartbeatResult,
)
from app.schemas.rendering import rendered, rendered_page
from app.scope import Scope, locked, require_visible, update_all

MAX_SESSION_ID = 200


class Registered(NamedTuple):
    agent: AgentOut
    created: bool


class AgentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `status` is the computed status."""

    status: list[str] | None = None
    track: str | None = None
    codebase: str | None = None
    hostname: str | None = None
    holding: bool | None = None
    stale: bool | None = None
    needs_input: bool | None = None


async def list_agents(
    scope: Scope, db: Db, request: PageRequest, filters: AgentFilter
) -> Page[AgentSummary]:
    """Lists agents, the last registered first, in one statement."""
    columns = agent_columns(scope)
    statement = agents(scope, scope.select_listed(Agent))
    statement = filtered(
        statement,
        filters,
        status=columns["computed_status"],
        track=Agent.track,
        codebase=Agent.codebase,
        hostname=Agent.hostname,
        holding=Agent.sd_id.is_not(None),
        stale=columns["computed_status"] == "stale",
        needs_input=columns["needs_input"].is_not(None),
    )
    shown = [columns[name] for name in AgentSummary.__struct_fields__]
    page = await fetch_page(db, statement, [Agent.created_at, Agent.id], request, columns=shown)
    return rendered_page(page, AgentSummary)


async def get_agent(scope: Scope, db: Db, session_id: str) -> AgentOut:
    columns = agent_columns(scope)
    statement = agents(scope, scope.select(Agent)).where(Agent.session_id == session_id)
    shown = [columns[name] for name in AgentOut.__struct_fields__]
    row = (await db.connection.execute(statement.with_only_columns(*shown))).one_or_none()
    if row is None:
        raise NotFound
    return rendered(row, AgentOut)


async def register_agent(scope: Scope, db: Db, session_id: str, data: AgentRegister) -> Registered:
    """Registering an agent again is a heartbeat that may bring new facts; an agent that had ended
    comes back to life.

    Raises Invalid for a `session_id` that is too long, Conflict `key_in_other_project`.
    """
    if not 0 < len(session_id) <= MAX_SESSION_ID:
        raise Invalid.field("session_id", f"must have 1 to {MAX_SESSION_ID} characters")
    created = await _upsert(scope, db, session_id, data)
    return Registered(await get_agent(scope, db, session_id), created)


async def observe_agent(
    scope: Scope,
    db: Db,
    session_id: str,
    *,
    codebase: str | None = None,
    hostname: str | None = None,
    pid: int | None = None,
    tty: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Registers the agent if it is new and counts as a heartbeat, which brings an ended agent back
    to life.

    It is one statement, and writes a row version at most every five seconds unless a given value is
    new. Raises Conflict `key_in_other_project`.
    """
    known_pid = pid if pid is not None and 0 <= pid <= MAX_INTEGER else None
    seen = AgentRegister(
        codebase=codebase, hostname=hostname, pid=known_pid, tty=tty, metadata=metadata
    )
    await _upsert(scope, db, session_id, seen)


async def record_agent_heartbeat(scope: Scope, db: Db, session_id: str) -> HeartbeatResult:
    """Brings a stale agent back to life. Raises NotFound, Conflict `agent_released` for an agent
    that has ended."""
    [beat] = await record_agent_heartbeats(scope, db, [session_id])
    if beat.result == "not_found":
        raise NotFound
    if beat.result == "agent_released":
        raise agent_released(session_id)
    return beat


async def record_agent_heartbeats(
    scope: Scope, db: Db, session_ids: list[str]
) -> list[HeartbeatResult]:
    """Returns one result per agent in the order given; a failure for one agent does not affect the
    others."""
    scope.require_write()
    parameters = (scope.account_id, session_ids, scope.strict_project_id)
    for row in await db.driver.fetch(HEARTBEATS, *parameters):
        if row["before"] == "stale":
            _record(scope, db, row["session_id"], "revived", row["project_id"])
    rows = await db.driver.fetch(STATUSES, *parameters)
    known = {row["session_id"]: msgspec.convert(dict(row), HeartbeatResult) for row in rows}
    return [
        known.get(session_id) or HeartbeatResult(session_id=session_id, result="not_found")
        for session_id in session_ids
    ]


async def move_agent(scope: Scope, db: Db, session_id: str, project_id: int | None) -> AgentOut:
    """Moves it to another project or to none. Raises Invalid for a project that is not visible."""
    agent = await locked(db, scope.select(Agent).where(Agent.session_id == session_id))
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    agent.project_id = project_id
    await db.session.flush()  # the answer is read by a statement of its own
    _record(scope, db, session_id, "moved", project_id)
    return await get_agent(msgspec.structs.replace(scope, strict=False), db, session_id)


async def detach_agents(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's agents."""
    scope.require_write()
    for agent in await update_all(
        scope, db, Agent, Agent.project_id == project_id, project_id=None
    ):
        _record(scope, db, agent.session_id, "moved", None)


def agent_released(session_id: str) -> Conflict:
    return Conflict(
        "The agent has ended; register it again to bring it back.",
        code="agent_released",
        session_id=session_id,
    )


async def _upsert(scope: Scope, db: Db, session_id: str, data: AgentRegister) -> bool:
    """Returns whether the agent is new."""
    scope.require_write()
    seen = Sighting(
        account_id=scope.account_id,
        session_id=session_id,
        new_id=new_uuid(),
        project_id=scope.project_id,
        strict_project_id=scope.strict_project_id,
        codebase=clean_within(MAX_LABEL, data.codebase),
        hostname=clean_within(MAX_LABEL, data.hostname),
        pid=data.pid,
        tty=clean_within(MAX_NAME, data.tty),
        metadata=to_jsonb(clean(data.metadata or {})),
    )
    row = await db.fetch_one(*OBSERVE(seen))
    if row["created"] is None and row["before"] is None:
        # Another request registered the agent after this statement began, which could not see it.
        row = await db.fetch_one(*OBSERVE(seen))
    if row["visible"] is False:
        raise Conflict(
            "An agent of another project has this session_id.", code="key_in_other_project"
        )
    if row["created"] is None:
        return False
    if row["created"]:
        _record(scope, db, session_id, "registered", row["project_id"])
    elif row["before"] in {"stale", "released"}:
        _record(scope, db, session_id, "revived", row["project_id"])
    elif row["changed"]:
        _record(scope, db, session_id, "updated", row["project_id"])
    return bool(row["created"])


def _record(scope: Scope, db: Db, session_id: str, event: str, project_id: int | None) -> None:
    feed.record(scope, db, f"agent.{event}", session_id, project_id=project_id)
