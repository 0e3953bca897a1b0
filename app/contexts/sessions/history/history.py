"""A session's interactions: the newest embedded in its row, the older ones sealed in pages.

Appending costs the same at any length: the row holds at most `TAIL_COUNT` documents or
`TAIL_BYTES`, and what no longer fits goes into a page that only a late result touches again.
Nothing outside this module knows that pages exist. Every write holds the lock of the session's
row; `seq` numbers interactions 1, 2, 3… without a gap.
"""

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from app.contexts.sessions.history import statements
from app.contexts.sessions.history.documents import shown, summary
from app.contexts.sessions.history.layout import Packing, pack
from app.contexts.sessions.history.locking import LockedSession, LockedTail
from app.db import Db
from app.errors import NotFound
from app.schemas.base import MAX_BIGINT
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

_decode = msgspec.json.Decoder(list[StoredInteraction]).decode
_encode = msgspec.json.Encoder().encode
_seq = operator.attrgetter("seq")


class Window(NamedTuple):
    """Exclusive bounds: interactions with `after < seq < before`."""

    after: int = 0
    before: int | None = None
    limit: int = 50
    order: Literal["asc", "desc"] = "desc"


class Extension(NamedTuple):
    """What comes next in a session."""

    session: LockedSession
    documents: Sequence[StoredInteraction]


class Progress(NamedTuple):
    """What a workflow makes of its session when a result comes."""

    state: str | None
    """As JSON; None if it stays."""
    status: str


async def append(
    scope: Scope, db: Db, session: LockedSession, documents: Sequence[StoredInteraction]
) -> None:
    """Numbers the documents and stores them after all others."""
    number(session, documents)
    await store(db, storing(scope, [Extension(session, documents)]))


def number(
    session: LockedSession, documents: Sequence[StoredInteraction], *, after: int = 0
) -> None:
    """After so many others that are to be stored with them."""
    for seq, document in enumerate(documents, session.interaction_count + after + 1):
        document.seq = seq


def storing(scope: Scope, extensions: Sequence[Extension]) -> list[Any]:
    """What `store` asks for: documents that are numbered already, for several sessions."""
    rows: list[tuple[object, ...]] = []
    pages: list[tuple[object, ...]] = []
    for session, documents in extensions:
        packing = pack(documents, session.tail_count, session.tail_bytes)
        count = session.interaction_count + len(documents)
        last = _encode(summary(documents[-1])).decode()
        rows.append(_row(session, packing, count, last, anew=bool(packing.pages)))
        pages += _page_rows(session, packing.pages, session.tail_count)
    return _parameters(scope, rows, pages)


def _row(
    session: LockedSession, packing: Packing, count: int, last: str | None, *, anew: bool
) -> tuple[object, ...]:
    tail = _encode(packing.tail).decode()
    return session.id, session.version, tail, packing.tail_bytes, count, last, anew


def _page_rows(
    session: LockedSession, pages: list[list[msgspec.Raw]], taken_up: int
) -> Iterator[tuple[object, ...]]:
    """The first page takes up so many documents of the tail."""
    last = session.interaction_count - session.tail_count
    for page in pages:
        first, last = last + 1, last + taken_up + len(page)
        yield session.id, first, last, _encode(page).decode(), taken_up > 0
        taken_up = 0


def _parameters(
    scope: Scope,
    rows: list[tuple[object, ...]],
    pages: list[tuple[object, ...]],
    progress: Progress | None = None,
) -> list[Any]:
    no_pages: list[tuple[object, ...]] = [()] * 5
    page_columns = list(zip(*pages, strict=True)) or no_pages
    return [scope.account_id, *zip(*rows, strict=True), *page_columns, *(progress or (None, None))]


async def store(db: Db, parameters: Sequence[Any], *, last: bool = False) -> None:
    """All sessions at the price of one, under their locks; as the `last` statement of its
    transaction with its events."""
    fetch = db.fetch_last if last else db.driver.fetch
    sessions = await fetch(statements.STORE, *parameters)
    if len(sessions) < len(parameters[1]):
        raise RuntimeError("a session is not as it was when it was locked")


async def store_last(db: Db, parameters: Sequence[Any]) -> list[LockedSession]:
    """Together with the events of the transaction, whose last statement it must be.

    The sessions need not be locked. Returned are, as they are now, those that had the version they
    were taken to have and that nobody else holds; unless it is all, nothing must be committed.
    """
    rows = await db.fetch_last(statements.STORE, *parameters)
    return [LockedSession(*row) for row in rows]


async def find(
    scope: Scope, db: Db, tail: LockedTail, ids: Collection[UUID]
) -> dict[UUID, StoredInteraction]:
    """Those of the ids that the session has, digests included; one object for each."""
    found = await _find(scope, db, {tail.session.id: tail.documents}, {tail.session.id: ids})
    return found[tail.session.id]


