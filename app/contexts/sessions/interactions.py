"""What a session was told and what came back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from app import feed
from app.contexts.sessions import history
from app.contexts.sessions.documents import (
    digest,
    shown,
    stored_interaction,
)
from app.contexts.sessions.history import Extension, LockedSession, Window
from app.contexts.sessions.sessions import session_ended
from app.db import Db
from app.errors import AppError, Conflict, NotFound
from app.schemas.sessions import InteractionInput, StoredInteraction
from app.scope import Scope


class Appended(NamedTuple):
    """In the order they were posted; `created` is False when all of them were there already."""

    interactions: list[StoredInteraction]
    created: bool


class Posting(NamedTuple):
    session_id: int
    interactions: Sequence[InteractionInput]


async def list_interactions(
    scope: Scope, db: Db, session_id: int, window: Window
) -> list[StoredInteraction]:
    """Raises NotFound."""
    return await history.read(scope, db, session_id, window)


async def get_interaction(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    """Raises NotFound."""
    return shown(await find_one(scope, db, session_id, interaction_id))


async def append_interactions(
    scope: Scope, db: Db, session_id: int, posted: Sequence[InteractionInput]
) -> Appended:
    """All or nothing. An id the session has already stands for the stored interaction.

    Raises Conflict `interaction_exists` when such an id comes with other content, and
    `session_ended` when something new comes to a session that is not active.
    """
    scope.require_write()
    sessions = {session_id: await history.lock(scope, db, session_id)}
    postings = [Posting(session_id, posted)]
    [answer] = await _append(scope, db, sessions, postings, history.append_to_all)
    if isinstance(answer, AppError):
        raise answer
    return answer


async def append_together(
    scope: Scope, db: Db, postings: Sequence[Posting]
) -> list[Appended | AppError | None]:
    """As `append_interactions` for each posting, at the price of one, and the last that its
    transaction does.

    An answer is an error where that posting alone is refused, and None where its session does not
    exist or is held by somebody else: it is then to be appended by itself.
    """
    scope.require_write()
    sessions = await history.lock_free(scope, db, list({p.session_id for p in postings}))
    possible = [posting for posting in postings if posting.session_id in sessions]
    answers = iter(await _append(scope, db, sessions, possible, history.append_last))
    return [next(answers) if p.session_id in sessions else None for p in postings]


async def _append(
    scope: Scope,
    db: Db,
    sessions: Mapping[int, LockedSession],
    postings: Sequence[Posting],
    store: Callable[[Scope, Db, Sequence[Extension]], Awaitable[None]],
) -> list[Appended | AppError]:
    ids: dict[int, set[UUID]] = {session_id: set() for session_id in sessions}
    for session_id, posted in postings:
        ids[session_id].update(p.id for p in posted if p.id is not None)
    known = await history.find_in_all(scope, db, ids)
    answers: list[Appended | AppError] = []
    new: dict[int, list[StoredInteraction]] = {}
    for session_id, posted in postings:
        session, stored = sessions[session_id], known[session_id]
        try:
            documents, added = _documents(session, posted, stored)
        except AppError as error:
            answers.append(error)
            continue
        answers.append(Appended(documents, bool(added)))
        if added:
            stored |= {document.id: document for document in added}
            before = new.setdefault(session_id, [])
            history.number(session, added, after=len(before))
            before += added
            record(scope, db, session, added)
    if new:
        await store(scope, db, [Extension(sessions[key], added) for key, added in new.items()])
    for answer in answers:
        if isinstance(answer, Appended):
            for document in answer.interactions:
                shown(document)
    return answers


def _documents(
    session: LockedSession,
    posted: Sequence[InteractionInput],
    known: Mapping[UUID, StoredInteraction],
) -> tuple[list[StoredInteraction], list[StoredInteraction]]:
    """All that were posted, and those among them that are new."""
    documents: list[StoredInteraction] = []
    new: list[StoredInteraction] = []
    added: dict[UUID, StoredInteraction] = {}
    for interaction in posted:
        key = interaction.id
        document = None if key is None else known.get(key) or added.get(key)
        if document is None:
            document = stored_interaction(interaction, session.now)
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


def record(
    scope: Scope, db: Db, session: LockedSession, interactions: Sequence[StoredInteraction]
) -> None:
    """One event for what came together."""
    last = interactions[-1]
    feed.record(
        scope,
        db,
        "interaction.created" if last.result is None else "interaction.completed",
        last.id,
        project_id=session.project_id,
        session_id=session.id,
        seq=last.seq,
        count=len(interactions),
        module=last.command.module,
        status=None if last.result is None else last.result.status,
    )


async def find_one(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    found = await history.find(scope, db, session_id, [interaction_id])
    if interaction_id not in found:
        raise NotFound
    return found[interaction_id]
