"""A session's interactions: the newest embedded in its row, the older ones sealed in pages.

Appending costs the same at any length: the row holds at most `TAIL_COUNT` documents or
`TAIL_BYTES`, and what no longer fits goes into a page that only a late result touches again.
Nothing outside this module knows that pages exist. Every write holds the lock of the session's
row; `seq` numbers interactions 1, 2, 3… without a gap.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from app.contexts.sessions.documents import shown, summary
from app.contexts.sessions.packing import pack
from app.db import Db
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

_decode = msgspec.json.Decoder(list[StoredInteraction]).decode
_encode = msgspec.json.Encoder().encode

_LOCK = """
SELECT status, type, project_id, version, interaction_count, clock_timestamp() AS now,
       interaction_count - sealed_count AS tail_count, pg_column_size(interactions) AS tail_bytes
FROM sessions WHERE account_id = $1 AND id = $2
"""
_IN_PROJECT = " AND project_id = $3"
# As text: the driver would decode to dictionaries what is decoded to structs here.
_TAIL = """
SELECT interactions::text, interaction_count FROM sessions WHERE account_id = $1 AND id = $2
"""
_EXTEND = """
UPDATE sessions SET interactions = interactions || $3::jsonb, interaction_count = $4,
       last_interaction = $5::jsonb, version = version + 1, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2 RETURNING version
"""
# $6–$8 are whole pages; the first of them (if $9) begins with what the row holds now.
_SEAL = """
WITH sealed AS (
    INSERT INTO interaction_pages (account_id, session_id, first_seq, last_seq, interactions)
    SELECT $1, $2, page.first_seq, page.last_seq,
           CASE WHEN $9 AND page.position = 1 THEN
               (SELECT interactions FROM sessions WHERE account_id = $1 AND id = $2)
               || page.interactions
           ELSE page.interactions END
    FROM unnest($6::bigint[], $7::bigint[], $8::jsonb[])
         WITH ORDINALITY AS page (first_seq, last_seq, interactions, position)
    RETURNING interactions
), keys AS (
    INSERT INTO interaction_keys (account_id, session_id, id, seq)
    SELECT $1, $2, (document ->> 'id')::uuid, (document ->> 'seq')::bigint
    FROM sealed, jsonb_array_elements(sealed.interactions) AS document
)
UPDATE sessions SET interactions = $3::jsonb, interaction_count = $4::bigint,
       sealed_count = $4::bigint - jsonb_array_length($3::jsonb),
       last_interaction = $5::jsonb, version = version + 1, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2 RETURNING version
"""
_KEYS = """
SELECT id, seq FROM interaction_keys WHERE account_id = $1 AND session_id = $2 AND id = ANY($3)
"""
_NAME = """
INSERT INTO interaction_keys (account_id, session_id, id, seq) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_PAGE = """
SELECT first_seq, interactions::text FROM interaction_pages
WHERE account_id = $1 AND session_id = $2 AND first_seq <= $3 ORDER BY first_seq DESC LIMIT 1
"""
_REWRITE_PAGE = """
UPDATE interaction_pages SET interactions = $4::jsonb
WHERE account_id = $1 AND session_id = $2 AND first_seq = $3
"""
_TOUCH = """
UPDATE sessions SET version = version + 1, updated_at = clock_timestamp(),
       last_interaction = coalesce($3::jsonb, last_interaction)
WHERE account_id = $1 AND id = $2 RETURNING version
"""
# The first page of the window is the last one that starts at or before its first seq. A join, not
# a condition: row security would make the planner filter by it instead of searching for it.
_PAGES = """
SELECT page.interactions::text
FROM (
    SELECT coalesce(max(first_seq), 1) AS first_seq FROM interaction_pages
    WHERE account_id = $1 AND session_id = $2 AND first_seq <= $3
) AS start
JOIN interaction_pages AS page ON page.first_seq >= start.first_seq
WHERE page.account_id = $1 AND page.session_id = $2 AND page.first_seq <= $4
ORDER BY page.first_seq
"""


class LockedSession(NamedTuple):
    """The row of a session that stays locked until the transaction ends."""

    id: int
    status: str
    type: str
    project_id: int | None
    version: int
    interaction_count: int
    now: datetime.datetime
    tail_count: int
    tail_bytes: int


class Window(NamedTuple):
    """Exclusive bounds: interactions with `after < seq < before`."""

    after: int = 0
    before: int | None = None
    limit: int = 50
    order: Literal["asc", "desc"] = "desc"


async def lock(scope: Scope, db: Db, session_id: int) -> LockedSession:
    """Raises NotFound. Whoever holds the lock decides what comes next in this session."""
    if scope.strict:
        row = await db.fetch_one(
            f"{_LOCK}{_IN_PROJECT} FOR UPDATE", scope.account_id, session_id, scope.project_id
        )
    else:
        row = await db.fetch_one(f"{_LOCK} FOR UPDATE", scope.account_id, session_id)
    db.require_version(str(row["version"]))
    return LockedSession(session_id, **row)


