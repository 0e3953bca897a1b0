"""Knowing that somebody waits for a lock of a row, where a pause could only guess it."""

import asyncio
from typing import Any

_WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
)


async def count_waiting(driver: Any) -> int:
    """In the whole cluster."""
    count: int = await driver.fetchval(_WAITING)
    return count


async def until_waiting(driver: Any, count: int = 1) -> None:
    """Raises TimeoutError when there are fewer after half a minute."""
    async with asyncio.timeout(30):
        while await count_waiting(driver) < count:  # noqa: ASYNC110 - it happens in PostgreSQL
            await asyncio.sleep(0.01)
