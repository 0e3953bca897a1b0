"""Sessions that the agent drives and we record, from what its hooks tell.

Events arrive in any order, twice, or not at all, so each one creates whatever it finds missing.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from app.cleaning import clean, clean_text, clean_within, is_same, merge_patch
from app.contexts.sessions import history, lifecycle
from app.contexts.sessions.history import (
    Locked,
    LockedSession,
    SessionRow,
    digest,
    normal,
    stored_interaction,
    stored_result,
)
from app.contexts.sessions.lifecycle import SessionChange
from app.contexts.sessions.observing.matching import Matching
from app.contexts.sessions.statements import LOCK_KNOWN, Known, NewSession
from app.contexts.sessions.types import RECORDED, has_workflow
from app.db import Db
from app.errors import Conflict
from app.schemas.base import MAX_NAME
from app.schemas.hooks import Observation, Step
from app.schemas.sessions import CommandInput, InteractionInput, Posted, StoredInteraction
from app.scope import Scope

_NAMESPACE = uuid.UUID("7d9c3c2e-0d5c-4b1c-9a33-5b4a3f0f6f3e")
# In place of the digest of a result that only closes what was left open.
_CLOSURE = "closure"


async def lock_known(scope: Scope, db: Db, external_ids: Sequence[str]) -> None:
    """Lock those of the sessions that exist, in the order in which every transaction locks
    sessions, so that several can be observed in one transaction."""
    await db.driver.execute(*LOCK_KNOWN(Known(scope.account_id, external_ids)))


async def observe(scope: Scope, db: Db, seen: Observation, *, live: bool = True) -> int | None:
    """Store what an event tells of a session and return the session's id.

    Returns None, with nothing written, when the session lives outside a strict project. An event
    that is not `live` was read from a transcript later: it adds what is missing, but neither
    reopens a session nor sets or clears a wait.
    """
    scope.require_write()
    locked, created = await _find_or_create(scope, db, seen)
    if scope.strict and locked.row.project_id != scope.project_id:
        return None
    change = SessionChange(locked)
    if live:
        _change_now(change, seen, locked.session)
    else:
        _change_later(change, seen, created=created)
    new, changed, names = await _take(scope, db, locked, seen.steps, live=live)
    if new or changed or not change.is_empty:
        kept = None if change.is_empty else change
        await lifecycle.apply(scope, db, locked, kept, new=new, changed=changed)
    for document, name in names:
        await history.name(scope, db, locked.session.id, document, name)
    return locked.session.id


async def _find_or_create(scope: Scope, db: Db, seen: Observation) -> tuple[Locked, bool]:
    """Lock the session, and tell whether this call has created it."""
    locked = await history.lock_external(scope, db, seen.external_id)
    if locked is not None:
        return locked, False
    new = NewSession(
        account_id=scope.account_id,
        project_id=scope.project_id,
        user_id=scope.user_id,
        type=RECORDED,
        agent=seen.agent,
        client=seen.client,
        external_id=seen.external_id,
    )
    # None when another transaction was first: its session is then like any other.
    created = await lifecycle.create(scope, db, new) is not None
    locked = await history.lock_external(scope, db, seen.external_id)
    if locked is None:  # deleted by another transaction in between
        raise Conflict("The session was deleted at this moment; send the event again.")
    return locked, created


def _change_now(change: SessionChange, seen: Observation, session: LockedSession) -> None:
    """A recorded session begins and ends with its agent; a workflow has an end of its own.

    A session that has ended keeps its end: the agent of a cancelled session ends as well.
    """
    state = merge_patch(change.row.state, clean(seen.state))
    change.edit(state=state, **_labels(change.row, seen))
    active = change.row.status == "active"
    if not has_workflow(session.type):
        if seen.ended is None and not active:
            change.reopen()
        elif seen.ended is not None and active:
            change.complete({"reason": clean_text(seen.ended)})
    if seen.waiting is None:
        change.resume()
    else:
        since = session.now.isoformat().replace("+00:00", "Z")
        change.wait_for_person(seen.waiting.kind, clean_text(seen.waiting.message), since)


def _change_later(change: SessionChange, seen: Observation, *, created: bool) -> None:
    """A session that only a transcript knows is over, as far as anyone can tell."""
    state = merge_patch(clean(seen.state), change.row.state)
    change.edit(state=state, **_labels(change.row, seen))
    if created:
        change.complete({"reason": "imported"})


def _labels(row: SessionRow, seen: Observation) -> dict[str, str | None]:
    """The title and the client, which the first event that tells them decides."""
    title = row.title
    if title is None and seen.title:
        title = clean_within(MAX_NAME, seen.title)
    return {"title": title, "client": row.client or seen.client}


async def _take(
    scope: Scope, db: Db, locked: Locked, steps: Sequence[Step], *, live: bool
) -> tuple[
    list[StoredInteraction], list[StoredInteraction], list[tuple[StoredInteraction, uuid.UUID]]
]:
    """Apply the steps: the interactions they add, those they change, and other ids of both."""
    session = locked.session
    namespace = uuid.uuid5(_NAMESPACE, f"{scope.account_id}/{session.id}")
    ids = [uuid.uuid5(namespace, step.key) for step in steps]
    known = await history.find(scope, db, locked, ids) if steps else {}
    matching = Matching(scope, db, locked, known)
    changed: dict[uuid.UUID, StoredInteraction] = {}
    names: list[tuple[StoredInteraction, uuid.UUID]] = []
    for step_id, step in zip(ids, steps, strict=True):
        document = known.get(step_id)
        if step.finds != "named" and (document is None or step.repeats):
            match = await matching.find_open(step)
            if match is not None:
                if document is None:
                    names.append((match, step_id))
                    known[step_id] = match  # an id means one interaction, once and for all
                document = match
        if document is None:
            if step.creates:
                document = known[step_id] = _document(step_id, step, session)
                matching.new.append(document)
        elif _apply(document, step, session, live=live) and document.seq:
            changed[document.id] = document
    return matching.new, list(changed.values()), names


def _document(interaction_id: uuid.UUID, step: Step, session: LockedSession) -> StoredInteraction:
    document = stored_interaction(
        InteractionInput(
            id=interaction_id,
            command=CommandInput(
                module=step.module, command=step.command, metadata=step.metadata, timestamp=step.at
            ),
        ),
        session.now,
    )
    if step.result is not None:
        _settle(document, step, session)
    return document


def _apply(document: StoredInteraction, step: Step, session: LockedSession, *, live: bool) -> bool:
    """Apply a step to an interaction, and tell whether that changed it."""
    if step.result is None:
        return _complete_beginning(document, step)
    fingerprint = None if document.posted is UNSET else document.posted.result
    if document.result is None:
        settles = True
    elif fingerprint == _CLOSURE:
        settles = step.settles != "if_open"
    else:
        newer = live and step.settles == "always"
        settles = newer and fingerprint != digest(normal(step.result))
    if settles:
        _settle(document, step, session)
    metadata = _merged(clean(step.metadata), document.command.metadata)
    changed = not is_same(metadata, document.command.metadata)
    document.command.metadata = metadata
    return settles or changed


def _complete_beginning(document: StoredInteraction, step: Step) -> bool:
    """Take from a beginning that arrives after its end what the end could not know."""
    command = document.command
    metadata = command.metadata
    if document.result is not None:
        metadata = _merged(metadata, clean(step.metadata))
    module, line = command.module, command.command
    if step.command and not line:
        module, line = step.module, clean_text(step.command)
    changed = (module, line) != (command.module, command.command) or not is_same(
        metadata, command.metadata
    )
    command.module, command.command, command.metadata = module, line, metadata
    return changed


def _merged(weaker: dict[str, Any], stronger: dict[str, Any]) -> dict[str, Any]:
    """Merge the metadata of two events about one interaction; fields without a place of their own
    are kept from both."""
    merged = {**weaker, **stronger}
    if isinstance(weaker.get("event"), dict) and isinstance(stronger.get("event"), dict):
        merged["event"] = {**weaker["event"], **stronger["event"]}
    return merged


def _settle(document: StoredInteraction, step: Step, session: LockedSession) -> None:
    assert step.result is not None, "only a step with a result settles"  # noqa: S101
    document.result = stored_result(step.result, step.at or session.now)
    document.completed_at = session.now
    closure = step.settles == "if_open"
    fingerprint = _CLOSURE if closure else digest(normal(step.result))
    before = Posted() if document.posted is UNSET else document.posted
    document.posted = Posted(interaction=before.interaction, result=fingerprint)
