"""A moving window in Redis, one for all workers and replicas, by the `limits` library."""

from __future__ import annotations

import time
from collections.abc import Callable

from limits.storage import RedisStorage
from redis import Redis, RedisError

from hancock_app.moving_window import Taken, Window
from hancock_app.storage import Breaker, StorageAway


class RedisWindow:
    """Counts in Redis; raises `StorageAway` where it does not answer.

    `clock` is the wall clock, since the times are compared across machines: what their clocks
    differ by, the span is longer or shorter by.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        # The address is only looked at for its scheme: the connections are those of `redis`.
        self._storage = RedisStorage("redis://", connection_pool=redis.connection_pool)
        self._clock = clock

    def take(self, client: str, limit: int, span_s: int) -> Taken:
        """Count a request of `client`; the script that does it is one step in Redis."""
        key = f"hancock/{client}"
        try:
            admitted = self._storage.acquire_entry(key, limit, span_s)
            oldest, used = self._storage.get_moving_window(key, limit, span_s)
        except RedisError as error:
            raise StorageAway(str(error)) from error
        return Taken(admitted, used, max(0.0, self._clock() - oldest))


class FallbackWindow:
    """Counts in `shared`, and in `own` while that is away: the limit then holds per worker."""

    def __init__(self, shared: Window, own: Window, breaker: Breaker) -> None:
        self._shared = shared
        self._own = own
        self._breaker = breaker

    def take(self, client: str, limit: int, span_s: int) -> Taken:
        """Count a request of `client` in whichever of the two can be asked."""
        return self._breaker.run(
            lambda: self._shared.take(client, limit, span_s),
            lambda: self._own.take(client, limit, span_s),
        )
