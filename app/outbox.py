"""The statement that writes a transaction's events.

It must be the transaction's last one: it takes the account's counter, which numbers the events and
holds up every other writer of the account. A lock taken after it could deadlock with them.
"""

import functools
from collections.abc import Sequence

import msgspec


class FeedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event buffered until the end of its transaction (see `feed.record`)."""

    name: str
    entity_kind: str
    entity_id: str
    project_id: int | None
    user_id: int | None
    token_id: int | None
    payload: msgspec.Raw


def encoded(events: Sequence[FeedEvent]) -> str:
    """Encode events as the parameter of the statements below."""
    return msgspec.json.encode(events).decode()


@functools.cache
def recording(statement: str, events: int) -> str:
    """Extend a statement so that it also writes the events of the parameter with this number.

    The statement must begin with WITH, and its $1 must be the account.
    """
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
