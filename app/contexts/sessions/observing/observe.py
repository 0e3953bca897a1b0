"""Sessions that an agent drives and we record, from what its hooks tell."""

from collections.abc import Sequence
from typing import Any

from app.cleaning import clean, clean_text, clean_within, merge_patch
from app.contexts.sessions import history, lifecycle
from app.contexts.sessions.history import Locked, LockedSession, SessionRow
from app.contexts.sessions.lifecycle import SessionChange
from app.contexts.sessions.observing.recorder import Recorder
from app.contexts.sessions.statements import (
    FIND_RECORDED,
    LOCK_KNOWN,
    Known,
    NewSession,
    Visible,
)
from app.contexts.sessions.types import RECORDED, has_workflow
from app.db import Db
from app.errors import Conflict
from app.schemas.base import MAX_NAME
from app.schemas.hooks import Closing, Observation, Step
from app.scope import Scope


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
    recorder = Recorder(scope, db, locked, live=live)
    began = await recorder.take(seen.steps)
    if live:
        _change_now(change, seen, locked.session, began=began)
    else:
        _change_later(change, seen, created=created)
    if seen.parent_external_id is not None and locked.row.parent_session_id is None:
        parent = Visible(scope.account_id, seen.parent_external_id, scope.strict_project_id)
        change.edit(parent_session_id=await db.driver.fetchval(*FIND_RECORDED(parent)))
    if change.row.status != "active" and not has_workflow(locked.session.type):
        await recorder.close(Closing(reason="the session has ended", everyone=True))
    if recorder.new or recorder.changed or not change.is_empty:
        kept = None if change.is_empty else change
        await lifecycle.apply(scope, db, locked, kept, new=recorder.new, changed=recorder.changed)
    for document, name in recorder.names:
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


def _change_now(
    change: SessionChange, seen: Observation, session: LockedSession, *, began: bool
) -> None:
    """Apply a live event to the row. A recorded session begins and ends with its agent; a workflow
    has an end of its own.

    A session that has ended keeps its end, and only a new beginning reopens it: neither a late
    event nor a repeated one does.
    """
    state = merge_patch(change.row.state, clean(seen.state))
    change.edit(state=state, **_labels(change.row, seen))
    active = change.row.status == "active"
    if not has_workflow(session.type):
        if not active and seen.begins and (began or not _tells_interaction(seen)):
            change.reopen()
        elif active and seen.ended is not None:
            change.complete({"reason": clean_text(seen.ended)})
    if change.row.status != "active":
        change.resume()
    elif seen.waiting is not None:
        since = session.now.isoformat().replace("+00:00", "Z")
        waiting = seen.waiting
        change.wait_for_person(
            waiting.kind,
            clean_text(waiting.message),
            since,
            call=waiting.call,
            agent_id=seen.agent_id,
        )
    elif _ends_wait(change.row.needs_input, seen):
        change.resume()


def _tells_interaction(seen: Observation) -> bool:
    return any(isinstance(step, Step) for step in seen.steps)


def _ends_wait(waiting: dict[str, Any] | None, seen: Observation) -> bool:
    """Whether an event is the waiting agent's own act, after which it waits no longer.

    An agent that waits with a call goes on when that call ends, or its turn; one that waits without
    a call, with anything it does.
    """
    if waiting is None or waiting.get("agent_id") != seen.agent_id:
        return False
    call = waiting.get("call")
    return seen.turn or seen.ended is not None or call is None or call in seen.calls


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
