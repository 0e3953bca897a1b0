"""Conflicts between work items."""

from typing import NamedTuple

import msgspec
from sqlalchemy import or_

from app import feed
from app.cleaning import clean_text, clean_within
from app.contexts.fleet.queries import of_visible_items
from app.contexts.fleet.releasing import lock_items
from app.db import Db
from app.errors import FieldError, Invalid
from app.models import WorkItem, WorkItemConflict
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import MAX_TEXT, Page
from app.schemas.fleet import MAX_LABEL, WorkItemConflictCreate
from app.scope import Scope, locked, one, saved

_PAIR = (WorkItemConflict.work_item_a, WorkItemConflict.work_item_b)


class ConflictFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list; `work_item` is either item of the pair."""

    work_item: str | None = None
    severity: str | None = None
    resolved: bool | None = None


class Reported(NamedTuple):
    conflict: WorkItemConflict
    created: bool


async def list_work_item_conflicts(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: ConflictFilter,
) -> Page[WorkItemConflict]:
    """Lists conflicts, the last reported first."""
    statement = of_visible_items(scope, scope.select(WorkItemConflict), *_PAIR, listed=True)
    if filters.work_item is not None:
        statement = statement.where(or_(*(key == filters.work_item for key in _PAIR)))
    statement = filtered(
        statement,
        filters,
        severity=WorkItemConflict.severity,
        resolved=WorkItemConflict.resolved_at.is_not(None),
    )
    return await fetch_page(db, statement, [WorkItemConflict.id], request)


async def get_work_item_conflict(scope: Scope, db: Db, conflict_id: int) -> WorkItemConflict:
    statement = scope.select(WorkItemConflict).where(WorkItemConflict.id == conflict_id)
    return await one(db, of_visible_items(scope, statement, *_PAIR))


async def create_work_item_conflict(scope: Scope, db: Db, data: WorkItemConflictCreate) -> Reported:
    """Reporting the same pair, in either order, with the same type again updates the conflict, and
    reopens it if it was resolved.

    Raises Invalid for an item that is not visible, or for the same item twice.
    """
    scope.require_write()
    keys = sorted({data.work_item_a, data.work_item_b})
    if len(keys) == 1:
        raise Invalid.field("work_item_b", "must be another work item")
    await _require_items(scope, db, data)
    # Keeps both items from being claimed before the conflict is known.
    await lock_items(scope, db, keys)
    a, b = keys
    same = scope.select(WorkItemConflict).where(
        WorkItemConflict.work_item_a == a,
        WorkItemConflict.work_item_b == b,
        WorkItemConflict.conflict_type == data.conflict_type,
    )
    found = await db.session.scalar(same.with_for_update(key_share=True))
    conflict = found or scope.build(
        WorkItemConflict, work_item_a=a, work_item_b=b, conflict_type=data.conflict_type
    )
    conflict.severity = data.severity
    conflict.affected_areas = [clean_text(area)[:MAX_LABEL] for area in data.affected_areas]
    if conflict.resolved_at is not None:
        conflict.resolved_at = conflict.resolution_notes = None
    await saved(db, conflict)  # its id goes into the feed
    await _record(scope, db, conflict, "reported")
    return Reported(conflict, found is None)


async def resolve_work_item_conflict(
    scope: Scope, db: Db, conflict_id: int, resolution_notes: str | None = None
) -> WorkItemConflict:
    """Marks the conflict resolved. Resolving it again changes nothing."""
    scope.require_write()
    statement = scope.select(WorkItemConflict).where(WorkItemConflict.id == conflict_id)
    conflict: WorkItemConflict = await locked(db, of_visible_items(scope, statement, *_PAIR))
    if conflict.resolved_at is None:
        conflict.resolved_at = await db.now()
        conflict.resolution_notes = clean_within(MAX_TEXT, resolution_notes)
        await _record(scope, db, conflict, "resolved")
    return conflict


async def _require_items(scope: Scope, db: Db, data: WorkItemConflictCreate) -> None:
    wanted = {name: getattr(data, name) for name in ("work_item_a", "work_item_b")}
    visible = scope.select(WorkItem).where(WorkItem.key.in_(wanted.values()))
    found = set(await db.session.scalars(visible.with_only_columns(WorkItem.key)))
    missing = [
        FieldError(name, "is not a visible work item")
        for name, key in wanted.items()
        if key not in found
    ]
    if missing:
        raise Invalid(*missing)


async def _record(scope: Scope, db: Db, conflict: WorkItemConflict, event: str) -> None:
    first = scope.select(WorkItem).where(WorkItem.key == conflict.work_item_a)
    feed.record(
        scope,
        db,
        f"work_item_conflict.{event}",
        conflict.id,
        project_id=await db.session.scalar(first.with_only_columns(WorkItem.project_id)),
        work_item_a=conflict.work_item_a,
        work_item_b=conflict.work_item_b,
        severity=conflict.severity,
    )
