"""What lists compute about each row, in the statement that reads it."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, null, or_

from app.models import Agent, FleetSettings, Session, WorkItem
from app.scope import Scope

DEFAULT_STALE_AFTER_SECONDS = 300


def stale_after_seconds(scope: Scope) -> ColumnElement[Any]:
    chosen = scope.select(FleetSettings).with_only_columns(FleetSettings.stale_after_seconds)
    return func.coalesce(chosen.scalar_subquery(), DEFAULT_STALE_AFTER_SECONDS)


def is_stale(scope: Scope, agent: Any = Agent) -> ColumnElement[bool]:
    """By now, whether or not a sweep has seen it yet."""
    silence = func.make_interval(0, 0, 0, 0, 0, 0, stale_after_seconds(scope))
    return or_(agent.status == "stale", agent.heartbeat_at <= func.now() - silence)


def agents(scope: Scope, statement: Select[tuple[Agent]]) -> Select[tuple[Agent]]:
    """With the work item each one holds, and the session that records it."""
    recorded = [
        Session.account_id == Agent.account_id,
        Session.external_id == Agent.session_id,
    ]
    if scope.strict:
        recorded.append(Session.project_id == scope.project_id)
    held = and_(WorkItem.account_id == Agent.account_id, WorkItem.key == Agent.sd_id)
    return statement.outerjoin(WorkItem, held).outerjoin(Session, and_(*recorded))


def agent_columns(scope: Scope) -> dict[str, Any]:
    """Of the statement that `agents` makes, by the names of AgentOut."""
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
            else_=func.greatest(stale_after_seconds(scope) - age, 0.0),
        ).label("seconds_until_stale"),
        "claim_duration_seconds": _seconds(func.now() - Agent.claimed_at).label(
            "claim_duration_seconds"
        ),
        "work_item_title": WorkItem.title.label("work_item_title"),
        "needs_input": Session.needs_input.label("needs_input"),
    }


_STORED = (
    "id account_id project_id session_id status sd_id track claimed_at heartbeat_at tty pid "
    "hostname codebase created_at updated_at"
).split()


def _seconds(duration: Any) -> ColumnElement[float]:
    """Not negative: `now()` is the beginning of the transaction."""
    seconds = func.date_part("epoch", duration)
    return case((duration.is_(None), null()), else_=func.greatest(seconds, 0.0))