async def append(
    scope: Scope, db: Db, session: LockedSession, documents: Sequence[StoredInteraction]
) -> int:
    """Numbers the documents and stores them after all others; returns the session's version."""
    for seq, document in enumerate(documents, session.interaction_count + 1):
        document.seq = seq
    packing = pack(documents, session.tail_count, session.tail_bytes)
    count = session.interaction_count + len(documents)
    last = _encode(summary(documents[-1])).decode()
    tail = _encode(packing.tail).decode()
    key = (scope.account_id, session.id)
    if not packing.pages:
        version: int = await db.driver.fetchval(_EXTEND, *key, tail, count, last)
        return version
    first_new = session.interaction_count + 1
    pages = [
        (first_new - session.tail_count if index == 0 else page[0].seq, page)
        for index, page in enumerate(packing.pages)
    ]
    sealed_version: int = await db.driver.fetchval(
        _SEAL,
        *key,
        tail,
        count,
        last,
        [first for first, _ in pages],
        [page[-1].seq if page else session.interaction_count for _, page in pages],
        [_encode(page).decode() for _, page in pages],
        session.tail_count > 0,
    )
    return sealed_version


async def find(
    scope: Scope, db: Db, session_id: int, ids: Sequence[UUID]
) -> dict[UUID, StoredInteraction]:
    """Those of the ids that the visible session has, digests included; one object for each."""
    if not ids:
        return {}
    wanted = set(ids)
    tail, _ = await _read_tail(scope, db, session_id)
    found = {document.id: document for document in tail if document.id in wanted}
    by_seq = {document.seq: document for document in tail}
    for row in await db.driver.fetch(_KEYS, scope.account_id, session_id, ids):
        if row["seq"] not in by_seq:
            _, page = await _read_page(scope, db, session_id, row["seq"])
            by_seq |= {document.seq: document for document in page}
        found[row["id"]] = by_seq[row["seq"]]
    return found


async def find_last(
    scope: Scope, db: Db, session_id: int, wanted: Callable[[StoredInteraction], bool]
) -> StoredInteraction | None:
    """The newest that is wanted, digests included. The session must be visible."""
    documents, newest = await _read_tail(scope, db, session_id)
    while (found := next(filter(wanted, reversed(documents)), None)) is None:
        newest = documents[0].seq - 1 if documents else newest
        if newest == 0:
            return None
        _, documents = await _read_page(scope, db, session_id, newest)
    return found


async def name(
    scope: Scope, db: Db, session: LockedSession, document: StoredInteraction, also: UUID
) -> None:
    """Let the interaction be found by another id as well."""
    await db.driver.execute(_NAME, scope.account_id, session.id, also, document.seq)


async def replace(scope: Scope, db: Db, session: LockedSession, document: StoredInteraction) -> int:
    """Store a changed interaction in its place; returns the session's version."""
    newest = document.seq == session.interaction_count
    last = _encode(summary(document)).decode() if newest else None
    tail, _ = await _read_tail(scope, db, session.id)
    if any(old.id == document.id for old in tail):
        return await _rewrite_tail(scope, db, session, _with(tail, document), last)
    first_seq, documents = await _read_page(scope, db, session.id, document.seq)
    await db.driver.execute(
        _REWRITE_PAGE,
        scope.account_id,
        session.id,
        first_seq,
        _encode(_with(documents, document)).decode(),
    )
    version: int = await db.driver.fetchval(_TOUCH, scope.account_id, session.id, last)
    return version


async def read(scope: Scope, db: Db, session_id: int, window: Window) -> list[StoredInteraction]:
    """In the window's order. The session must be known to be visible.

    The row is read before the pages: what is sealed in between is then in both, and the bounds
    taken from the row keep it from showing twice.
    """
    tail, count = await _read_tail(scope, db, session_id)
    newest = count if window.before is None else min(count, window.before - 1)
    oldest = max(window.after, 0) + 1
    if window.order == "desc":
        oldest = max(oldest, newest - window.limit + 1)
    else:
        newest = min(newest, oldest + window.limit - 1)
    if newest < oldest:
        return []
    sealed_until = min(newest, count - len(tail))
    documents: list[StoredInteraction] = []
    if oldest <= sealed_until:
        rows = await db.driver.fetch(_PAGES, scope.account_id, session_id, oldest, sealed_until)
        for row in rows:
            documents += (d for d in _decode(row["interactions"]) if d.seq <= sealed_until)
    found = [shown(d) for d in documents + tail if oldest <= d.seq <= newest]
    return found if window.order == "asc" else found[::-1]


async def _read_tail(scope: Scope, db: Db, session_id: int) -> tuple[list[StoredInteraction], int]:
    row = await db.fetch_one(_TAIL, scope.account_id, session_id)
    return _decode(row["interactions"]), row["interaction_count"]


async def _read_page(
    scope: Scope, db: Db, session_id: int, seq: int
) -> tuple[int, list[StoredInteraction]]:
    """The first seq of the sealed page that holds this one, and all of the page."""
    row = await db.fetch_one(_PAGE, scope.account_id, session_id, seq)
    return row["first_seq"], _decode(row["interactions"])


async def _rewrite_tail(
    scope: Scope,
    db: Db,
    session: LockedSession,
    tail: list[StoredInteraction],
    last: str | None,
) -> int:
    """A result may have made the tail too large, so it is packed anew."""
    packing = pack(tail, 0, 0)
    version: int = await db.driver.fetchval(
        _SEAL.replace("$5::jsonb", "coalesce($5::jsonb, last_interaction)"),
        scope.account_id,
        session.id,
        _encode(packing.tail).decode(),
        session.interaction_count,
        last,
        [page[0].seq for page in packing.pages],
        [page[-1].seq for page in packing.pages],
        [_encode(page).decode() for page in packing.pages],
        False,
    )
    return version


def _with(
    documents: list[StoredInteraction], changed: StoredInteraction
) -> list[StoredInteraction]:
    return [changed if document.id == changed.id else document for document in documents]
