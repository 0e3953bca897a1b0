"""Interactions as a client posted them, turned into what is stored: redacted, cut to size,
complete."""

import datetime
import hashlib

import msgspec

from app.cleaning import clean, clean_text, is_clean
from app.models.base import new_uuid
from app.schemas.sessions import (
    Command,
    CommandInput,
    Interaction,
    InteractionInput,
    InteractionSummary,
    Posted,
    Result,
    ResultInput,
    StoredInteraction,
)

SUMMARY_CHARACTERS = 200


def stored_interaction(
    posted: InteractionInput, now: datetime.datetime, *, known_clean: bool = False
) -> StoredInteraction:
    """Build the stored form; its `seq` stays 0 until the history numbers it."""
    result = posted.result
    kept = posted if known_clean or is_clean(posted) else _clean_interaction(posted)
    return StoredInteraction(
        id=posted.id or new_uuid(),
        seq=0,
        step_name=posted.step_name,
        command=_stored_command(kept.command, now),
        result=None if kept.result is None else _stored_result(normal(kept.result), now),
        completed_at=None if result is None else now,
        posted=Posted(
            interaction=None if posted.id is None else digest(posted),
            result=None if result is None else digest(normal(result)),
        ),
    )


def stored_result(posted: ResultInput, now: datetime.datetime) -> Result:
    return _stored_result(normal(posted if is_clean(posted) else _clean_result(posted)), now)


def _stored_command(posted: CommandInput, now: datetime.datetime) -> Command:
    return Command(
        id=posted.id or new_uuid(),
        module=posted.module,
        command=posted.command,
        pipe=posted.pipe,
        metadata=posted.metadata,
        timestamp=(posted.timestamp or now).astimezone(datetime.UTC),
    )


def _stored_result(posted: ResultInput, now: datetime.datetime) -> Result:
    return Result(
        id=posted.id or new_uuid(),
        status=posted.status,
        data=posted.data,
        code=posted.code,
        error_message=posted.error_message,
        stdout=posted.stdout,
        stderr=posted.stderr,
        duration_ms=posted.duration_ms,
        timestamp=(posted.timestamp or now).astimezone(datetime.UTC),
    )


def _clean_interaction(posted: InteractionInput) -> InteractionInput:
    command, result = posted.command, posted.result
    return msgspec.structs.replace(
        posted,
        command=msgspec.structs.replace(
            command,
            command=clean_text(command.command),
            pipe=clean(command.pipe),
            metadata=clean(command.metadata),
        ),
        result=None if result is None else _clean_result(result),
    )


def _clean_result(posted: ResultInput) -> ResultInput:
    return msgspec.structs.replace(
        posted,
        data=clean(posted.data),
        error_message=clean(posted.error_message),
        stdout=clean(posted.stdout),
        stderr=clean(posted.stderr),
    )


def normal(result: ResultInput) -> ResultInput:
    """Name the exit code `code`, whichever of its two names the client used."""
    if result.exit_code is None:
        return result
    code = result.exit_code if result.code is None else result.code
    return msgspec.structs.replace(result, code=code, exit_code=None)


def digest(posted: object) -> str:
    """Hash a document so that equal documents hash alike, whatever the order of their keys."""
    encoded = msgspec.json.encode(posted, order="sorted")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def summary(interaction: StoredInteraction) -> InteractionSummary:
    return InteractionSummary(
        seq=interaction.seq,
        module=interaction.command.module,
        command=interaction.command.command[:SUMMARY_CHARACTERS],
        step_name=interaction.step_name,
        status=None if interaction.result is None else interaction.result.status,
    )


def without_marks(interaction: StoredInteraction) -> Interaction:
    """Copy an interaction without what only the server knows: digests and the workflow's mark."""
    return Interaction(
        id=interaction.id,
        seq=interaction.seq,
        step_name=interaction.step_name,
        command=interaction.command,
        result=interaction.result,
        completed_at=interaction.completed_at,
    )
