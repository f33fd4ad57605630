"""Replay protection: remembers which webhook deliveries were accepted."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from itertools import islice
from threading import Lock
from typing import Protocol

from redis import Redis, RedisError

from hancock_app.storage import Breaker, StorageUnavailable

# Redis takes some tens of microseconds for each, and a delivery waits for them.
_SHARED_PER_CLAIM = 100


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

    def take(self, limit: int) -> list[tuple[str, int]]:
        """Remove up to `limit` delivery ids, and return them with their time to live in seconds."""
        with self._lock:
            now = self._clock()
            self._forget_expired(now)
            ids = list(islice(self._expiry, limit))
            return [(claimed, math.ceil(self._expiry.pop(claimed) - now)) for claimed in ids]

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

    Claims in `shared` are repeated in `local`, which has the last word: whether Redis fails, comes
    back or loses its data between a delivery and its replay, the worker that accepted the delivery
    refuses the replay. What it accepted meanwhile is claimed in `shared` when that is available
    again, so that the others refuse it as well.
    """

    def __init__(
        self,
        shared: Replays,
        local: Replays,
        breaker: Breaker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._local = local
        self._breaker = breaker
        # Claims of which `shared` does not know.
        self._unshared = MemoryReplays(clock)

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        """Claim `delivery_id` for `ttl_s` seconds; False if it is already claimed."""
        return self._breaker.run(
            lambda: self._claim_both(delivery_id, ttl_s),
            lambda: self._claim_alone(delivery_id, ttl_s),
        )

    def _claim_both(self, delivery_id: str, ttl_s: int) -> bool:
        self._share_earlier_claims()
        # In this order: of two threads with the same delivery, only one gets to the second claim.
        return self._shared.claim(delivery_id, ttl_s) and self._local.claim(delivery_id, ttl_s)

    def _claim_alone(self, delivery_id: str, ttl_s: int) -> bool:
        return self._local.claim(delivery_id, ttl_s) and self._unshared.claim(delivery_id, ttl_s)

    def _share_earlier_claims(self) -> None:
        if not self._unshared:
            return
        claims = self._unshared.take(_SHARED_PER_CLAIM)
        for at, (delivery_id, ttl_s) in enumerate(claims):
            try:
                self._shared.claim(delivery_id, ttl_s)
            except StorageUnavailable:
                for missing in claims[at:]:
                    self._unshared.claim(*missing)
                raise
