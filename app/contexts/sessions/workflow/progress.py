"""The progress of a session's workflow: its next command, and the effect of a result.

The last interaction that the workflow asked for says where it stands; those that clients add by
themselves do not count. Every step happens under the lock of the session's row.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from app.cleaning import clean, merge_patch
from app.contexts.sessions import history, lifecycle
from app.contexts.sessions.history import (
    LockedSession,
    digest,
    normal,
    stored_interaction,
    stored_result,
    without_marks,
)
from app.contexts.sessions.lifecycle import SessionChange, session_ended
from app.contexts.sessions.types import SessionType, Step, get_session_type
from app.contexts.sessions.types.definition import StepContext
from app.contexts.sessions.types.invocation import build_command, handle_result, next_step
from app.contexts.sessions.workflow.facts import lock_context
from app.db import Db
from app.errors import Conflict, NotFound, SessionTypeFailed
from app.schemas.sessions import (
    CommandInput,
    Interaction,
    InteractionInput,
    Posted,
    ResultInput,
    StoredInteraction,
    WorkflowMark,
)
from app.scope import Scope

RETRY_LIMIT = 5


class NextCommand(NamedTuple):
    """`created` is False when the command was pending already."""

    interaction: Interaction
    created: bool


class Completed(msgspec.Struct):
    interaction: Interaction
    session_status: str
    applied: bool


async def next_session_command(scope: Scope, db: Db, session_id: int) -> NextCommand:
    """Return the pending command, or build the next one: a client that lost an answer asks again.

    Raises Conflict `session_ended`, `no_workflow` or `secret_in_command`, Invalid for the project's
    toolchain, SessionTypeFailed.
    """
    scope.require_write()
    locked, context = await lock_context(scope, db, session_id)
    session = locked.session
    if session.status != "active":
        raise session_ended(session.status)
    session_type = get_session_type(session.type)
    if not session_type.steps:
        raise Conflict("The agent drives sessions of this type.", code="no_workflow")
    last = await history.find_last(scope, db, locked, _of_workflow)
    if last is not None and last.result is None:
        return NextCommand(without_marks(last), created=False)
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
        # Redaction or truncation has made it another command.
        raise Conflict(
            f"The command of {step.name} would carry a secret or is too long.",
            code="secret_in_command",
        )
    interaction.workflow = WorkflowMark(failures=mark.failures)
    await lifecycle.apply(scope, db, locked, new=[interaction], last=True)
    return NextCommand(without_marks(interaction), created=True)


async def set_interaction_result(
    scope: Scope,
    db: Db,
    session_id: int,
    interaction_id: UUID,
    posted: ResultInput,
    retry_limit: int = RETRY_LIMIT,
) -> Completed:
    """Store the result of a pending interaction, and let the workflow go on from it.

    An ended session stores the result as well, so that no work is lost, but its workflow stays.
    Raises Conflict `already_completed` when another result is there, SessionTypeFailed.
    """
    scope.require_write()
    locked, context = await lock_context(scope, db, session_id)
    session, found = locked.session, await history.find(scope, db, locked, [interaction_id])
    if interaction_id not in found:
        raise NotFound
    interaction = found[interaction_id]
    result = normal(posted)
    fingerprint = digest(result)
    before = Posted() if interaction.posted is UNSET else interaction.posted
    status = session.status
    if interaction.result is None:
        change = None
        if status == "active" and _of_workflow(interaction):
            context = replace(context, last=interaction)
            change = SessionChange(locked)
            _advance(change, session, context, interaction, result, retry_limit)
            status = change.row.status
        else:
            _complete(interaction, result, session)
        interaction.posted = Posted(interaction=before.interaction, result=fingerprint)
        if change is not None and change.is_empty:
            change = None
        await lifecycle.apply(scope, db, locked, change, changed=[interaction], last=True)
    elif before.result != fingerprint:
        raise Conflict("The interaction has another result already.", code="already_completed")
    applied = _mark(interaction).applied
    return Completed(without_marks(interaction), status, applied)


def _advance(
    change: SessionChange,
    session: LockedSession,
    context: StepContext,
    interaction: StoredInteraction,
    posted: ResultInput,
    retry_limit: int,
) -> None:
    """Let the step judge the result, and end the session with its last step or retry."""
    session_type = get_session_type(session.type)
    step = interaction.command.module
    changes, result = handle_result(session_type, step, context, posted)
    following = next_step(session_type, step, result.status)
    failures = dict(_mark(interaction).failures)
    change.edit(state=merge_patch(context.session.state, clean(changes)))
    if result.status == "ok":
        failures.pop(step, None)
        if following is None:
            change.complete()
    else:
        failures[step] = failures.get(step, 0) + 1
        if failures[step] >= (session_type.retry_limit or retry_limit):
            change.fail({"reason": "retry_limit", "step": step, "attempts": failures[step]})
    _complete(interaction, result, session)
    interaction.workflow = WorkflowMark(failures=failures, applied=True)


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
