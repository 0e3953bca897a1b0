"""What a session was told and what came back."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET

from app import feed
from app.contexts.sessions import history
from app.contexts.sessions.documents import (
    digest,
    normal,
    stored_interaction,
    stored_result,
    without_digests,
)
from app.contexts.sessions.history import LockedSession, Window
from app.contexts.sessions.sessions import get_session, session_ended
from app.db import Db
from app.errors import Conflict, NotFound
from app.schemas.sessions import InteractionInput, Posted, ResultInput, StoredInteraction
from app.scope import Scope


class Appended(NamedTuple):
    """In the order they were posted; `created` is False when all of them were there already."""

    interactions: list[StoredInteraction]
    created: bool
    version: int


class Completed(msgspec.Struct):
    interaction: StoredInteraction
    session_status: str
    applied: bool


async def list_interactions(
    scope: Scope, db: Db, session_id: int, window: Window
) -> list[StoredInteraction]:
    await get_session(scope, db, session_id)
    return await history.read(scope, db, session_id, window)


async def get_interaction(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    await get_session(scope, db, session_id)
    return without_digests(await _find_one(scope, db, session_id, interaction_id))


async def append_interactions(
    scope: Scope, db: Db, session_id: int, posted: Sequence[InteractionInput]
) -> Appended:
    """All or nothing. An id the session has already stands for the stored interaction.

    Raises Conflict `interaction_exists` when such an id comes with other content, and
    `session_ended` when something new comes to a session that is not active.
    """
    scope.require_write()
    session = await history.lock(scope, db, session_id)
    ids = [interaction.id for interaction in posted if interaction.id is not None]
    known = await history.find(scope, db, session_id, ids)
    documents: list[StoredInteraction] = []
    new: list[StoredInteraction] = []
    for interaction in posted:
        document = None if interaction.id is None else known.get(interaction.id)
        if document is None:
            document = stored_interaction(interaction, session.now)
            new.append(document)
            if interaction.id is not None:
                known[interaction.id] = document
        elif document.posted is UNSET or document.posted.interaction != digest(interaction):
            raise Conflict(
                f"The session has another interaction with the id {interaction.id}.",
                code="interaction_exists",
            )
        documents.append(document)
    version = session.version
    if new:
        if session.status != "active":
            raise session_ended(session.status)
        version = await history.append(scope, db, session, new)
        record(scope, db, session, new)
    return Appended([without_digests(document) for document in documents], bool(new), version)


async def set_result(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID, posted: ResultInput
) -> Completed:
    """An agent's work is never thrown away: an ended session takes the result as well.

    Raises Conflict `already_completed` when another result is there.
    """
    scope.require_write()
    session = await history.lock(scope, db, session_id)
    interaction = await _find_one(scope, db, session_id, interaction_id)
    fingerprint = digest(normal(posted))
    before = Posted() if interaction.posted is UNSET else interaction.posted
    if interaction.result is None:
        interaction.result = stored_result(posted, session.now)
        interaction.completed_at = session.now
        interaction.posted = Posted(interaction=before.interaction, result=fingerprint)
        await history.replace(scope, db, session, interaction)
        record(scope, db, session, [interaction])
    elif before.result != fingerprint:
        raise Conflict("The interaction has another result already.", code="already_completed")
    return Completed(without_digests(interaction), session.status, applied=False)


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


async def _find_one(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    found = await history.find(scope, db, session_id, [interaction_id])
    if interaction_id not in found:
        raise NotFound
    return found[interaction_id]
