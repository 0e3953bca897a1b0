"""What PostgreSQL is asked for the history of a session; only `history` and `locking` know these
tables.

One plan serves every account, and it is made for an average one. What is searched for by key is
therefore kept apart from the rest (a lock, OFFSET 0, LIMIT): where most accounts have a handful of
sessions, the planner would otherwise read all sessions of an account that has thousands.
"""

LOCK = """
SELECT session.* FROM unnest($2::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT id, status, type, project_id, version, interaction_count, clock_timestamp() AS now,
           interaction_count - sealed_count AS tail_count, tail_bytes
    FROM sessions
    WHERE account_id = $1 AND id = wanted.id AND ($3::bigint IS NULL OR project_id = $3)
    FOR UPDATE
) AS session
"""
LOCK_FREE = LOCK.replace("FOR UPDATE", "FOR UPDATE SKIP LOCKED")
# As text: the driver would decode to dictionaries what is decoded to structs here.
LOCK_TAIL = LOCK.replace("tail_bytes", "tail_bytes, interactions::text")
# With what the steps of a workflow are told.
LOCK_FACTS = """
SELECT session.*, p.name AS project_name, p.module_name AS project_module_name,
       p.description AS project_description, p.settings,
       c.name AS component_name, c.type AS component_type,
       c.module_name AS component_module_name, c.description AS component_description
FROM unnest($2::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT id, status, type, project_id, version, interaction_count, clock_timestamp() AS now,
           interaction_count - sealed_count AS tail_count, tail_bytes, interactions::text,
           title, environment, state, component_id
    FROM sessions
    WHERE account_id = $1 AND id = wanted.id AND ($3::bigint IS NULL OR project_id = $3)
    FOR UPDATE
) AS session
LEFT JOIN projects AS p ON p.account_id = $1 AND p.id = session.project_id
LEFT JOIN components AS c ON c.account_id = $1 AND c.id = session.component_id
"""
TAILS = """
SELECT session.* FROM unnest($2::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT id, interactions::text, interaction_count FROM sessions
    WHERE account_id = $1 AND id = wanted.id AND ($3::bigint IS NULL OR project_id = $3)
    OFFSET 0
) AS session
"""
# $2–$8 hold one element for each session, $9–$13 one for each page: pages are whole, and the first
# of a session takes up what its row holds now (if $13), whose tail then begins anew ($8). $14 and
# $15 are the state and the status that a workflow's only session has then, null if they stay. A
# session that has another version than $3, or that somebody else holds, is not among those
# returned. Nor does it get a page, whose reference would wait for the holder, who may wait for what
# is held here.
STORE = """
WITH new AS MATERIALIZED (
    SELECT given.* FROM (
        SELECT *
        FROM unnest($2::bigint[], $3::bigint[], $4::jsonb[], $5::bigint[], $6::bigint[],
                    $7::jsonb[], $8::boolean[])
             AS given (session_id, expected, tail, bytes, count, last, anew)
        LIMIT cardinality($2)  -- all of them, taken for few
    ) AS given CROSS JOIN LATERAL (
        SELECT FROM sessions
        WHERE account_id = $1 AND id = given.session_id AND version = given.expected
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS session
), sealed AS (
    INSERT INTO interaction_pages (account_id, session_id, first_seq, last_seq, interactions)
    SELECT $1, page.session_id, page.first_seq, page.last_seq,
           CASE WHEN page.interactions = '[]' THEN  -- as they are, which keeps them compressed
               (SELECT interactions FROM sessions WHERE account_id = $1 AND id = page.session_id)
           WHEN page.continues THEN
               (SELECT interactions FROM sessions WHERE account_id = $1 AND id = page.session_id)
               || page.interactions
           ELSE page.interactions END
    FROM unnest($9::bigint[], $10::bigint[], $11::bigint[], $12::jsonb[], $13::boolean[])
         AS page (session_id, first_seq, last_seq, interactions, continues)
         JOIN new USING (session_id)
    RETURNING session_id, interactions
), keys AS (
    INSERT INTO interaction_keys (account_id, session_id, id, seq)
    SELECT $1, session_id, (document ->> 'id')::uuid, (document ->> 'seq')::bigint
    FROM sealed, jsonb_array_elements(sealed.interactions) AS document
)
UPDATE sessions SET
       interactions = CASE WHEN new.anew THEN new.tail ELSE interactions || new.tail END,
       sealed_count = CASE WHEN new.anew THEN new.count - jsonb_array_length(new.tail)
                      ELSE sealed_count END,
       tail_bytes = new.bytes, interaction_count = new.count,
       last_interaction = coalesce(new.last, last_interaction),
       state = coalesce($14, state), status = coalesce($15, status),
       ended_at = CASE WHEN $15 <> 'active' THEN clock_timestamp() ELSE ended_at END,
       needs_input = CASE WHEN $15 <> 'active' THEN NULL ELSE needs_input END,
       version = version + 1, updated_at = clock_timestamp()
FROM new
WHERE account_id = $1 AND id = new.session_id
RETURNING id, status, type, project_id, version, interaction_count, clock_timestamp(),
          interaction_count - sealed_count, tail_bytes
"""
KEYS = """
SELECT session_id, id, seq FROM interaction_keys
WHERE account_id = $1 AND session_id = ANY($2) AND id = ANY($3)
"""
NAME = """
INSERT INTO interaction_keys (account_id, session_id, id, seq) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
PAGE = """
SELECT first_seq, interactions::text FROM interaction_pages
WHERE account_id = $1 AND session_id = $2 AND first_seq <= $3 ORDER BY first_seq DESC LIMIT 1
"""
REWRITE_PAGE = """
UPDATE interaction_pages SET interactions = $4::jsonb
WHERE account_id = $1 AND session_id = $2 AND first_seq = $3
"""
# What the row holds, and the pages of the window, which starts in the last page that begins at or
# before its first seq; in no order, for they are too large to be sorted here.
READ = """
WITH session AS (
    SELECT interactions, sealed_count, least(interaction_count, $5::bigint - 1) AS newest
    FROM sessions
    WHERE account_id = $1 AND id = $2 AND ($3::bigint IS NULL OR project_id = $3)
), bounds AS (
    SELECT interactions, sealed_count,
           CASE WHEN $7 THEN $4::bigint + 1
                ELSE greatest($4 + 1, newest - $6::bigint + 1) END AS oldest,
           CASE WHEN $7 THEN least(newest, $4 + $6) ELSE newest END AS newest
    FROM session
), start AS MATERIALIZED (
    SELECT (SELECT max(first_seq) FROM interaction_pages
            WHERE account_id = $1 AND session_id = $2 AND first_seq <= oldest) AS first_seq,
           least(newest, sealed_count) AS last_seq, oldest, newest
    FROM bounds
)
SELECT interactions::text, oldest, newest FROM bounds
UNION ALL
SELECT page.interactions::text, oldest, newest
FROM start CROSS JOIN LATERAL (
    SELECT interactions FROM interaction_pages
    WHERE account_id = $1 AND session_id = $2
      AND first_seq BETWEEN start.first_seq AND start.last_seq
    OFFSET 0
) AS page
"""
