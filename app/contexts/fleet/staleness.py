"""When an agent is stale: the sweep has marked it, or its last heartbeat is too old by the database
clock and it is not working on a tool call.

The rule stands here for the hot statements and for the ORM; `tests/contexts/test_fleet_rules.py`
holds the two together.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy.orm import aliased

from app.models import Agent, FleetSettings, Session
from app.models.fleet import DEFAULT_STALE_AFTER_SECONDS
from app.schemas.hooks import PROMPTS
from app.scope import Scope

# A tool may run for long without a sign of life. After that its agent was most likely killed.
WORKING_HOURS = 1
_PROMPTS = ", ".join(f"'{module}'" for module in sorted(PROMPTS))
# The newest interaction of the session that records the agent is a tool call without a result.
_WORKING = f"""EXISTS (
    SELECT FROM sessions AS recorded
    WHERE recorded.account_id = $1 AND recorded.external_id = agent.session_id
      AND recorded.status = 'active'
      AND recorded.updated_at > now() - make_interval(hours => {WORKING_HOURS})
      AND recorded.last_interaction ->> 'status' IS NULL
      AND recorded.last_interaction ->> 'module' NOT IN ({_PROMPTS}))"""
# `$1` is the account. Without a row of settings the default holds.
_LIMIT = f"""make_interval(secs => coalesce(
        (SELECT stale_after_seconds FROM fleet_settings WHERE account_id = $1),
        {DEFAULT_STALE_AFTER_SECONDS}))"""  # noqa: S608 - constants
# For an agent that the sweep has not marked. `now()`, since a scan of an index needs one moment.
SILENT = f"agent.heartbeat_at <= now() - {_LIMIT} AND NOT {_WORKING}"
STALE = f"""(agent.status = 'stale'
        OR agent.heartbeat_at <= clock_timestamp() - {_LIMIT} AND NOT {_WORKING})"""


def stale_after_seconds(scope: Scope) -> ColumnElement[Any]:
    chosen = scope.select(FleetSettings).with_only_columns(FleetSettings.stale_after_seconds)
    return func.coalesce(chosen.scalar_subquery(), DEFAULT_STALE_AFTER_SECONDS)


def is_stale(scope: Scope) -> ColumnElement[bool]:
    """What `STALE` says, as of the beginning of the transaction."""
    limit = func.make_interval(0, 0, 0, 0, 0, 0, stale_after_seconds(scope))
    recorded = aliased(Session)
    working = exists().where(
        recorded.account_id == Agent.account_id,
        recorded.external_id == Agent.session_id,
        is_working(recorded),
    )
    silent = and_(Agent.heartbeat_at <= func.now() - limit, ~working.correlate(Agent))
    return or_(Agent.status == "stale", silent)


def is_working(session: type[Session]) -> ColumnElement[bool]:
    """Whether the newest interaction of an agent's session is a tool call without a result."""
    last = session.last_interaction
    return and_(
        session.status == "active",
        session.updated_at > func.now() - func.make_interval(0, 0, 0, 0, WORKING_HOURS),
        last["status"].astext.is_(None),
        last["module"].astext.not_in(sorted(PROMPTS)),
    )
