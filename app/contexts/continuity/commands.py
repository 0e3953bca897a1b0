"""The audit trail of the commands that instances executed."""

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from app import feed
from app.cleaning import clean, clean_within
from app.contexts.continuity.instances import get_instance, of_listed
from app.db import Db
from app.models import LoggedCommand
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import MAX_NAME, Page
from app.schemas.continuity import CommandLogInput
from app.scope import Scope


class CommandFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list. A command must have every `tag`; `since` is
    inclusive, `until` exclusive."""

    command_type: str | None = None
    action: str | None = None
    tool_name: str | None = None
    success: bool | None = None
    tag: list[str] | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None


async def log_instance_commands(
    scope: Scope, db: Db, instance_id: str, posted: Sequence[CommandLogInput]
) -> list[LoggedCommand]:
    """Logs all commands or none. A closed instance still accepts late ones, so that none is
    lost."""
    scope.require_write()
    instance = await get_instance(scope, db, instance_id)
    now = await db.now()
    commands = [
        scope.build(LoggedCommand, instance_id=instance_id, created_at=now, **_stored(command))
        for command in posted
    ]
    db.session.add_all(commands)
    await db.session.flush()  # their ids go into the answer
    last = commands[-1]
    feed.record(
        scope,
        db,
        "instance.commands_logged",
        instance_id,
        project_id=instance.project_id,
        count=len(commands),
        action=last.action,
        success=last.success,
    )
    return commands


async def search_instance_commands(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: CommandFilter,
    *,
    instance_id: str | None = None,
) -> Page[LoggedCommand]:
    """Lists the commands of one instance or of all, newest first."""
    statement = scope.select(LoggedCommand)
    if instance_id is not None:
        await get_instance(scope, db, instance_id)
        statement = statement.where(LoggedCommand.instance_id == instance_id)
    else:
        statement = of_listed(scope, statement, LoggedCommand.instance_id)
    statement = filtered(
        statement,
        filters,
        command_type=LoggedCommand.command_type,
        action=LoggedCommand.action,
        tool_name=LoggedCommand.tool_name,
        success=LoggedCommand.success,
    )
    if filters.tag:
        statement = statement.where(LoggedCommand.tags.contains(filters.tag))
    if filters.since is not None:
        statement = statement.where(LoggedCommand.created_at >= filters.since)
    if filters.until is not None:
        statement = statement.where(LoggedCommand.created_at < filters.until)
    return await fetch_page(db, statement, [LoggedCommand.created_at, LoggedCommand.id], request)


def _stored(posted: CommandLogInput) -> dict[str, Any]:
    fields = msgspec.structs.asdict(posted)
    return {
        **fields,
        "action": clean_within(MAX_NAME, posted.action),
        "parameters": clean(posted.parameters),
        "result": clean(posted.result),
        "error_message": clean(posted.error_message),
        "tags": [clean_within(MAX_NAME, tag) for tag in posted.tags],
        "context_data": clean(posted.context_data),
    }
