"""New interactions: of one request, or of many at the price of one.

Those that many requests bring together are planned from what the last append left of their
sessions, while the database is busy with something else, and take one statement.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET

from app.cleaning import is_clean
from app.contexts.sessions.appending.guesses import Memory
from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import digest, shown, stored_interaction
from app.contexts.sessions.history.history import Extension
from app.contexts.sessions.history.interactions import event
from app.contexts.sessions.history.locking import LockedSession, lock, lock_free
from app.contexts.sessions.sessions import session_ended
from app.db import Db
from app.errors import AppError, Conflict, NotFound
from app.outbox import FeedEvent
from app.schemas.sessions import InteractionInput, StoredInteraction
from app.scope import Scope


class Appended(NamedTuple):
    """In the order they were posted; `created` is False when all of them were there already."""

    interactions: list[StoredInteraction]
    created: bool


class Posting(NamedTuple):
    session_id: int
    interactions: Sequence[InteractionInput]


class Plan(NamedTuple):
    """What postings come to. None answers one whose session is missing."""

    answers: Sequence[Appended | AppError | None]
    events: Sequence[FeedEvent]
    """One for each posting that adds something."""
    session_ids: Set[int]
    """Those that something is added to."""
    parameters: Sequence[Any]
    """Of `history.store`, for the sessions of all of them."""


class Outdated(Exception):
    """Somebody else has written to a session that was remembered: nothing must be committed."""


async def append_interactions(
    scope: Scope, db: Db, session_id: int, posted: Sequence[InteractionInput]
) -> Appended:
    """All or nothing. An id the session has already stands for the stored interaction.

    Raises Conflict `interaction_exists` when such an id comes with other content, and
    `session_ended` when something new comes to a session that is not active.
    """
    scope.require_write()
    sessions = {session_id: await lock(scope, db, session_id)}
    plan = await _plan_with_ids(scope, db, sessions, [Posting(session_id, posted)])
    [answer] = plan.answers
    if not isinstance(answer, Appended):
        raise answer or NotFound
    if plan.events:
        db.events += plan.events
        await history.store(db, plan.parameters)
    return _shown(answer)


def foresee(scope: Scope, memory: Memory, postings: Sequence[Posting]) -> Plan | None:
    """What `append_together` would come to, if that can be said without asking the database: of
    what comes with an id, only the database knows whether it is new."""
    wanted = {posting.session_id for posting in postings}
    sessions = memory.recall(scope, wanted)
    named = any(i.id is not None for posting in postings for i in posting.interactions)
    if named or len(sessions) < len(wanted):
        return None
    return _plan(scope, sessions, postings, {session_id: {} for session_id in sessions})


async def append_together(
    scope: Scope, db: Db, memory: Memory, postings: Sequence[Posting], plan: Plan | None = None
) -> list[Appended | AppError | None]:
    """As `append_interactions` for each posting, and the last that the transaction does.

    An answer is an error where that posting alone is refused, and None where its session does not
    exist or is held by somebody else: it is then to be appended by itself. Raises Outdated; the
    memory knows better then, so that another try goes further.
    """
    scope.require_write()
    if plan is None:
        wanted = {posting.session_id for posting in postings}
        sessions = memory.recall(scope, wanted)
        sessions |= await lock_free(scope, db, sorted(wanted - sessions.keys()))
        plan = await _plan_with_ids(scope, db, sessions, postings)
    if plan.events:
        db.events += plan.events
        left = await history.store_last(db, plan.parameters)
        missing = plan.session_ids - {row.id for row in left}
        if missing:
            memory.doubt(scope, missing)
            raise Outdated
        memory.keep(scope, left)
    return [_shown(a) if isinstance(a, Appended) else a for a in plan.answers]


async def _plan_with_ids(
    scope: Scope, db: Db, sessions: Mapping[int, LockedSession], postings: Sequence[Posting]
) -> Plan:
    ids: dict[int, set[UUID]] = {session_id: set() for session_id in sessions}
    for session_id, posted in postings:
        if session_id in ids:
            ids[session_id].update(p.id for p in posted if p.id is not None)
    return _plan(scope, sessions, postings, await history.find_in_all(scope, db, ids))


def _plan(
    scope: Scope,
    sessions: Mapping[int, LockedSession],
    postings: Sequence[Posting],
    known: Mapping[int, dict[UUID, StoredInteraction]],
) -> Plan:
    answers: list[Appended | AppError | None] = []
    events: list[FeedEvent] = []
    together: dict[int, list[StoredInteraction]] = {}
    for session_id, posted in postings:
        session = sessions.get(session_id)
        if session is None:
            answers.append(None)
            continue
        try:
            documents, added = _documents(session, posted, known[session_id])
        except AppError as error:
            answers.append(error)
            continue
        answers.append(Appended(documents, bool(added)))
        if added:
            known[session_id].update((document.id, document) for document in added)
            before = together.setdefault(session_id, [])
            history.number(session, added, after=len(before))
            before += added
            events.append(event(scope, session, added))
    extensions = [Extension(sessions[key], added) for key, added in together.items()]
    return Plan(answers, events, together.keys(), history.storing(scope, extensions))


def _documents(
    session: LockedSession,
    posted: Sequence[InteractionInput],
    known: Mapping[UUID, StoredInteraction],
) -> tuple[list[StoredInteraction], list[StoredInteraction]]:
    """All that were posted, and those among them that are new."""
    documents: list[StoredInteraction] = []
    new: list[StoredInteraction] = []
    added: dict[UUID, StoredInteraction] = {}
    clean = is_clean(posted)  # one look at all of them, where a look at each would do the same
    for interaction in posted:
        key = interaction.id
        document = None if key is None else known.get(key) or added.get(key)
        if document is None:
            document = stored_interaction(interaction, session.now, known_clean=clean)
            new.append(document)
            added[document.id] = document
        elif document.posted is UNSET or document.posted.interaction != digest(interaction):
            raise Conflict(
                f"The session has another interaction with the id {key}.",
                code="interaction_exists",
            )
        documents.append(document)
    if new and session.status != "active":
        raise session_ended(session.status)
    return documents, new


def _shown(answer: Appended) -> Appended:
    for document in answer.interactions:
        shown(document)
    return answer
