"""Moving windows that count requests per client: in memory, in Redis, or in Redis with a fallback.

The memory storage of the `limits` library is not used, although its Redis storage is. With 64
threads and frequent thread switches, each of its strategies admitted too few or too many requests,
and an exception in its timer killed threads. It also copies a client's whole window for each
request, so its cost grows with the traffic. `MemoryWindow` takes one step under one lock, which
takes as long with 100 000 requests in the window as with none.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol

from limits.storage import RedisStorage
from redis import Redis, RedisError

from hancock_app.storage import Breaker, StorageUnavailable

# A request adds at most one client, so removing two limits both the work and the memory.
_IDLE_CLIENTS_PER_REQUEST = 2
# A client takes 0.9 kB: about 90 MB in each worker, and 32 bytes for each further request.
MAX_CLIENTS = 100_000


class Admission(NamedTuple):
    """Whether a request is admitted, how many are in the window, and the age of the oldest."""

    admitted: bool
    request_count: int
    oldest_age_s: float


class Window(Protocol):
    """Counts the requests of each client in the last `span_s` seconds."""

    def take(self, client: str, limit: int, span_s: int) -> Admission:
        """Count a request of `client`, unless there were `limit` in the last `span_s` seconds."""
        ...


class MemoryWindow:
    """The times of the admitted requests of each client; `clock` is in seconds.

    One lock for all clients: a step takes about a microsecond, and because it both reads and
    counts, the limit is exact. If there are more than `max_clients` in a span, the one admitted
    longest ago is forgotten and starts from zero if it returns.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_clients: int = MAX_CLIENTS
    ) -> None:
        self._clock = clock
        self._max_clients = max_clients
        self._lock = Lock()
        # Ordered by the latest admitted request, the longest idle client first.
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """The number of clients in memory."""
        return len(self._clients)

    def take(self, client: str, limit: int, span_s: int) -> Admission:
        """Count a request of `client`, unless there were `limit` in the last `span_s` seconds.

        Refused requests are not counted: a client that sends too many still gets `limit` per span.
        """
        with self._lock:
            now = self._clock()
            times = self._times_of(client, now - span_s)
            admitted = len(times) < limit
            if admitted:
                times.append(now)
                self._clients.move_to_end(client)
            return Admission(admitted, len(times), now - times[0] if times else 0.0)

    def _times_of(self, client: str, horizon: float) -> deque[float]:
        self._forget_idle_clients(horizon)
        times = self._clients.get(client)
        if times is None:
            if len(self._clients) >= self._max_clients:
                self._clients.popitem(last=False)
            times = self._clients[client] = deque()
        while times and times[0] < horizon:
            times.popleft()
        return times

    def _forget_idle_clients(self, horizon: float) -> None:
        for _ in range(_IDLE_CLIENTS_PER_REQUEST):
            times = next(iter(self._clients.values()), None)
            if times is None or (times and times[-1] >= horizon):
                return
            self._clients.popitem(last=False)


class RedisWindow:
    """A window in Redis, shared by all workers and replicas, from the `limits` library.

    `clock` is the wall clock, because times are compared between machines; if their clocks differ,
    the span is longer or shorter by the difference. Raises `StorageUnavailable`.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        # Only the scheme of the URL is used: the connections are those of `redis`.
        self._storage = RedisStorage("redis://", connection_pool=redis.connection_pool)
        self._clock = clock

    def take(self, client: str, limit: int, span_s: int) -> Admission:
        """Count a request of `client`, in a script that Redis runs atomically."""
        key = f"hancock/{client}"
        try:
            admitted = self._storage.acquire_entry(key, limit, span_s)
            oldest, request_count = self._storage.get_moving_window(key, limit, span_s)
        except RedisError as error:
            raise StorageUnavailable(str(error)) from error
        return Admission(admitted, request_count, max(0.0, self._clock() - oldest))


class FallbackWindow:
    """Count in `shared`, or in `local` while that is unavailable: then the limit is per worker.

    What `shared` admits is counted in `local` as well, which may refuse it: whether Redis fails,
    comes back or loses its data, no worker alone admits more than the limit.
    """

    def __init__(self, shared: Window, local: Window, breaker: Breaker) -> None:
        self._shared = shared
        self._local = local
        self._breaker = breaker

    def take(self, client: str, limit: int, span_s: int) -> Admission:
        """Count a request of `client` in the window that is available."""
        return self._breaker.run(
            lambda: self._take_both(client, limit, span_s),
            lambda: self._local.take(client, limit, span_s),
        )

    def _take_both(self, client: str, limit: int, span_s: int) -> Admission:
        shared = self._shared.take(client, limit, span_s)
        if not shared.admitted:
            return shared
        local = self._local.take(client, limit, span_s)
        return shared if local.admitted else local
