"""The hot statements of the fleet.

Locks are taken agents first, then work items, each in the order of their keys. The rows are then
read again by another statement, since the snapshot of one that waited may be older than the change
it waited for.

`$1` is the account everywhere; `project_wall` hides the rows of other projects.
"""

from typing import NamedTuple
from uuid import UUID

from app.contexts.fleet.staleness import SILENT, STALE
from app.queries import Query, project_wall

# Makes the planner look rows up by key. Where most accounts are small it would read all rows of a
# large one; a LIMIT that is a parameter it takes for a tenth.
_WANTED = """(
        SELECT DISTINCT key FROM unnest($2::text[]) AS given (key) LIMIT cardinality($2)
    ) AS wanted"""

_AGE = "extract(epoch FROM greatest(clock_timestamp() - agent.heartbeat_at, interval '0'))"

# A heartbeat is written at most once in five seconds, unless it brings an agent back. One in the
# future was written before the clock was set back; it would keep a dead agent alive until then.
_QUIET = (
    "agent.heartbeat_at NOT BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp()"
)
_ALIVE = "CASE WHEN agent.sd_id IS NULL THEN 'idle' ELSE 'active' END"


class Sighting(NamedTuple):
    """A sign of life of an agent; of what is already known, None changes nothing."""

    account_id: int
    session_id: str
    new_id: UUID
    project_id: int | None
    strict_project_id: int | None
    codebase: str | None
    hostname: str | None
    pid: int | None
    tty: str | None
    metadata: str


_CHANGED = """(coalesce(:codebase, agent.codebase), coalesce(:hostname, agent.hostname),
        coalesce(:pid, agent.pid), coalesce(:tty, agent.tty), agent.metadata || :metadata::jsonb)
        IS DISTINCT FROM
        (agent.codebase, agent.hostname, agent.pid, agent.tty, agent.metadata)"""
_DUE = f"({_QUIET} OR agent.status IN ('stale', 'released') OR {_CHANGED})"
# Writes nothing, not even a lock, for an agent that is neither new nor due.
OBSERVE = Query(
    Sighting,
    f"""
WITH known AS (
    SELECT agent.status, coalesce({project_wall(":strict_project_id", "agent")}, false) AS visible,
           {_DUE} AS due, {_CHANGED} AS changed
    FROM claude_sessions AS agent
    WHERE agent.account_id = :account_id AND agent.session_id = :session_id
), written AS (
    INSERT INTO claude_sessions AS agent (account_id, session_id, id, project_id, status,
                                          codebase, hostname, pid, tty, metadata)
    SELECT :account_id, :session_id, :new_id, :project_id, 'idle', :codebase::text,
           :hostname::text, :pid::integer, :tty::text, :metadata::jsonb
    WHERE NOT EXISTS (SELECT FROM known WHERE NOT (visible AND due))
    ON CONFLICT (account_id, session_id) DO UPDATE
    SET codebase = coalesce(:codebase, agent.codebase),
        hostname = coalesce(:hostname, agent.hostname), pid = coalesce(:pid, agent.pid),
        tty = coalesce(:tty, agent.tty), metadata = agent.metadata || :metadata::jsonb,
        status = {_ALIVE}, heartbeat_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE {project_wall(":strict_project_id", "agent")} AND {_DUE}
    RETURNING agent.xmax = 0 AS created, agent.project_id
)
SELECT (SELECT created FROM written) AS created, (SELECT project_id FROM written) AS project_id,
       (SELECT status FROM known) AS before, (SELECT visible FROM known) AS visible,
       (SELECT changed FROM known) AS changed
""",  # noqa: S608 - constants
)
HEARTBEATS = f"""
WITH due AS (
    SELECT agent.id, agent.status
    FROM {_WANTED} JOIN claude_sessions AS agent ON agent.session_id = wanted.key
    WHERE agent.account_id = $1
      AND agent.status <> 'released' AND {project_wall("$3", "agent")}
      AND ({_QUIET} OR agent.status = 'stale')
    ORDER BY agent.id FOR NO KEY UPDATE OF agent
)
UPDATE claude_sessions AS agent
SET status = {_ALIVE}, heartbeat_at = clock_timestamp(), updated_at = clock_timestamp()
FROM due WHERE agent.account_id = $1 AND agent.id = due.id
RETURNING agent.session_id, agent.project_id, due.status AS before
"""  # noqa: S608 - constants
STATUSES = f"""
SELECT session_id, status, sd_id,
       CASE WHEN status = 'released' THEN 'agent_released' ELSE 'ok' END AS result
FROM {_WANTED} JOIN claude_sessions ON session_id = wanted.key
WHERE account_id = $1 AND {project_wall("$3")}
"""  # noqa: S608 - constants

