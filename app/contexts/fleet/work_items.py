"""The work items, and which of them can be done next."""

from typing import Any, get_args

import msgspec
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app import feed
from app.cleaning import clean_within
from app.contexts.fleet.queries import (
    AVAILABILITY,
    ITEM_ORDER,
    availability_rank,
    item_columns,
    with_claim,
)
from app.contexts.fleet.releasing import Changed, close_claims, lock_agents, retried
from app.db import Db
from app.errors import Conflict, NotFound
from app.models import Claim, Project, WorkItem
from app.paging import PageRequest, fetch_page, filtered
from app.schemas.base import MAX_NAME, MAX_TEXT, Page, given
from app.schemas.fleet import (
    ReleaseReason,
    Track,
    TrackOut,
    WorkItemCreate,
    WorkItemOut,
    WorkItemRow,
    WorkItemUpdate,
)
from app.schemas.rendering import rendered
from app.scope import Scope, locked, require_visible, update_all

_TEXTS = {"title": MAX_NAME, "description": MAX_TEXT}


class WorkItemFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every field that is not None narrows the list."""

    availability: list[str] | None = None
    status: list[str] | None = None
    track: str | None = None


async def list_work_items(
    scope: Scope,
    db: Db,
    request: PageRequest,
    filters: WorkItemFilter,
) -> Page[WorkItemRow]:
    """Lists what can be done next first: by availability, track, rank and key."""
    rank = availability_rank(scope)
    statement = with_claim(scope.select_listed(WorkItem))
    if filters.availability:
        wanted = [AVAILABILITY.index(name) for name in filters.availability]
        statement = statement.where(rank.in_(wanted))
    statement = filtered(statement, filters, status=WorkItem.status, track=WorkItem.track)
    columns = [*item_columns(WorkItemRow), rank]
    page = await fetch_page(
        db, statement, [rank, *ITEM_ORDER], request, descending=False, columns=columns
    )
    return Page([_row(row) for row in page.data], page.next_cursor)


async def get_work_item(scope: Scope, db: Db, key: str) -> WorkItemOut:
    statement = with_claim(scope.select(WorkItem).where(WorkItem.key == key))
    plain = await db.connection.execute(statement.with_only_columns(*item_columns(WorkItemOut)))
    row = plain.one_or_none()
    if row is None:
        raise NotFound
    return rendered(row, WorkItemOut)


async def create_work_item(scope: Scope, db: Db, data: WorkItemCreate) -> WorkItemOut:
    """Raises Conflict `key_taken` or `key_in_other_project`."""
    scope.require_write()
    same = scope.account_wide().select(WorkItem).where(WorkItem.key == data.key)
    taken = await db.session.scalar(same)
    if taken is not None:
        if scope.strict and taken.project_id != scope.project_id:
            raise Conflict(
                "A work item of another project has this key.", code="key_in_other_project"
            )
        raise Conflict("Another work item of this account has this key.", code="key_taken")
    fields = msgspec.structs.asdict(data)
    item = scope.build(WorkItem, **{name: _clean(name, fields[name]) for name in fields})
    db.session.add(item)
    await db.session.flush()  # the answer is read by a statement of its own
    _record(scope, db, item, "created")
    return await get_work_item(scope, db, data.key)


async def update_work_item(scope: Scope, db: Db, key: str, data: WorkItemUpdate) -> WorkItemOut:
    """Status `done` completes a claim on it, `cancelled` releases it (reason `manual`)."""
    scope.require_write()
    return await retried(db, lambda: _update(scope, db, key, data))


async def complete_work_item(
    scope: Scope, db: Db, key: str, fencing_token: int | None = None
) -> WorkItemOut:
    """Closes its claim with `completed`. Completing it again changes nothing.

    Raises Conflict `work_item_closed` for a cancelled item, and `claim_lost` when the token is not
    that of the live claim.
    """
    scope.require_write()
    return await retried(db, lambda: _complete(scope, db, key, fencing_token))


async def delete_work_item(scope: Scope, db: Db, key: str) -> None:
    """Deletes its claims and conflicts too. Raises Conflict `already_claimed`."""
    item = await locked(db, scope.select(WorkItem).where(WorkItem.key == key))
    scope.require_admin()
    claim = await _live_claim(scope, db, key)
    if claim is not None:
        raise Conflict(
            f"The agent {claim.session_id} holds the work item.",
            code="already_claimed",
            session_id=claim.session_id,
        )
    await db.session.delete(item)
    _record(scope, db, item, "deleted")


async def move_work_item(scope: Scope, db: Db, key: str, project_id: int | None) -> WorkItemOut:
    """Moves it to another project or to none. Raises Invalid for a project that is not visible."""
    item = await locked(db, scope.select(WorkItem).where(WorkItem.key == key))
    scope.require_admin()
    await require_visible(scope, db, Project, project_id, "project_id")
    item.project_id = project_id
    await db.session.flush()  # the answer is read by a statement of its own
    _record(scope, db, item, "moved")
    return await get_work_item(scope.account_wide(), db, key)


async def detach_work_items(scope: Scope, db: Db, project_id: int) -> None:
    """Take a project that is being deleted off all of the account's work items."""
    scope.require_write()
    for item in await update_all(
        scope, db, WorkItem, WorkItem.project_id == project_id, project_id=None
    ):
        _record(scope, db, item, "moved")


