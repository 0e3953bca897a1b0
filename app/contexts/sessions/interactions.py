"""What a session was told and what came back."""

from collections.abc import Sequence
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
from app.contexts.sessions.history import LockedSession, Window
from app.contexts.sessions.sessions import get_session, session_ended
from app.db import Db
from app.errors import Conflict, NotFound
from app.schemas.sessions import InteractionInput, StoredInteraction
from app.scope import Scope


class Appended(NamedTuple):
    """In the order they were posted; `created` is False when all of them were there already."""

    interactions: list[StoredInteraction]
    created: bool
    version: int


async def list_interactions(
    scope: Scope, db: Db, session_id: int, window: Window
) -> list[StoredInteraction]:
    await get_session(scope, db, session_id)
    return await history.read(scope, db, session_id, window)


async def get_interaction(
    scope: Scope, db: Db, session_id: int, interaction_id: UUID
) -> StoredInteraction:
    await get_session(scope, db, session_id)
    return shown(await find_one(scope, db, session_id, interaction_id))


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
    return Appended([shown(document) for document in documents], bool(new), version)


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
