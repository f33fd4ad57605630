"""A moving window in this process' memory.

The memory storage of the `limits` library is not used, although its Redis storage is: with 64
threads and quick switches each of its strategies admitted too few or too many, threads died of
its timer, and it copies a client's whole window on every request, so that the cost grows with the
traffic. This one takes one step under one lock, and as long with 100 000 requests in the window.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol

from limits.storage import RedisStorage
from redis import Redis, RedisError

from hancock_app.storage import Breaker, StorageAway


class Taken(NamedTuple):
    """What became of one request, and how long ago the oldest one came that still counts."""

    admitted: bool
    used: int
    oldest_age_s: float


class Window(Protocol):
    """Counts the requests of each client over the last `span_s` seconds."""

    def take(self, client: str, limit: int, span_s: int) -> Taken:
        """Count a request of `client`, unless `limit` of them came within the last `span_s` s."""
        ...


class MemoryWindow:
    """The times of every client's admitted requests; `clock` gives seconds.

    One lock for all: what it guards takes about a microsecond, and looking and entering in one
    step is what makes the limit exact.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._clients)

    def take(self, client: str, limit: int, span_s: int) -> Taken:
        """Count a request of `client`, unless `limit` of them came within the last `span_s` s.

        A refused request is not counted: who asks too often still gets `limit` per span.
        """
        with self._lock:
            now = self._clock()
            times = self._of(client, now - span_s)
            admitted = len(times) < limit
            if admitted:
                times.append(now)
                self._clients.move_to_end(client)
            return Taken(admitted, len(times), now - times[0] if times else 0.0)

    def _of(self, client: str, horizon: float) -> deque[float]:
        self._forget_idle(horizon)
        times = self._clients.get(client)
        if times is None:
            times = self._clients[client] = deque()
        while times and times[0] < horizon:
            times.popleft()
        return times

    def _forget_idle(self, horizon: float) -> None:
        # Clients stand in the order of their latest admitted request, so only the first can be
        # idle. Two at a time are more than the one that comes new, and bound the work.
        for _ in range(2):
            times = next(iter(self._clients.values()), None)
            if times is None or (times and times[-1] >= horizon):
                return
            self._clients.popitem(last=False)


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
