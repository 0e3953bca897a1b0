"""Replays an instance's events, page after page, into its state."""

from typing import NamedTuple

import msgspec

from app.contexts.continuity.instances import get_instance
from app.contexts.continuity.projection import WITH_DATA, fold
from app.db import Db
from app.models import Checkpoint, SupervisorSession
from app.queries import Query
from app.schemas.base import MAX_BIGINT
from app.schemas.continuity import ReplayOut, ReplayState
from app.scope import Scope

PAGE_SIZE = 2000


class _Page(NamedTuple):
    account_id: int
    instance_id: str
    after: int
    until: int
    size: int
    with_data: list[str]


# Hot: 100,000 events are read page by page, and no page is kept.
_PAGE = Query(
    _Page,
    """
SELECT sequence_num, event_type, "timestamp",
       CASE WHEN event_type = ANY(:with_data::text[]) THEN event_data END AS event_data
FROM event_store
WHERE account_id = :account_id AND instance_id = :instance_id
  AND sequence_num > :after AND sequence_num <= :until
ORDER BY sequence_num LIMIT :size
""",
)


async def replay_instance_events(
    scope: Scope,
    db: Db,
    instance_id: str,
    *,
    to_sequence: int | None = None,
    page_size: int = PAGE_SIZE,
    from_zero: bool = False,
) -> ReplayOut:
    """The state after event `to_sequence`, by default the newest. Starts from the newest checkpoint
    before it, unless `from_zero`."""
    instance = await get_instance(scope, db, instance_id)
    return await replay(
        scope,
        db,
        instance,
        MAX_BIGINT if to_sequence is None else to_sequence,
        page_size=page_size,
        from_zero=from_zero,
    )


async def replay(
    scope: Scope,
    db: Db,
    instance: SupervisorSession,
    to_sequence: int,
    *,
    page_size: int = PAGE_SIZE,
    from_zero: bool = False,
) -> ReplayOut:
    state = ReplayState()
    if not from_zero:
        checkpoint = await db.session.scalar(
            scope.select(Checkpoint)
            .where(
                Checkpoint.instance_id == instance.instance_id,
                Checkpoint.event_sequence <= to_sequence,
            )
            .order_by(Checkpoint.sequence_num.desc())
            .limit(1)
        )
        if checkpoint is not None:
            state = msgspec.convert(checkpoint.replay_state, ReplayState)
    begun = state.sequence_num
    first: int | None = None
    while True:
        page = _Page(
            account_id=scope.account_id,
            instance_id=instance.instance_id,
            after=state.sequence_num,
            until=to_sequence,
            size=page_size,
            with_data=list(WITH_DATA),
        )
        rows = await db.driver.fetch(*_PAGE(page))
        for row in rows:
            first = row["sequence_num"] if first is None else first
            state = fold(state, **row)
        if len(rows) < page_size:
            break
    wanted = min(to_sequence, instance.event_count)
    complete = begun >= wanted if first is None else first == begun + 1
    return ReplayOut(state=state, from_sequence=begun, complete=complete)
