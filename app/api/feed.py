from typing import Annotated

from litestar.params import QueryParameter

from app import feed
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Limit, OptionalId, route
from app.schemas.base import MAX_BIGINT
from app.schemas.feed import FeedPage


@route("GET", "/api/feed", reach="project", tag="feed")
async def list_feed_events(
    current_scope: CurrentScope,
    db: OpenDb,
    after: Annotated[int, QueryParameter(ge=0, le=MAX_BIGINT)] = 0,
    session_id: OptionalId = None,
    limit: Limit = 50,
) -> FeedPage:
    """Ascending. `next_cursor` is the last sequence: pass it as `after` to get what follows."""
    events = await feed.list_feed_events(
        current_scope, db, after=after, limit=limit, session_id=session_id
    )
    return FeedPage(data=events, next_cursor=str(events[-1].sequence if events else after))
