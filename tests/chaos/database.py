"""What must be true in the tables whatever has happened, asked past all row security."""

import asyncpg

from tests.chaos.ledger import Ledger

# Each returns the rows that break a rule.
BROKEN = {
    "the counters of a session agree with its row": """
        SELECT account_id, id FROM sessions
        WHERE interaction_count - sealed_count <> jsonb_array_length(interactions)
    """,
    "sealed is what is in the pages": """
        SELECT s.account_id, s.id, s.sealed_count, coalesce(sum(last_seq - first_seq + 1), 0)
        FROM sessions AS s LEFT JOIN interaction_pages AS p
            ON p.account_id = s.account_id AND p.session_id = s.id
        GROUP BY s.account_id, s.id
        HAVING s.sealed_count <> coalesce(sum(last_seq - first_seq + 1), 0)
            OR s.sealed_count <> coalesce(max(last_seq), 0)
    """,
    "pages follow one another": """
        SELECT * FROM (
            SELECT account_id, session_id, first_seq,
                   lag(last_seq, 1, 0::bigint) OVER (
                       PARTITION BY account_id, session_id ORDER BY first_seq) AS previous
            FROM interaction_pages) AS page
        WHERE first_seq <> previous + 1
    """,
    "a page holds what it says, in order": """
        SELECT account_id, session_id, first_seq FROM interaction_pages
        WHERE (SELECT array_agg((document ->> 'seq')::bigint ORDER BY position)
               FROM jsonb_array_elements(interactions) WITH ORDINALITY AS d (document, position))
            IS DISTINCT FROM ARRAY(SELECT generate_series(first_seq, last_seq))
    """,
    "the keys are those of the pages": """
        SELECT * FROM interaction_keys AS key FULL JOIN (
            SELECT account_id, session_id, (document ->> 'id')::uuid AS id,
                   (document ->> 'seq')::bigint AS seq
            FROM interaction_pages, jsonb_array_elements(interactions) AS document) AS sealed
            USING (account_id, session_id, id, seq)
        WHERE key.xmin IS NULL OR sealed.seq IS NULL
    """,
    "the feed's counter is its last sequence, and no sequence is missing": """
        SELECT account_id, sequence FROM feed_counters AS counter
        WHERE sequence <> (SELECT max(sequence) FROM feed_events AS e
                           WHERE e.account_id = counter.account_id)
           OR sequence <> (SELECT count(*) FROM feed_events AS e
                           WHERE e.account_id = counter.account_id)
    """,
    "no key without its answer": """
        SELECT account_id, key FROM idempotency_keys
        WHERE body IS NULL OR status NOT BETWEEN 200 AND 299
    """,
    "an item has one live claim at most, and its tokens are 1 to n": """
        SELECT item.account_id, item.key FROM work_items AS item JOIN claims AS claim
            ON claim.account_id = item.account_id AND claim.work_item = item.key
        GROUP BY item.account_id, item.key, item.fencing_token
        HAVING count(*) FILTER (WHERE released_at IS NULL) > 1
            OR count(DISTINCT claim.fencing_token) <> count(*)
            OR max(claim.fencing_token) <> item.fencing_token
    """,
}
FOREIGN_KEYS = """
SELECT conname, conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
       ARRAY(SELECT quote_ident(attname) FROM unnest(conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS own,
       ARRAY(SELECT quote_ident(attname) FROM unnest(confkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place) AS other
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
ANSWERED = "SELECT key FROM idempotency_keys WHERE account_id = $1"


async def verify_tables(database_url: str, ledgers: list[Ledger]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for rule, statement in BROKEN.items():
            rows = await connection.fetch(statement)
            assert [tuple(row) for row in rows] == [], rule
        # Not by the indexes that a crash could have left out of step with their tables.
        await connection.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off")
        keys = await connection.fetch(FOREIGN_KEYS)
        assert len(keys) > 20
        for key in keys:
            orphans = await connection.fetchval(_orphans(key))
            assert orphans == 0, key["conname"]
        for ledger in ledgers:
            answered = await connection.fetch(ANSWERED, ledger.account.id)
            assert sorted(row["key"] for row in answered) == sorted(ledger.keys)
    finally:
        await connection.close()


def _orphans(key: asyncpg.Record) -> str:
    pairs = list(zip(key["own"], key["other"], strict=True))
    return f"""
        SELECT count(*) FROM {key["child"]} AS child
        WHERE {" AND ".join(f"child.{own} IS NOT NULL" for own, _ in pairs)}
          AND NOT EXISTS (SELECT FROM {key["parent"]} AS parent
                          WHERE {" AND ".join(f"parent.{b} = child.{a}" for a, b in pairs)})
    """
