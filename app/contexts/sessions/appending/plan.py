"""New interactions of one request, or of many requests in one statement.

Appends that arrive together are planned from what the last append left of their sessions, while
the database is busy with the transaction before theirs.
"""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from app.cleaning import is_clean
from app.contexts.sessions import history
from app.contexts.sessions.appending.guesses import Guesses
from app.contexts.sessions.events import interaction_event
from app.contexts.sessions.history import Extension, LockedSession, Storing
from app.contexts.sessions.lifecycle import session_ended
from app.db import Db
from app.errors import AppError, Conflict, NotFound
from app.outbox import FeedEvent
from app.schemas.sessions import Interaction, InteractionInput, StoredInteraction
from app.scope import Scope


class Appended(NamedTuple):
    """Interactions in the order they were posted; `created` is False when all of them were stored
    before."""

    interactions: list[Interaction]
    created: bool


class Posting(NamedTuple):
    session_id: int
    interactions: Sequence[InteractionInput]


class Answer(NamedTuple):
    documents: list[StoredInteraction]
    created: bool


class Plan(NamedTuple):
    """The effect of some postings. An answer of None stands for a missing session."""

    answers: Sequence[Answer | AppError | None]
    events: Sequence[FeedEvent]
    """One for each posting that adds something."""
    session_ids: Set[int]
    """The sessions that something is added to."""
    storing: Storing | None
    """For `history.write_all`; None when nothing is added."""


class Outdated(Exception):
    """A guess about a session was wrong: the transaction must not commit."""


async def append_interactions(
    scope: Scope, db: Db, session_id: int, posted: Sequence[InteractionInput]
) -> Appended:
    """Append all of the interactions or none; an id that the session has already stands for the
    stored interaction.

    Raises NotFound, PreconditionFailed, Conflict `interaction_exists` when such an id comes with
    other content, and `session_ended` for a new interaction in a session that is not active.
    """
    scope.require_write()
    sessions = {session_id: await history.lock_counters(scope, db, session_id)}
    plan = await _plan_with_ids(scope, db, sessions, [Posting(session_id, posted)])
    [answer] = plan.answers
    if not isinstance(answer, Answer):
        raise answer or NotFound
    if plan.storing is not None:
        db.events += plan.events
        if not await history.write_all(db, plan.storing, last=False):
            raise RuntimeError("the session changed while it was locked")
    return _appended(answer)


def foresee(scope: Scope, guesses: Guesses, postings: Sequence[Posting]) -> Plan | None:
    """Plan `append_together` without the database; None where it must be asked.

    It must be asked about sessions without a guess, and about interactions that come with an id,
    which may be stored already.
    """
    wanted = {posting.session_id for posting in postings}
    sessions = guesses.recall(scope, wanted)
    named = any(i.id is not None for posting in postings for i in posting.interactions)
    if named or len(sessions) < len(wanted):
        return None
    return _plan(scope, sessions, postings, {session_id: {} for session_id in sessions})


async def append_together(
    scope: Scope, db: Db, guesses: Guesses, postings: Sequence[Posting], plan: Plan | None = None
) -> list[Appended | AppError | None]:
    """Append each posting as `append_interactions` does, as the last step of the transaction.

    An answer is an error where that posting alone is refused, and None where its session does not
    exist or is held by another transaction: append it by itself then. Raises Outdated; the guesses
    are corrected by then, so another try goes further.
    """
    scope.require_write()
    if plan is None:
        wanted = {posting.session_id for posting in postings}
        sessions = guesses.recall(scope, wanted)
        sessions |= await history.lock_free(scope, db, sorted(wanted - sessions.keys()))
        plan = await _plan_with_ids(scope, db, sessions, postings)
    if plan.storing is not None:
        db.events += plan.events
        written = await history.write_all(db, plan.storing, last=True)
        missing = plan.session_ids - {session.id for session in written}
        if missing:
            guesses.doubt(scope, missing)
            raise Outdated
        guesses.keep(scope, written)
    return [_appended(a) if isinstance(a, Answer) else a for a in plan.answers]


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
    answers: list[Answer | AppError | None] = []
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
        answers.append(Answer(documents, bool(added)))
        if added:
            known[session_id].update((document.id, document) for document in added)
            before = together.setdefault(session_id, [])
            history.number(session, added, after=len(before))
            before += added
            events.append(interaction_event(scope, session, added))
    extensions = [Extension(sessions[key], added) for key, added in together.items()]
    storing = history.storing_all(scope, extensions) if extensions else None
    return Plan(answers, events, together.keys(), storing)


def _documents(
    session: LockedSession,
    posted: Sequence[InteractionInput],
    known: Mapping[UUID, StoredInteraction],
) -> tuple[list[StoredInteraction], list[StoredInteraction]]:
    """Return the interactions as stored, all of them and the new ones among them."""
    documents: list[StoredInteraction] = []
    new: list[StoredInteraction] = []
    added: dict[UUID, StoredInteraction] = {}
    clean = is_clean(posted)  # one look at all of them is quicker than one at each
    for interaction in posted:
        key = interaction.id
        document = None if key is None else known.get(key) or added.get(key)
        if document is None:
            document = history.stored_interaction(interaction, session.now, known_clean=clean)
            new.append(document)
            added[document.id] = document
        elif document.posted is UNSET or document.posted.interaction != history.digest(interaction):
            raise Conflict(
                f"The session has another interaction with the id {key}.",
                code="interaction_exists",
            )
        documents.append(document)
    if new and session.status != "active":
        raise session_ended(session.status)
    return documents, new


def _appended(answer: Answer) -> Appended:
    return Appended([history.without_marks(d) for d in answer.documents], answer.created)
