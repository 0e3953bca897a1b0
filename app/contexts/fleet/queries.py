"""Computed columns of lists, evaluated in the statement that reads the rows."""

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, and_, case, false, func, not_, null
from sqlalchemy.orm import aliased

from app.contexts.fleet.staleness import is_stale, is_working, stale_after_seconds
from app.models import Agent, Claim, Session, WorkItem, WorkItemConflict
from app.scope import Scope

# Building an expression takes longer than executing its statement.
KNOWN_SCOPES = 256
# What can be done next, best first.
AVAILABILITY = ("available", "track_busy", "blocked", "claimed", "done")
ITEM_ORDER = (WorkItem.track, WorkItem.sequence_rank, WorkItem.key)


def agents(scope: Scope, statement: Select[tuple[Agent]]) -> Select[tuple[Agent]]:
    """Joins the work item that each agent holds and the session that records it, where visible."""
    held = [WorkItem.account_id == Agent.account_id, WorkItem.key == Agent.sd_id]
    recorded = [Session.account_id == Agent.account_id, Session.external_id == Agent.session_id]
    if scope.strict:
        held.append(WorkItem.project_id == scope.project_id)
        recorded.append(Session.project_id == scope.project_id)
    return statement.outerjoin(WorkItem, and_(*held)).outerjoin(Session, and_(*recorded))


@lru_cache(maxsize=KNOWN_SCOPES)
def agent_columns(scope: Scope) -> dict[str, Any]:
    """The columns of a statement made by `agents`, by the names of AgentOut."""
    computed = case(
        (Agent.status == "released", "released"),
        (is_stale(scope), "stale"),
        (Agent.sd_id.is_(None), "idle"),
        else_="active",
    )
    age = _seconds(func.now() - Agent.heartbeat_at)
    return {
        **{name: getattr(Agent, name) for name in _STORED},
        "metadata": Agent.metadata_,
        "computed_status": computed.label("computed_status"),
        "heartbeat_age_seconds": age.label("heartbeat_age_seconds"),
        "seconds_until_stale": case(
            (computed == "released", null()),
            (computed == "stale", 0.0),
            (is_working(Session), null()),
            else_=func.greatest(stale_after_seconds(scope) - age, 0.0),
        ).label("seconds_until_stale"),
        "claim_duration_seconds": _seconds(func.now() - Agent.claimed_at).label(
            "claim_duration_seconds"
        ),
        "work_item_title": WorkItem.title.label("work_item_title"),
        "needs_input": Session.needs_input.label("needs_input"),
        "working": func.coalesce(is_working(Session), false()).label("working"),
    }


_STORED = (
    "id account_id project_id session_id status sd_id track claimed_at heartbeat_at tty pid "
    "hostname codebase created_at updated_at"
).split()


def _seconds(duration: Any) -> ColumnElement[float]:
    """Never negative, although `now()` is the beginning of the transaction."""
    seconds = func.date_part("epoch", duration)
    return case((duration.is_(None), null()), else_=func.greatest(seconds, 0.0))


def live_claims(scope: Scope) -> Select[tuple[Claim]]:
    """Selects the claims of agents that are not stale."""
    holder = and_(Agent.account_id == Claim.account_id, Agent.session_id == Claim.session_id)
    statement = scope.account_wide().select(Claim).join(Agent, holder)
    return statement.where(Claim.released_at.is_(None), not_(is_stale(scope)))


@lru_cache(maxsize=KNOWN_SCOPES)
def availability_rank(scope: Scope) -> Label[int]:
    """The index into AVAILABILITY. Each subquery is evaluated once for the whole list."""
    taken = live_claims(scope).with_only_columns(Claim.work_item)
    other = aliased(WorkItem)
    of_claim = and_(other.account_id == Claim.account_id, other.key == Claim.work_item)
    busy = live_claims(scope).join(other, of_claim).with_only_columns(other.track)
    blocking = (
        scope.account_wide()
        .select(WorkItemConflict)
        .where(WorkItemConflict.severity == "blocking", WorkItemConflict.resolved_at.is_(None))
    )
    a, b = WorkItemConflict.work_item_a, WorkItemConflict.work_item_b
    return case(
        (WorkItem.status != "open", 4),
        (WorkItem.key.in_(taken), 3),
        (not_(WorkItem.is_ready), 2),
        (WorkItem.key.in_(blocking.where(b.in_(taken)).with_only_columns(a)), 2),
        (WorkItem.key.in_(blocking.where(a.in_(taken)).with_only_columns(b)), 2),
        (and_(WorkItem.track != "STANDALONE", WorkItem.track.in_(busy)), 1),
        else_=0,
    ).label("availability_rank")


def with_claim(statement: Select[tuple[WorkItem]]) -> Select[tuple[WorkItem]]:
    """Joins the live claim of each item, if there is one."""
    live = and_(
        Claim.account_id == WorkItem.account_id,
        Claim.work_item == WorkItem.key,
        Claim.released_at.is_(None),
    )
    return statement.outerjoin(Claim, live)


def item_columns(schema: type[Any]) -> list[Any]:
    """The columns of a statement made by `with_claim`, for a schema of work items."""
    computed = {"claimed_by": Claim.session_id.label("claimed_by")}
    names = [name for name in schema.__struct_fields__ if name != "availability"]
    return [computed[name] if name in computed else getattr(WorkItem, name) for name in names]


def of_visible_items(
    scope: Scope, statement: Select[Any], *keys: Any, listed: bool = False
) -> Select[Any]:
    """Narrows claims or conflicts to the project of their work items."""
    narrowed = scope.project_id is not None if listed else scope.strict
    if narrowed:
        visible = (scope.select_listed if listed else scope.select)(WorkItem)
        for key in keys:
            statement = statement.where(key.in_(visible.with_only_columns(WorkItem.key)))
    return statement