LOCK_AGENTS = f"""
SELECT agent.session_id, agent.project_id, agent.status, agent.sd_id
FROM {_WANTED} JOIN claude_sessions AS agent ON agent.session_id = wanted.key
WHERE agent.account_id = $1 ORDER BY agent.id FOR NO KEY UPDATE OF agent
"""  # noqa: S608 - constants
LOCK_ITEMS = f"""
SELECT item.key FROM {_WANTED} JOIN work_items AS item ON item.key = wanted.key
WHERE item.account_id = $1 ORDER BY item.key FOR NO KEY UPDATE OF item
"""  # noqa: S608 - constants
# A heartbeat in the future was written before the clock was set back. It is set to now: an agent
# that lives sends the next one, and one that has died is silent from now on.
REWIND = """
UPDATE claude_sessions AS agent SET heartbeat_at = clock_timestamp()
FROM (
    SELECT id FROM claude_sessions
    WHERE account_id = $1 AND status IN ('active', 'idle') AND heartbeat_at > now()
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) AS ahead
WHERE agent.account_id = $1 AND agent.id = ahead.id
"""
# Skips agents that are sending a heartbeat or claiming an item.
LOCK_SILENT = f"""
SELECT agent.session_id, agent.sd_id FROM claude_sessions AS agent
WHERE agent.account_id = $1 AND agent.status IN ('active', 'idle')
  AND {SILENT}
ORDER BY agent.heartbeat_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - constants

# The agents and the items they hold are locked. The heartbeat is kept.
CLOSE = f"""
WITH closed AS (
    UPDATE claims SET released_at = clock_timestamp(), release_reason = $3 FROM {_WANTED}
    WHERE account_id = $1 AND session_id = wanted.key AND released_at IS NULL
    RETURNING id, work_item, session_id, track, fencing_token
), item AS (
    UPDATE work_items SET updated_at = clock_timestamp() FROM closed
    WHERE work_items.account_id = $1 AND work_items.key = closed.work_item
    RETURNING work_items.key, work_items.project_id
), agent AS (
    UPDATE claude_sessions SET sd_id = NULL, track = NULL, claimed_at = NULL, status = $4,
           updated_at = clock_timestamp()
    FROM {_WANTED} WHERE account_id = $1 AND session_id = wanted.key
    RETURNING session_id, project_id
)
SELECT agent.session_id, agent.project_id, closed.id AS claim_id, closed.work_item,
       closed.track, closed.fencing_token, item.project_id AS item_project_id
FROM agent LEFT JOIN closed ON closed.session_id = agent.session_id
LEFT JOIN item ON item.key = closed.work_item
"""  # noqa: S608 - constants
GRANT = """
WITH moment AS (SELECT clock_timestamp() AS at), item AS (
    UPDATE work_items SET fencing_token = fencing_token + 1, updated_at = moment.at
    FROM moment WHERE account_id = $1 AND key = $2
    RETURNING key, track, fencing_token
), agent AS (
    UPDATE claude_sessions SET status = 'active', sd_id = item.key, track = item.track,
           claimed_at = moment.at, heartbeat_at = moment.at, updated_at = moment.at
    FROM moment, item WHERE account_id = $1 AND session_id = $3
)
INSERT INTO claims (account_id, work_item, session_id, track, claimed_at, fencing_token)
SELECT $1, item.key, $3, item.track, moment.at, item.fencing_token FROM moment, item
RETURNING *
"""

ITEM = f"""
SELECT item.key, item.project_id, item.status, item.track, item.is_ready,
       claim.session_id, {_AGE} AS age, {STALE} AS stale