async def list_tracks(scope: Scope, db: Db) -> list[TrackOut]:
    """Returns all four tracks, also those without items."""
    rank = availability_rank(scope).element
    best = aggregate_order_by(WorkItem.key, rank, WorkItem.sequence_rank, WorkItem.key)
    first_key = aggregate_order_by(WorkItem.key, Claim.id)
    first_holder = aggregate_order_by(Claim.session_id, Claim.id)
    count = func.count()
    statement = with_claim(scope.select_listed(WorkItem)).group_by(WorkItem.track)
    columns: dict[str, Any] = {
        "open_count": count.filter(WorkItem.status == "open"),
        "done_count": count.filter(WorkItem.status == "done"),
        "cancelled_count": count.filter(WorkItem.status == "cancelled"),
        "claimed_count": count.filter(rank == 3),
        "available_count": count.filter(rank <= 1),
        "blocked_count": count.filter(rank == 2),
        "next_items": func.array_agg(best).filter(rank <= 1),
        "work_items": func.array_agg(first_key).filter(rank == 3),
        "session_ids": func.array_agg(first_holder).filter(rank == 3),
    }
    labelled = [column.label(name) for name, column in columns.items()]
    rows = await db.connection.execute(statement.with_only_columns(WorkItem.track, *labelled))
    found = {row.track: row._asdict() for row in rows}
    return [_track(track, found.get(track, {})) for track in get_args(Track)]


async def _update(scope: Scope, db: Db, key: str, data: WorkItemUpdate) -> WorkItemOut:
    item, claim = await _lock_with_holder(scope, db, key)
    changes = {name: _clean(name, value) for name, value in given(data).items()}
    if claim is not None and changes.get("status", "open") != "open":
        reason: ReleaseReason = "completed" if changes["status"] == "done" else "manual"
        await close_claims(scope, db, [claim.session_id], reason, "idle")
    for name, value in changes.items():
        setattr(item, name, value)
    await db.session.flush()  # the answer is read by a statement of its own
    _record(scope, db, item, "updated")
    return await get_work_item(scope, db, key)


async def _complete(scope: Scope, db: Db, key: str, fencing_token: int | None) -> WorkItemOut:
    item, claim = await _lock_with_holder(scope, db, key)
    if item.status == "cancelled":
        raise Conflict("The work item is cancelled.", code="work_item_closed")
    if item.status == "done":
        return await get_work_item(scope, db, key)
    if fencing_token is not None and (claim is None or claim.fencing_token != fencing_token):
        raise Conflict("This fencing token is no longer current.", code="claim_lost")
    if claim is not None:
        await close_claims(scope, db, [claim.session_id], "completed", "idle")
    item.status = "done"
    await db.session.flush()  # the answer is read by a statement of its own
    _record(scope, db, item, "completed")
    return await get_work_item(scope, db, key)


async def _lock_with_holder(scope: Scope, db: Db, key: str) -> tuple[WorkItem, Claim | None]:
    """Locks the holder, then the item. Raises Changed when the holder has changed meanwhile."""
    before = await _live_claim(scope, db, key)
    if before is not None:
        await lock_agents(scope, db, [before.session_id])
    statement = scope.select(WorkItem).where(WorkItem.key == key)
    item = await locked(db, statement.execution_options(populate_existing=True))
    claim = await _live_claim(scope, db, key)
    if claim is not None and (before is None or before.session_id != claim.session_id):
        raise Changed
    return item, claim


async def _live_claim(scope: Scope, db: Db, key: str) -> Claim | None:
    live = scope.select(Claim).where(Claim.work_item == key, Claim.released_at.is_(None))
    found: Claim | None = await db.session.scalar(live.execution_options(populate_existing=True))
    return found


def _clean(name: str, value: Any) -> Any:
    return clean_within(_TEXTS[name], value) if name in _TEXTS else value


def _row(row: Any) -> WorkItemRow:
    fields = row._asdict()
    return msgspec.convert(
        {**fields, "availability": AVAILABILITY[row.availability_rank]}, WorkItemRow
    )


def _track(track: str, counted: dict[str, Any]) -> TrackOut:
    counts = {name: counted.get(name, 0) for name in TrackOut.__struct_fields__ if "count" in name}
    if counts["claimed_count"] and track != "STANDALONE":
        status = "occupied"
    elif counts["available_count"]:
        status = "open"
    else:
        status = "blocked" if counts["open_count"] else "empty"
    firsts = {
        name: (counted.get(f"{name}s") or [None])[0]
        for name in ("next_item", "work_item", "session_id")
    }
    return msgspec.convert({"track": track, "status": status, **counts, **firsts}, TrackOut)


def _record(scope: Scope, db: Db, item: WorkItem, event: str) -> None:
    feed.record(
        scope,
        db,
        f"work_item.{event}",
        item.key,
        project_id=item.project_id,
        status=item.status,
        track=item.track,
    )
