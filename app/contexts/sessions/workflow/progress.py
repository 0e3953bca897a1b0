"""What a session has to do next, and what becomes of the result.

The last interaction that the workflow asked for says where it stands. All of it happens under the
lock of the session's row. Interactions that clients add by themselves are none of its business.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from app import feed
from app.cleaning import clean, is_same, merge_patch
from app.contexts.sessions.history import history
from app.contexts.sessions.history.documents import (
    digest,
    normal,
    shown,
    stored_interaction,
    stored_result,
)
from app.contexts.sessions.history.history import Progress
from app.contexts.sessions.history.interactions import record
from app.contexts.sessions.history.locking import LockedSession
from app.contexts.sessions.sessions import session_ended
from app.contexts.sessions.types import SessionType, Step, get_session_type
from app.contexts.sessions.types.calling import build_command, handle_result, next_step
from app.contexts.sessions.types.definition import StepContext
from app.contexts.sessions.workflow.facts import lock_facts
from app.db import Db
from app.engine import to_jsonb
from app.errors import Conflict, NotFound, SessionTypeFailed
from app.schemas.sessions import (
    CommandInput,
    InteractionInput,
    Posted,
    ResultInput,
    StoredInteraction,
    WorkflowMark,
)
from app.scope import Scope

RETRY_LIMIT = 5


class NextCommand(NamedTuple):
    """`created` is False when it was pending already."""

    interaction: StoredInteraction
    created: bool


class Completed(msgspec.Struct):
    interaction: StoredInteraction
    session_status: str
    applied: bool


async def next_command(scope: Scope, db: Db, session_id: int) -> NextCommand:
    """Asked again before its result is there, the same command: whoever lost the answer asks again.

    Raises Conflict `session_ended`, `no_workflow` or `secret_in_command`, Invalid for the project's
    toolchain, SessionTypeFailed.
    """
    scope.require_write()
    tail, context = await lock_facts(scope, db, session_id)
    session = tail.session
    if session.status != "active":
        raise session_ended(session.status)
    session_type = get_session_type(session.type)
    if not session_type.steps:
        raise Conflict("The agent drives sessions of this type.", code="no_workflow")
    last = await history.find_last(scope, db, tail, _of_workflow)
    if last is not None and last.result is None:
        return NextCommand(shown(last), created=False)
    mark = _mark(last)
    step = _step_after(session_type, last)
    command = build_command(session_type, step, replace(context, last=last))
    posted = CommandInput(
        module=step.name,
        command=command.command,
        pipe=command.pipe,
        metadata={**command.metadata, "attempt": mark.failures.get(step.name, 0) + 1},
    )
    interaction = stored_interaction(
        InteractionInput(step_name=step.name, command=posted), session.now
    )
    if interaction.command.command != command.command:
        # Redacted, or cut, it would be another command.
        raise Conflict(
            f"The command of {step.name} would carry a secret or is too long.",
            code="secret_in_command",
        )
    interaction.workflow = WorkflowMark(failures=mark.failures)
    history.number(session, [interaction])
    record(scope, db, session, [interaction])
    extension = history.Extension(session, [interaction])
    await history.store(db, history.storing(scope, [extension]), last=True)
    return NextCommand(shown(interaction), created=True)


async def set_result(
    scope: Scope,
    db: Db,
    session_id: int,
    interaction_id: UUID,
    posted: ResultInput,
    retry_limit: int = RETRY_LIMIT,
) -> Completed:
    """An agent's work is never thrown away: an ended session takes the result as well, and its
    workflow stays where it is.

    Raises Conflict `already_completed` when another result is there, SessionTypeFailed.
    """
    scope.require_write()
    tail, context = await lock_facts(scope, db, session_id)
    session, found = tail.session, await history.find(scope, db, tail, [interaction_id])
    if interaction_id not in found:
        raise NotFound
    interaction = found[interaction_id]
    result = normal(posted)
    fingerprint = digest(result)
    before = Posted() if interaction.posted is UNSET else interaction.posted
    status, progress = session.status, None
    if interaction.result is None:
        if status == "active" and _of_workflow(interaction):
            context = replace(context, last=interaction)
            progress = _advance(session, context, interaction, result, retry_limit)
            status = progress.status
        else:
            _complete(interaction, result, session)
        interaction.posted = Posted(interaction=before.interaction, result=fingerprint)
        record(scope, db, session, [interaction])
        if status != session.status:
            _record_end(scope, db, session, status)
        await history.replace(scope, db, tail, interaction, progress=progress, last=True)
    elif before.result != fingerprint:
        raise Conflict("The interaction has another result already.", code="already_completed")
    applied = _mark(interaction).applied
    return Completed(shown(interaction), status, applied)


def _advance(
    session: LockedSession,
    context: StepContext,
    interaction: StoredInteraction,
    posted: ResultInput,
    retry_limit: int,
) -> Progress:
    """Let the step judge the result."""
    session_type = get_session_type(session.type)
    step = interaction.command.module
    changes, result = handle_result(session_type, step, context, posted)
    following = next_step(session_type, step, result.status)
    failures = dict(_mark(interaction).failures)
    state = merge_patch(context.session.state, clean(changes))
    status = "active"
    if result.status == "ok":
        failures.pop(step, None)
        if following is None:
            status = "complete"
    else:
        failures[step] = failures.get(step, 0) + 1
        if failures[step] >= (session_type.retry_limit or retry_limit):
            status = "failed"
            ended = {"reason": "retry_limit", "step": step, "attempts": failures[step]}
            state = {**state, "ended": ended}
    _complete(interaction, result, session)
    interaction.workflow = WorkflowMark(failures=failures, applied=True)
    stays = is_same(state, context.session.state)
    return Progress(None if stays else to_jsonb(state), status)


def _complete(interaction: StoredInteraction, result: ResultInput, session: LockedSession) -> None:
    interaction.result = stored_result(result, session.now)
    interaction.completed_at = session.now


def _step_after(session_type: SessionType, last: StoredInteraction | None) -> Step:
    if last is None:
        return session_type.steps[0]
    assert last.result is not None, "a pending interaction is returned as it is"  # noqa: S101
    step = next_step(session_type, last.command.module, last.result.status)
    if step is None:  # its type had more steps when the last one was done
        raise SessionTypeFailed(f"{session_type.name} has no step after {last.command.module}.")
    return step


def _of_workflow(interaction: StoredInteraction) -> bool:
    return interaction.workflow is not UNSET


def _mark(interaction: StoredInteraction | None) -> WorkflowMark:
    if interaction is None or interaction.workflow is UNSET:
        return WorkflowMark()
    return interaction.workflow


def _record_end(scope: Scope, db: Db, session: LockedSession, status: str) -> None:
    feed.record(
        scope,
        db,
        "session.completed" if status == "complete" else "session.failed",
        session.id,
        project_id=session.project_id,
        status=status,
        version=session.version + 1,
    )
