"""The statement that writes a transaction's events: its last one, for it takes its last lock.

The account's counter gives them their sequence. Whoever holds it holds up every other transaction
of the account, and whoever locked anything after it could deadlock with them.
"""

import functools
from collections.abc import Sequence

import msgspec


class FeedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits for the end of its transaction (see `feed.record`)."""

    name: str
    entity_kind: str
    entity_id: str
    project_id: int | None
    user_id: int | None
    token_id: int | None
    payload: msgspec.Raw


def encoded(events: Sequence[FeedEvent]) -> str:
    """The parameter that the statements below ask for."""
    return msgspec.json.encode(events).decode()


@functools.cache
def recording(statement: str, events: int) -> str:
    """A statement WITH something, whose $1 is the account, that also writes the events of the
    parameter with this number."""
    clauses = _CLAUSES.format(events=f"${events}::jsonb")
    return f"WITH {clauses}, {statement.strip().removeprefix('WITH ')}"


_CLAUSES = """counter AS (
    INSERT INTO feed_counters AS c (account_id, sequence) VALUES ($1, jsonb_array_length({events}))
    ON CONFLICT (account_id) DO UPDATE SET sequence = c.sequence + jsonb_array_length({events})
    RETURNING sequence
), recorded AS (
    INSERT INTO feed_events (account_id, sequence, name, entity_kind, entity_id,
                             project_id, user_id, token_id, payload)
    SELECT $1, counter.sequence - jsonb_array_length({events}) + e.position,
           e.name, e.entity_kind, e.entity_id, e.project_id, e.user_id, e.token_id, e.payload
    FROM counter, ROWS FROM (
        jsonb_to_recordset({events}) AS (
            name text, entity_kind text, entity_id text, project_id bigint, user_id bigint,
            token_id bigint, payload jsonb)
    ) WITH ORDINALITY AS e (name, entity_kind, entity_id, project_id, user_id, token_id, payload,
                            position)
)"""
RECORD = f"WITH {_CLAUSES.format(events='$2::jsonb')} SELECT"
