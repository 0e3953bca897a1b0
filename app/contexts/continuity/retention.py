"""Deletes logged rows: those of closed instances, once they are old enough. There is no other way.

PostgreSQL allows it only to a transaction that has set `app.retention`, and never for an open
instance.
"""

from typing import NamedTuple

from app.contexts.continuity.settings import get_continuity_settings
from app.db import Db
from app.models import ContinuitySettings
from app.schemas.retention import Expired
from app.scope import Scope

BATCH = 5000
INSTANCE_BATCH = 500


class _Log(NamedTuple):
    table: str
    key: str
    days: str


_LOGS = (
    _Log("command_log", "id", "command_days"),
    _Log("event_store", "event_id", "event_days"),
    _Log("checkpoints", "checkpoint_id", "checkpoint_days"),
)
# $2: days for which a closed instance is kept; $3: days for which the log's own rows are.
_OLD = """
FROM {table} AS log JOIN supervisor_sessions AS instance
    ON instance.account_id = log.account_id AND instance.instance_id = log.instance_id
WHERE log.account_id = $1 AND instance.status = 'closed'
  AND (instance.closed_at < now() - make_interval(days => $2)
       OR log.created_at < now() - make_interval(days => $3))
"""
_DELETE = """
DELETE FROM {table} WHERE account_id = $1 AND {key} IN (SELECT log.{key} {old} LIMIT $4)
"""
_OLD_INSTANCES = """
SELECT instance_id FROM supervisor_sessions
WHERE account_id = $1 AND status = 'closed' AND closed_at < now() - make_interval(days => $2)
"""
_DELETE_INSTANCES = """
DELETE FROM supervisor_sessions WHERE account_id = $1 AND instance_id = ANY($2::text[])
RETURNING instance_id
"""


async def list_expired(scope: Scope, db: Db) -> Expired:
    """What calling `delete_expired` until nothing is left would remove now."""
    settings = await get_continuity_settings(scope, db)
    rows = await db.driver.fetch(
        f"{_OLD_INSTANCES} ORDER BY closed_at", scope.account_id, settings.session_days
    )
    counts = {
        log.table: await db.driver.fetchval(
            "SELECT count(*) " + _OLD.format(table=log.table), *_limits(scope, settings, log)
        )
        for log in _LOGS
    }
    return _expired([row["instance_id"] for row in rows], counts)


async def delete_expired(scope: Scope, db: Db) -> Expired:
    """Deletes one bounded batch, in one transaction; it may be interrupted between batches. The
    logs go before their instance, so that no cascade is large."""
    scope.require_admin()
    settings = await get_continuity_settings(scope, db)
    await db.driver.execute("SET LOCAL app.retention = 'on'")
    counts = {}
    for log in _LOGS:
        statement = _DELETE.format(table=log.table, key=log.key, old=_OLD.format(table=log.table))
        done = await db.driver.execute(statement, *_limits(scope, settings, log), BATCH)
        counts[log.table] = int(done.rpartition(" ")[2])
    instances: list[str] = []
    if all(count < BATCH for count in counts.values()):
        old = await db.driver.fetch(
            f"{_OLD_INSTANCES} ORDER BY closed_at LIMIT $3",
            scope.account_id,
            settings.session_days,
            INSTANCE_BATCH,
        )
        deleted = await db.driver.fetch(
            _DELETE_INSTANCES, scope.account_id, [row["instance_id"] for row in old]
        )
        instances = [row["instance_id"] for row in deleted]
    await db.driver.execute("SET LOCAL app.retention = 'off'")
    return _expired(instances, counts)


def _limits(scope: Scope, settings: ContinuitySettings, log: _Log) -> tuple[int, int, int]:
    return scope.account_id, settings.session_days, getattr(settings, log.days)


def _expired(instances: list[str], counts: dict[str, int]) -> Expired:
    return Expired(
        instances=instances,
        commands=counts["command_log"],
        events=counts["event_store"],
        checkpoints=counts["checkpoints"],
    )