async def find_in_all(
    scope: Scope, db: Db, wanted: Mapping[int, Collection[UUID]]
) -> dict[int, dict[UUID, StoredInteraction]]:
    """As `find`, for several sessions, locked or not; one that does not exist has none."""
    found: dict[int, dict[UUID, StoredInteraction]] = {session_id: {} for session_id in wanted}
    asked = [session_id for session_id, ids in wanted.items() if ids]
    if asked:
        parameters = scope.account_id, asked, scope.strict_project_id
        rows = await db.driver.fetch(statements.TAILS, *parameters)
        tails = {row["id"]: _decode(row["interactions"]) for row in rows}
        found |= await _find(scope, db, tails, wanted)
    return found


async def _find(
    scope: Scope,
    db: Db,
    tails: Mapping[int, list[StoredInteraction]],
    wanted: Mapping[int, Collection[UUID]],
) -> dict[int, dict[UUID, StoredInteraction]]:
    """Only the sealed pages are read one by one."""
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
    rows = await db.driver.fetch(statements.KEYS, scope.account_id, list(tails), missing)
    for session_id, interaction_id, seq in rows:
        if interaction_id not in wanted[session_id]:
            continue
        if seq not in by_seq[session_id]:
            _, page = await _read_page(scope, db, session_id, seq)
            by_seq[session_id] |= {document.seq: document for document in page}
        # Without the lock it may be newer than what was read.
        if (document := by_seq[session_id].get(seq)) is not None:
            found[session_id][interaction_id] = document
    return found


async def find_last(
    scope: Scope, db: Db, tail: LockedTail, wanted: Callable[[StoredInteraction], bool]
) -> StoredInteraction | None:
    """The newest that is wanted, digests included."""
    (session, documents), newest = tail, tail.session.interaction_count
    while (found := next(filter(wanted, reversed(documents)), None)) is None:
        newest = documents[0].seq - 1 if documents else newest
        if newest == 0:
            return None
        _, documents = await _read_page(scope, db, session.id, newest)
    return found


async def name(
    scope: Scope, db: Db, session: LockedSession, document: StoredInteraction, also: UUID
) -> None:
    """Let the interaction be found by another id as well."""
    await db.driver.execute(statements.NAME, scope.account_id, session.id, also, document.seq)


async def replace(
    scope: Scope,
    db: Db,
    tail: LockedTail,
    document: StoredInteraction,
    *,
    progress: Progress | None = None,
    last: bool = False,
) -> None:
    """Store a changed interaction in its place; `last` as for `store`."""
    session, documents = tail
    count, anew = session.interaction_count, False
    packing = Packing(pages=[], tail=[], tail_bytes=session.tail_bytes)
    if document.seq > count - session.tail_count:
        # A result may make the tail too large, so it is packed anew.
        packing, anew = pack(_with(documents, document), 0, 0), True
    else:
        first_seq, documents = await _read_page(scope, db, session.id, document.seq)
        page = _encode(_with(documents, document)).decode()
        parameters = scope.account_id, session.id, first_seq, page
        await db.driver.execute(statements.REWRITE_PAGE, *parameters)
    newest = _encode(summary(document)).decode() if document.seq == count else None
    row = _row(session, packing, count, newest, anew=anew)
    pages = list(_page_rows(session, packing.pages, 0))
    await store(db, _parameters(scope, [row], pages, progress), last=last)


async def read(scope: Scope, db: Db, session_id: int, window: Window) -> list[StoredInteraction]:
    """In the window's order. Raises NotFound."""
    after = min(max(window.after, 0), MAX_BIGINT - window.limit)
    ascending = window.order == "asc"
    bounds = after, window.before, window.limit, ascending
    parameters = scope.account_id, session_id, scope.strict_project_id, *bounds
    rows = await db.driver.fetch(statements.READ, *parameters)
    if not rows:
        raise NotFound
    found = [
        shown(document)
        for interactions, oldest, newest in rows
        for document in _decode(interactions)
        if oldest <= document.seq <= newest
    ]
    found.sort(key=_seq, reverse=not ascending)
    return found


async def _read_page(
    scope: Scope, db: Db, session_id: int, seq: int
) -> tuple[int, list[StoredInteraction]]:
    """The first seq of the sealed page that holds this one, and all of the page."""
    row = await db.fetch_one(statements.PAGE, scope.account_id, session_id, seq)
    return row["first_seq"], _decode(row["interactions"])


def _with(
    documents: list[StoredInteraction], changed: StoredInteraction
) -> list[StoredInteraction]:
    return [changed if document.id == changed.id else document for document in documents]
