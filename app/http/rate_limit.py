"""A token bucket per API token and worker. Hooks are exempt, since their senders do not retry."""

import math
import time
from collections import OrderedDict

from app.errors import TooManyRequests

_MAX_BUCKETS = 100_000


class RateLimit:
    """Allows `per_minute` requests, which may all come at once; 0 switches the limit off."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def take(self, token_id: int | None) -> None:
        """Raises TooManyRequests with the number of seconds after which one more request is
        allowed."""
        if not self._capacity or token_id is None:
            return
        now = time.monotonic()
        level, at = self._buckets.pop(token_id, (self._capacity, now))
        level = min(self._capacity, level + (now - at) * self._per_second)
        if level < 1:
            self._buckets[token_id] = (level, now)
            raise TooManyRequests(math.ceil((1 - level) / self._per_second))
        self._buckets[token_id] = (level - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
