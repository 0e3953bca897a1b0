from typing import Any

from app.schemas.base import Instant, Output


class FeedEventOut(Output):
    """`name` is `<entity_kind>.<what happened>`; the payload holds ids, states and counts."""

    sequence: int
    name: str
    entity_kind: str
    entity_id: str
    account_id: int
    project_id: int | None
    user_id: int | None
    token_id: int | None
    payload: dict[str, Any]
    at: Instant


class FeedPage(Output):
    """`next_cursor` is the last sequence: pass it as `after` to get what follows."""

    data: list[FeedEventOut]
    next_cursor: str
