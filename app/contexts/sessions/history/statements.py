"""SQL for a session's row, its sealed pages and the keys that find them.

Only this package knows these tables. One plan serves every account and is made for an average one,
so each statement reaches its rows by key behind an optimisation fence (a lock, OFFSET 0, LIMIT):
where most accounts have a handful of sessions, the planner would otherwise read every session of
an account that has thousands.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from app.queries import Query, project_wall

_WALL = project_wall(":project_id")

# The fields of `LockedSession`, in their order.
_COUNTERS = """
id, status, type, project_id, version, interaction_count, clock_timestamp() AS now,
interaction_count - sealed_count AS tail_count, tail_bytes
"""
# As text: the driver would decode to dictionaries what is decoded to structs here.
_ROW = f"""{_COUNTERS}, title, client, environment, component_id, parent_session_id, state,
needs_input"""
_TAIL = f"{_ROW}, interactions::text"


class Wanted(NamedTuple):
    """Sessions by their ids; `project_id` is the only visible project, None for any."""

    account_id: int
    session_ids: Sequence[int]
    project_id: int | None


class External(NamedTuple):
    account_id: int
    external_id: str


def _locking(columns: str, *, mode: str = "FOR NO KEY UPDATE") -> str:
    return f"""
    SELECT session.* FROM unnest(:session_ids::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT {columns} FROM sessions
        WHERE account_id = :account_id AND id = wanted.id AND {_WALL}
        {mode}
    ) AS session
    """  # noqa: S608 - constants of this module


LOCK = Query(Wanted, _locking(_COUNTERS))
LOCK_FREE = Query(Wanted, _locking(_COUNTERS, mode="FOR NO KEY UPDATE SKIP LOCKED"))
LOCK_ROW = Query(Wanted, _locking(_ROW))
LOCK_TAIL = Query(Wanted, _locking(_TAIL))
LOCK_EXTERNAL = Query(
    External,
    f"""
    SELECT {_TAIL} FROM sessions
    WHERE account_id = :account_id AND external_id = :external_id FOR NO KEY UPDATE
    """,  # noqa: S608 - constants of this module
)
# With what the steps of a workflow are told.
LOCK_FACTS = Query(
    Wanted,
    f"""
    SELECT session.*, p.name AS project_name, p.module_name AS project_module_name,
           p.description AS project_description, p.settings,
           c.name AS component_name, c.type AS component_type,
           c.module_name AS component_module_name, c.description AS component_description
    FROM ({_locking(_TAIL)}) AS session
    LEFT JOIN projects AS p ON p.account_id = :account_id AND p.id = session.project_id
    LEFT JOIN components AS c ON c.account_id = :account_id AND c.id = session.component_id
    """,  # noqa: S608 - constants of this module
)
TAILS = Query(
    Wanted,
    f"""
    SELECT session.* FROM unnest(:session_ids::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT id, interactions::text FROM sessions
        WHERE account_id = :account_id AND id = wanted.id AND {_WALL}
        OFFSET 0
    ) AS session
    """,  # noqa: S608 - constants of this module
)


class Storing(msgspec.Struct, kw_only=True):
    """One element of each sequence for each session, then for each page.

    A session's `tails` element is appended to its tail, or replaces it if `anew`. Pages are whole;
    one that `continues` starts with what the row's tail holds now.
    """

    account_id: int
    session_ids: Sequence[int]
    versions: Sequence[int]
    tails: Sequence[str]
    tail_bytes: Sequence[int]
    counts: Sequence[int]
    last: Sequence[str | None]
    anew: Sequence[bool]
    page_session_ids: Sequence[int] = ()
    first_seqs: Sequence[int] = ()
    last_seqs: Sequence[int] = ()
    pages: Sequence[str] = ()
    continues: Sequence[bool] = ()


class StoringChange(Storing, kw_only=True):
    """`Storing` for one session, and its row's new values. `state` is JSON, None if unchanged."""

    status: str
    project_id: int | None
    title: str | None
    client: str | None
    environment: str | None
    component_id: int | None
    parent_session_id: int | None
    state: str | None
    needs_input: str | None


