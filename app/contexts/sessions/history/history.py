"""A session's interactions: the newest embedded in its row, the older ones sealed in pages.

Appending costs the same at any length: the row holds at most `TAIL_COUNT` documents or
`TAIL_BYTES`, and what no longer fits goes into a page that only a late result touches again.
Nothing outside this package knows that pages exist; `seq` numbers interactions 1, 2, 3… without a
gap.
"""

import operator
from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple
from uuid import UUID

from app.contexts.sessions.history import statements
from app.contexts.sessions.history.documents import without_marks
from app.contexts.sessions.history.locking import Locked, decode
from app.db import Db
from app.errors import NotFound
from app.schemas.base import MAX_BIGINT
from app.schemas.sessions import Interaction, StoredInteraction
from app.scope import Scope

_seq = operator.attrgetter("seq")


class Window(NamedTuple):
    """Exclusive bounds: interactions with `after < seq < before`."""

    after: int = 0
    before: int | None = None
    limit: int = 50
    order: Literal["asc", "desc"] = "desc"


async def find(
    scope: Scope, db: Db, locked: Locked, ids: Collection[UUID]
) -> dict[UUID, StoredInteraction]:
    """Find the session's interactions with these ids, digests included; one object for each."""
    session_id = locked.session.id
    found = await _find(scope, db, {session_id: locked.documents}, {session_id: ids})
    return found[session_id]


async def find_in_all(
    scope: Scope, db: Db, wanted: Mapping[int, Collection[UUID]]
) -> dict[int, dict[UUID, StoredInteraction]]:
    """As `find`, for several sessions, locked or not; a missing session has no interactions."""
    found: dict[int, dict[UUID, StoredInteraction]] = {session_id: {} for session_id in wanted}
    asked = [session_id for session_id, ids in wanted.items() if ids]
    if asked:
        sessions = statements.Wanted(scope.account_id, asked, scope.strict_project_id)
        rows = await db.driver.fetch(*statements.TAILS(sessions))
        tails = {row["id"]: decode(row["interactions"]) for row in rows}
        found |= await _find(scope, db, tails, wanted)
    return found


async def _find(
    scope: Scope,
    db: Db,
    tails: Mapping[int, list[StoredInteraction]],
    wanted: Mapping[int, Collection[UUID]],
) -> dict[int, dict[UUID, StoredInteraction]]:
    """Look in the tails first; only sealed pages are read one by one."""
    found = {
        session_id: {
            document.id: document for document in tail if document.id in wanted[session_id]
        }
        for session_id, tail in tails.items()
    }
    missing = [
        id_ for session_id in tails for id_ in wanted[session_id] if id_ not in found[session_id]
    ]
    if not missing:
        return found
    by_seq = {key: {document.seq: document for document in tail} for key, tail in tails.items()}
    keys = statements.Keys(scope.account_id, list(tails), missing)
    rows = await db.driver.fetch(*statements.KEYS(keys))
    for session_id, interaction_id, seq in rows:
        if interaction_id not in wanted[session_id]:
            continue
        if seq not in by_seq[session_id]:
            _, page = await read_page(scope, db, session_id, seq)
            by_seq[session_id] |= {document.seq: document for document in page}
        # Without the lock it may be newer than what was read.
        if (document := by_seq[session_id].get(seq)) is not None:
            found[session_id][interaction_id] = document
    return found


async def find_last(
    scope: Scope, db: Db, locked: Locked, wanted: Callable[[StoredInteraction], bool]
) -> StoredInteraction | None:
    """Find the newest interaction that is wanted, digests included."""
    session, documents = locked.session, locked.documents
    newest = session.interaction_count
    while (found := next(filter(wanted, reversed(documents)), None)) is None:
        newest = documents[0].seq - 1 if documents else newest
        if newest == 0:
            return None
        _, documents = await read_page(scope, db, session.id, newest)
    return found


async def name(
    scope: Scope, db: Db, session_id: int, document: StoredInteraction, also: UUID
) -> None:
    """Let the interaction be found by another id as well."""
    named = statements.Name(scope.account_id, session_id, also, document.seq)
    await db.driver.execute(*statements.NAME(named))


async def read(scope: Scope, db: Db, session_id: int, window: Window) -> list[Interaction]:
    """Read interactions in the window's order. Raises NotFound."""
    return [without_marks(document) for document in await _read(scope, db, session_id, window)]


async def read_stored(scope: Scope, db: Db, session_id: int, limit: int) -> list[StoredInteraction]:
    """Read the newest interactions, newest first, digests included. Raises NotFound."""
    return await _read(scope, db, session_id, Window(limit=limit))


async def _read(scope: Scope, db: Db, session_id: int, window: Window) -> list[StoredInteraction]:
    after = min(max(window.after, 0), MAX_BIGINT - window.limit)
    ascending = window.order == "asc"
    reading = statements.Reading(
        account_id=scope.account_id,
        session_id=session_id,
        project_id=scope.strict_project_id,
        after=after,
        before=window.before,
        limit=window.limit,
        ascending=ascending,
    )
    rows = await db.driver.fetch(*statements.READ(reading))
    if not rows:
        raise NotFound
    found = [
        document
        for interactions, oldest, newest in rows
        for document in decode(interactions)
        if oldest <= document.seq <= newest
    ]
    found.sort(key=_seq, reverse=not ascending)
    return found


async def read_page(
    scope: Scope, db: Db, session_id: int, seq: int
) -> tuple[int, list[StoredInteraction]]:
    """Read the sealed page that holds `seq`: its first seq, and its interactions."""
    page = statements.Page(scope.account_id, session_id, seq)
    row = await db.fetch_one(*statements.PAGE(page))
    return row["first_seq"], decode(row["interactions"])
