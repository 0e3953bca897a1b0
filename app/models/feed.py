"""The durable event feed: live stream and audit log in one table."""

import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantOwned, now_column


class FeedCounter(TenantOwned):
    """The last sequence number assigned. It has a row of its own, since every commit of the account
    updates it."""

    __tablename__ = "feed_counters"

    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class FeedEventRow(TenantOwned):
    """Keeps the ids of rows that may be deleted, so its only foreign key is the account."""

    __tablename__ = "feed_events"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str]
    entity_kind: Mapped[str]
    entity_id: Mapped[str]
    project_id: Mapped[int | None]
    user_id: Mapped[int | None]
    token_id: Mapped[int | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (
        # Trimming by age.
        Index("ix_feed_events_account_id_at", "account_id", "at"),
    )
