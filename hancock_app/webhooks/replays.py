"""Replay protection: remembers which webhook deliveries were accepted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from redis import Redis, RedisError

from hancock_app.storage import Breaker, StorageUnavailable


class Replays(Protocol):
    """Remembers claimed delivery ids."""

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        """Claim `delivery_id` for `ttl_s` seconds; False if it is already claimed."""
        ...


class MemoryReplays:
    """Delivery ids in the memory of this process; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._expiry: dict[str, float] = {}

    def __len__(self) -> int:
        """The number of delivery ids in memory."""
        return len(self._expiry)

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        """Claim `delivery_id` for `ttl_s` seconds; False if it is already claimed."""
        with self._lock:
            now = self._clock()
            self._forget_expired(now)
            if delivery_id in self._expiry:
                return False
            self._expiry[delivery_id] = now + ttl_s
            return True

    def _forget_expired(self, now: float) -> None:
        # All ids have the same time to live, so the first one claimed expires first.
        while self._expiry:
            oldest = next(iter(self._expiry))
            if self._expiry[oldest] > now:
                return
            del self._expiry[oldest]


class RedisReplays:
    """Delivery ids in Redis, shared by all workers; raises `StorageUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        """Claim `delivery_id` for `ttl_s` seconds; False if it is already claimed."""
        # Hashed, because senders can choose any string as the id.
        digest = hashlib.sha256(delivery_id.encode("utf-8", "replace")).hexdigest()
        try:
            return bool(self._redis.set(f"hancock:webhook:{digest}", b"", nx=True, ex=ttl_s))
        except RedisError as error:
            raise StorageUnavailable(str(error)) from error


class FallbackReplays:
    """Claim in `shared`, or only in `local` while that is unavailable.

    Claims in `shared` are repeated in `local`: if Redis fails between a delivery and its replay,
    the worker that accepted the delivery still refuses the replay.
    """

    def __init__(self, shared: Replays, local: Replays, breaker: Breaker) -> None:
        self._shared = shared
        self._local = local
        self._breaker = breaker

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        """Claim `delivery_id` for `ttl_s` seconds; False if it is already claimed."""
        return self._breaker.run(
            lambda: self._claim_both(delivery_id, ttl_s),
            lambda: self._local.claim(delivery_id, ttl_s),
        )

    def _claim_both(self, delivery_id: str, ttl_s: int) -> bool:
        is_new = self._shared.claim(delivery_id, ttl_s)
        self._local.claim(delivery_id, ttl_s)
        return is_new