FROM work_items AS item
LEFT JOIN claims AS claim ON claim.account_id = item.account_id
    AND claim.work_item = item.key AND claim.released_at IS NULL
LEFT JOIN claude_sessions AS agent ON agent.account_id = claim.account_id
    AND agent.session_id = claim.session_id
WHERE item.account_id = $1 AND item.key = $2 AND {project_wall("$3", "item")}
"""  # noqa: S608 - constants
# The other item of each unresolved conflict, and its holder if the holder is alive.
NEIGHBOURS = f"""
SELECT item.key, coalesce({project_wall("$3", "item")}, false) AS visible,
       conflict.conflict_type, conflict.severity, agent.session_id, {_AGE} AS age
FROM work_item_conflicts AS conflict
JOIN work_items AS item ON item.account_id = conflict.account_id AND item.key =
    CASE WHEN conflict.work_item_a = $2 THEN conflict.work_item_b ELSE conflict.work_item_a END
LEFT JOIN claims AS claim ON claim.account_id = item.account_id
    AND claim.work_item = item.key AND claim.released_at IS NULL
LEFT JOIN claude_sessions AS agent ON agent.account_id = claim.account_id
    AND agent.session_id = claim.session_id AND NOT {STALE}
WHERE conflict.account_id = $1 AND $2 IN (conflict.work_item_a, conflict.work_item_b)
  AND conflict.resolved_at IS NULL
ORDER BY conflict.id
"""  # noqa: S608 - constants
# Another agent than $4 that works on the track.
BUSY = f"""
SELECT item.key, coalesce({project_wall("$3", "item")}, false) AS visible,
       agent.session_id, {_AGE} AS age
FROM claims AS claim
JOIN work_items AS item ON item.account_id = claim.account_id AND item.key = claim.work_item
JOIN claude_sessions AS agent ON agent.account_id = claim.account_id
    AND agent.session_id = claim.session_id AND NOT {STALE}
WHERE claim.account_id = $1 AND claim.released_at IS NULL AND item.track = $2
  AND claim.session_id <> $4
ORDER BY claim.id LIMIT 1
"""  # noqa: S608 - constants

# The first item of the list of claimable ones, which `queries.availability_rank` ranks.
NEXT = f"""
WITH live AS MATERIALIZED (
    SELECT item.key, item.track FROM claims AS claim
    JOIN work_items AS item ON item.account_id = claim.account_id AND item.key = claim.work_item
    JOIN claude_sessions AS agent ON agent.account_id = $1
        AND agent.session_id = claim.session_id AND NOT {STALE}
    WHERE claim.account_id = $1 AND claim.released_at IS NULL
)
SELECT item.key FROM work_items AS item
WHERE item.account_id = $1 AND item.status = 'open' AND item.is_ready
  AND {project_wall("$2", "item")} AND ($3::text IS NULL OR item.track = $3)
  AND item.key <> ALL ($4::text[]) AND item.key NOT IN (SELECT key FROM live)
  AND NOT EXISTS (
    SELECT FROM work_item_conflicts AS conflict JOIN live
        ON live.key IN (conflict.work_item_a, conflict.work_item_b) AND live.key <> item.key
    WHERE conflict.account_id = $1 AND item.key IN (conflict.work_item_a, conflict.work_item_b)
      AND conflict.severity = 'blocking' AND conflict.resolved_at IS NULL
  )
ORDER BY item.track <> 'STANDALONE' AND item.track IN (SELECT track FROM live),
         item.track, item.sequence_rank, item.key
LIMIT 1
"""  # noqa: S608 - constants
# Skips items that other transactions have locked.
NEXT_UNLOCKED = f"{NEXT} FOR NO KEY UPDATE OF item SKIP LOCKED"
