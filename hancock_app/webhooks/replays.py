"""Which deliveries were accepted already, in this process or among all workers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from redis import Redis, RedisError

from hancock_app.storage import Breaker, StorageAway


class Replays(Protocol):
    """Remembers what was claimed."""

    def claim(self, name: str, for_s: int) -> bool:
        """Take `name` for the next `for_s` seconds; False where it is taken already."""
        ...


class MemoryReplays:
    """Remembers in this process; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._until)

    def claim(self, name: str, for_s: int) -> bool:
        """Take `name` for the next `for_s` seconds; False where it is taken already."""
        with self._lock:
            now = self._clock()
            self._forget_old(now)
            if name in self._until:
                return False
            self._until[name] = now + for_s
            return True

    def _forget_old(self, now: float) -> None:
        # All are kept for the same time, so that the first is the first to go.
        while self._until:
            first = next(iter(self._until))
            if self._until[first] > now:
                return
            del self._until[first]


class RedisReplays:
    """Remembers in Redis; raises `StorageAway` where it does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def claim(self, name: str, for_s: int) -> bool:
        """Take `name` for the next `for_s` seconds; False where it is taken already."""
        # Senders choose the name, so it is not written into a key as it is.
        key = "hancock:webhook:" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
        try:
            return bool(self._client.set(key, b"", nx=True, ex=for_s))
        except RedisError as error:
            raise StorageAway(str(error)) from error


class FallbackReplays:
    """Remembers in `shared`, and in `own` what is claimed while that is away.

    `own` remembers what went to `shared` as well: a Redis that goes away in the middle of a replay
    does not open the door again at the worker that has seen the original.
    """

    def __init__(self, shared: Replays, own: Replays, breaker: Breaker) -> None:
        self._shared = shared
        self._own = own
        self._breaker = breaker

    def claim(self, name: str, for_s: int) -> bool:
        """Take `name` for the next `for_s` seconds; False where it is taken already."""
        return self._breaker.run(
            lambda: self._claim_both(name, for_s), lambda: self._own.claim(name, for_s)
        )

    def _claim_both(self, name: str, for_s: int) -> bool:
        free = self._shared.claim(name, for_s)
        self._own.claim(name, for_s)
        return free