# A session that has another version, or that another transaction holds, is not among those
# returned. Nor does it get a page: the page's reference would wait for the holder, who may be
# waiting for what is held here.
_STORE = """
WITH new AS MATERIALIZED (
    SELECT given.* FROM (
        SELECT *
        FROM unnest(:session_ids::bigint[], :versions::bigint[], :tails::jsonb[],
                    :tail_bytes::bigint[], :counts::bigint[], :last::jsonb[], :anew::boolean[])
             AS given (session_id, expected, tail, bytes, count, last, anew)
        LIMIT cardinality(:session_ids)  -- all of them, taken for few
    ) AS given CROSS JOIN LATERAL (
        SELECT FROM sessions
        WHERE account_id = :account_id AND id = given.session_id AND version = given.expected
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS session
), sealed AS (
    INSERT INTO interaction_pages (account_id, session_id, first_seq, last_seq, interactions)
    SELECT :account_id, page.session_id, page.first_seq, page.last_seq,
           CASE WHEN page.interactions = '[]' THEN  -- as they are, which keeps them compressed
               (SELECT interactions FROM sessions
                WHERE account_id = :account_id AND id = page.session_id)
           WHEN page.continues THEN
               (SELECT interactions FROM sessions
                WHERE account_id = :account_id AND id = page.session_id)
               || page.interactions
           ELSE page.interactions END
    FROM unnest(:page_session_ids::bigint[], :first_seqs::bigint[], :last_seqs::bigint[],
                :pages::jsonb[], :continues::boolean[])
         AS page (session_id, first_seq, last_seq, interactions, continues)
         JOIN new USING (session_id)
    RETURNING session_id, interactions
), keys AS (
    INSERT INTO interaction_keys (account_id, session_id, id, seq)
    SELECT :account_id, session_id, (document ->> 'id')::uuid, (document ->> 'seq')::bigint
    FROM sealed, jsonb_array_elements(sealed.interactions) AS document
)
UPDATE sessions SET
       interactions = CASE WHEN new.anew THEN new.tail WHEN new.tail = '[]' THEN interactions
                      ELSE interactions || new.tail END,
       sealed_count = CASE WHEN new.anew THEN new.count - jsonb_array_length(new.tail)
                      ELSE sealed_count END,
       tail_bytes = new.bytes, interaction_count = new.count,
       last_interaction = coalesce(new.last, last_interaction),{change}
       version = version + 1, updated_at = clock_timestamp()
FROM new
WHERE account_id = :account_id AND id = new.session_id
RETURNING id, status, type, project_id, version, interaction_count, clock_timestamp(),
          interaction_count - sealed_count, tail_bytes
"""
# A session ends once: what ended it first stays the time of its end.
_CHANGE = """
       status = :status, project_id = :project_id, title = :title, client = :client,
       environment = :environment, component_id = :component_id,
       parent_session_id = :parent_session_id,
       state = coalesce(:state::jsonb, state),
       needs_input = :needs_input::jsonb,
       ended_at = CASE WHEN :status <> 'active' THEN coalesce(ended_at, clock_timestamp()) END,"""
STORE = Query(Storing, _STORE.format(change=""))
STORE_CHANGE = Query(StoringChange, _STORE.format(change=_CHANGE))


class Keys(NamedTuple):
    account_id: int
    session_ids: Sequence[int]
    ids: Sequence[UUID]


class Name(NamedTuple):
    account_id: int
    session_id: int
    id: UUID
    seq: int


class Page(NamedTuple):
    """The sealed page that holds `seq`."""

    account_id: int
    session_id: int
    seq: int


class RewrittenPage(NamedTuple):
    account_id: int
    session_id: int
    first_seq: int
    interactions: str


class Reading(NamedTuple):
    """Interactions with `after < seq < before`, at most `limit`, from the end that `ascending`
    names."""

    account_id: int
    session_id: int
    project_id: int | None
    after: int
    before: int | None
    limit: int
    ascending: bool


KEYS = Query(
    Keys,
    """
    SELECT session_id, id, seq FROM interaction_keys
    WHERE account_id = :account_id AND session_id = ANY(:session_ids) AND id = ANY(:ids)
    """,
)
NAME = Query(
    Name,
    """
    INSERT INTO interaction_keys (account_id, session_id, id, seq)
    VALUES (:account_id, :session_id, :id, :seq) ON CONFLICT DO NOTHING
    """,
)
PAGE = Query(
    Page,
    """
    SELECT first_seq, interactions::text FROM interaction_pages
    WHERE account_id = :account_id AND session_id = :session_id AND first_seq <= :seq
    ORDER BY first_seq DESC LIMIT 1
    """,
)
REWRITE_PAGE = Query(
    RewrittenPage,
    """
    UPDATE interaction_pages SET interactions = :interactions::jsonb
    WHERE account_id = :account_id AND session_id = :session_id AND first_seq = :first_seq
    """,
)
# The row's tail, and the pages of the window, which starts in the last page that begins at or
# before its first seq. Unordered: they are too large to be sorted here.
READ = Query(
    Reading,
    f"""
    WITH session AS (
        SELECT interactions, sealed_count, least(interaction_count, :before::bigint - 1) AS newest
        FROM sessions
        WHERE account_id = :account_id AND id = :session_id AND {_WALL}
    ), bounds AS (
        SELECT interactions, sealed_count,
               CASE WHEN :ascending THEN :after::bigint + 1
                    ELSE greatest(:after + 1, newest - :limit::bigint + 1) END AS oldest,
               CASE WHEN :ascending THEN least(newest, :after + :limit) ELSE newest END AS newest
        FROM session
    ), start AS MATERIALIZED (
        SELECT (SELECT max(first_seq) FROM interaction_pages
                WHERE account_id = :account_id AND session_id = :session_id
                  AND first_seq <= oldest) AS first_seq,
               least(newest, sealed_count) AS last_seq, oldest, newest
        FROM bounds
    )
    SELECT interactions::text, oldest, newest FROM bounds
    UNION ALL
    SELECT page.interactions::text, oldest, newest
    FROM start CROSS JOIN LATERAL (
        SELECT interactions FROM interaction_pages
        WHERE account_id = :account_id AND session_id = :session_id
          AND first_seq BETWEEN start.first_seq AND start.last_seq
        OFFSET 0
    ) AS page
    """,  # noqa: S608 - constants of this module
)
