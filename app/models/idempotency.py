"""Answers kept for repeated requests."""

import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantOwned, now_column


class IdempotencyKey(TenantOwned):
    """`body` is null for an answer that carried a secret, which is never stored."""

    __tablename__ = "idempotency_keys"

    token_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    payload_sha256: Mapped[bytes]
    status: Mapped[int] = mapped_column(Integer)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes | None]
    inserted_at: Mapped[datetime.datetime] = now_column()

    __table_args__ = (
        # Trimming by age.
        Index("ix_idempotency_keys_account_id_inserted_at", "account_id", "inserted_at"),
    )
