"""When an agent is stale: the sweep has marked it, or its last heartbeat is too old by the database
clock.

The rule stands here for the hot statements and for the ORM; `tests/contexts/test_fleet_rules.py`
holds the two together.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, or_

from app.models import Agent, FleetSettings
from app.models.fleet import DEFAULT_STALE_AFTER_SECONDS
from app.scope import Scope

# `$1` is the account. Without a row of settings the default holds.
_LIMIT = f"""make_interval(secs => coalesce(
        (SELECT stale_after_seconds FROM fleet_settings WHERE account_id = $1),
        {DEFAULT_STALE_AFTER_SECONDS}))"""  # noqa: S608 - constants
# For an agent that the sweep has not marked. `now()`, since a scan of an index needs one moment.
SILENT = f"agent.heartbeat_at <= now() - {_LIMIT}"
STALE = f"(agent.status = 'stale' OR agent.heartbeat_at <= clock_timestamp() - {_LIMIT})"


def stale_after_seconds(scope: Scope) -> ColumnElement[Any]:
    chosen = scope.select(FleetSettings).with_only_columns(FleetSettings.stale_after_seconds)
    return func.coalesce(chosen.scalar_subquery(), DEFAULT_STALE_AFTER_SECONDS)


def is_stale(scope: Scope) -> ColumnElement[bool]:
    """What `STALE` says, as of the beginning of the transaction."""
    limit = func.make_interval(0, 0, 0, 0, 0, 0, stale_after_seconds(scope))
    return or_(Agent.status == "stale", Agent.heartbeat_at <= func.now() - limit)
