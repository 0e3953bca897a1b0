"""Writes to a session's row and pages.

Every write holds the lock of the session's row, or names the version it expects, and makes one new
version of the session.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from app.cleaning import is_same
from app.contexts.sessions.history import statements
from app.contexts.sessions.history.documents import summary
from app.contexts.sessions.history.history import read_page
from app.contexts.sessions.history.layout import Packing, pack
from app.contexts.sessions.history.locking import Locked, LockedSession, SessionRow
from app.contexts.sessions.history.statements import Storing, StoringChange
from app.db import Db
from app.engine import to_jsonb
from app.schemas.sessions import StoredInteraction
from app.scope import Scope

_encode = msgspec.json.Encoder().encode


class Extension(NamedTuple):
    """New interactions of one session."""

    session: LockedSession
    documents: Sequence[StoredInteraction]


class _RowValues(NamedTuple):
    """A session's element of each sequence of `Storing`."""

    session_id: int
    version: int
    tail: str
    tail_bytes: int
    interaction_count: int
    last: str | None
    anew: bool


class _PageValues(NamedTuple):
    session_id: int
    first_seq: int
    last_seq: int
    interactions: str
    continues: bool


async def write(
    scope: Scope,
    db: Db,
    locked: Locked,
    *,
    new: Sequence[StoredInteraction] = (),
    changed: Sequence[StoredInteraction] = (),
    row: SessionRow | None = None,
    last: bool = False,
) -> None:
    """Store everything one request does to a session as one new version.

    `new` interactions are numbered here and come after all others, `changed` ones keep their place,
    `row` holds the row's new values. With `last` the statement ends the transaction and writes the
    feed events with it.
    """
    session = locked.session
    sealed = session.interaction_count - session.tail_count
    number(session, new)
    await _rewrite_pages(scope, db, session.id, [d for d in changed if d.seq <= sealed])
    replaced = {document.id: document for document in changed if document.seq > sealed}
    if replaced:
        # A result may make the tail too large, so all of it is packed again.
        tail = [replaced.get(document.id, document) for document in locked.documents]
        packing, anew, taken_up = pack([*tail, *new], 0, 0), True, 0
    else:
        packing = pack(new, session.tail_count, session.tail_bytes)
        anew, taken_up = bool(packing.pages), session.tail_count
    newest = new[-1] if new else _newest(changed, session.interaction_count)
    values = _row_values(session, packing, len(new), newest, anew=anew)
    storing = _storing(scope, [values], list(_page_values(session, packing.pages, taken_up)))
    if row is None:
        query = statements.STORE(storing)
    else:
        query = statements.STORE_CHANGE(_with_row(storing, locked.row, row))
    fetch = db.fetch_last if last else db.driver.fetch
    if not await fetch(*query):
        raise RuntimeError("the session changed while it was locked")


def number(
    session: LockedSession, documents: Sequence[StoredInteraction], *, after: int = 0
) -> None:
    """Give new interactions their `seq`; `after` others are stored before them."""
    for seq, document in enumerate(documents, session.interaction_count + after + 1):
        document.seq = seq


def storing_all(scope: Scope, extensions: Sequence[Extension]) -> Storing:
    """Lay out new, numbered interactions of several sessions for `write_all`."""
    rows: list[_RowValues] = []
    pages: list[_PageValues] = []
    for session, documents in extensions:
        packing = pack(documents, session.tail_count, session.tail_bytes)
        rows.append(
            _row_values(session, packing, len(documents), documents[-1], anew=bool(packing.pages))
        )
        if packing.pages:
            pages += _page_values(session, packing.pages, session.tail_count)
    return _storing(scope, rows, pages)


async def write_all(db: Db, storing: Storing, *, last: bool) -> list[LockedSession]:
    """Store the interactions of several sessions; `last` as in `write`.

    Returns the sessions as they are now: those that had the version `storing` expects and that no
    other transaction holds. Unless it is all of them, the transaction must not commit.
    """
    fetch = db.fetch_last if last else db.driver.fetch
    return [LockedSession(*record) for record in await fetch(*statements.STORE(storing))]


def _newest(changed: Sequence[StoredInteraction], count: int) -> StoredInteraction | None:
    return next((document for document in changed if document.seq == count), None)


def _row_values(
    session: LockedSession,
    packing: Packing,
    added: int,
    newest: StoredInteraction | None,
    *,
    anew: bool,
) -> _RowValues:
    return _RowValues(
        session.id,
        session.version,
        _encode(packing.tail).decode(),
        packing.tail_bytes,
        session.interaction_count + added,
        None if newest is None else _encode(summary(newest)).decode(),
        anew,
    )


def _page_values(
    session: LockedSession, pages: list[list[msgspec.Raw]], taken_up: int
) -> Iterator[_PageValues]:
    """The first page starts with the `taken_up` documents of the stored tail."""
    last = session.interaction_count - session.tail_count
    for page in pages:
        first, last = last + 1, last + taken_up + len(page)
        yield _PageValues(session.id, first, last, _encode(page).decode(), taken_up > 0)
        taken_up = 0


def _storing(scope: Scope, rows: list[_RowValues], pages: list[_PageValues]) -> Storing:
    ids, versions, tails, tail_bytes, counts, last, anew = zip(*rows, strict=True)
    storing = Storing(
        account_id=scope.account_id,
        session_ids=ids,
        versions=versions,
        tails=tails,
        tail_bytes=tail_bytes,
        counts=counts,
        last=last,
        anew=anew,
    )
    if pages:
        (
            storing.page_session_ids,
            storing.first_seqs,
            storing.last_seqs,
            storing.pages,
            storing.continues,
        ) = zip(*pages, strict=True)
    return storing


def _with_row(storing: Storing, before: SessionRow, after: SessionRow) -> StoringChange:
    values = after._asdict()
    values["state"] = None if is_same(before.state, after.state) else to_jsonb(after.state)
    values["needs_input"] = None if after.needs_input is None else to_jsonb(after.needs_input)
    return StoringChange(**msgspec.structs.asdict(storing), **values)


async def _rewrite_pages(
    scope: Scope, db: Db, session_id: int, changed: Sequence[StoredInteraction]
) -> None:
    pending = {document.seq: document for document in changed}
    while pending:
        first_seq, documents = await read_page(scope, db, session_id, next(iter(pending)))
        page = [pending.pop(document.seq, document) for document in documents]
        rewritten = statements.RewrittenPage(
            scope.account_id, session_id, first_seq, _encode(page).decode()
        )
        await db.driver.execute(*statements.REWRITE_PAGE(rewritten))
