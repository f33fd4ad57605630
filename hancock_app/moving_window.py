"""A moving window in this process' memory, in the shape of a `limits` storage.

The library's own memory storage is not used: it copies a client's whole window on every request
and again on a timer every 10 ms, so its cost grows with the traffic; it reads the wall clock; and
it throws away a client's lock while others wait on it. This one keeps the library's contract
(`acquire_entry`, `get_moving_window`), so that its Redis storage can take the place of this one.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from typing import Protocol


class Window(Protocol):
    """What a rate limit needs of a `limits` storage."""

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool: ...

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]: ...


class MemoryWindow:
    """The times of every client's admitted requests; `clock` gives seconds.

    One lock for all: what it guards takes under a microsecond, and one step between looking and
    entering is what makes the limit exact.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._clients)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Enter `amount` requests of `key`, unless more than `limit` in `expiry` s came of it."""
        with self._lock:
            now = self._clock()
            self._forget_idle(now - expiry)
            times = self._clients.get(key)
            if times is None:
                times = self._clients[key] = deque()
            _drop_older(times, now - expiry)
            if len(times) + amount > limit:
                return False
            times.extend([now] * amount)
            self._clients.move_to_end(key)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest request of `key` that still counts, and how many do."""
        with self._lock:
            now = self._clock()
            times = self._clients.get(key)
            if times is None:
                return now, 0
            _drop_older(times, now - expiry)
            return (times[0], len(times)) if times else (now, 0)

    def _forget_idle(self, horizon: float) -> None:
        # Clients stand in the order of their latest request, so only the first can be idle; two
        # a time are more than one that comes new, and the work per request stays bounded.
        for _ in range(2):
            if not self._clients:
                return
            key, times = next(iter(self._clients.items()))
            if times and times[-1] >= horizon:
                return
            del self._clients[key]


def _drop_older(times: deque[float], horizon: float) -> None:
    while times and times[0] < horizon:
        times.popleft()
