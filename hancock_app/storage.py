"""What the workers share, and what happens while it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Literal, TypeVar

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from hancock_app.errors import Refusal

_log = logging.getLogger("hancock")

OnFailure = Literal["open", "closed"]

RETRY_AFTER_S = 1.0

_Result = TypeVar("_Result")


class StorageAway(Exception):
    """The shared storage does not answer, or not in time."""


def connect(uri: str, timeout_s: float) -> Redis:
    """A client of the Redis at `uri`; connects when it is first used."""
    return Redis.from_url(
        uri.replace("redis+unix://", "unix://"),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        # One request, one try: the breaker decides when to try again.
        retry=Retry(NoBackoff(), 0),
    )


def ping(redis: Redis) -> None:
    """Raise `StorageAway` unless `redis` answers."""
    try:
        redis.ping()
    except RedisError as error:
        raise StorageAway("the storage is away") from error


class Breaker:
    """Asks the shared storage, or does without for a second once it has failed.

    While it is away one request a second tries it; all others go on at once, so that a frozen
    Redis holds up at most the requests that were waiting for it already.
    `clock` gives seconds; `failed` is called for every attempt that failed.
    """

    def __init__(
        self,
        on_failure: OnFailure,
        failed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_failure = on_failure
        self._failed = failed
        self._clock = clock
        self._lock = Lock()
        self._away_until: float | None = None

    def run(self, shared: Callable[[], _Result], own: Callable[[], _Result]) -> _Result:
        """What `shared` gives; else, if failing open, what `own` gives.

        Raises a 503 `Refusal` when failing closed.
        """
        if self._away_until is None or self._may_try():
            try:
                result = shared()
            except StorageAway as error:
                self._open(error)
            else:
                self._close()
                return result
        if self._on_failure == "closed":
            raise Refusal(
                503, "the storage of the limits is away; try again later", (("Retry-After", "1"),)
            )
        return own()

    def _may_try(self) -> bool:
        with self._lock:
            if self._away_until is None:
                return True
            if self._clock() < self._away_until:
                return False
            # Whoever comes next while this attempt is under way does without.
            self._away_until = self._clock() + RETRY_AFTER_S
            return True

    def _open(self, error: StorageAway) -> None:
        self._failed()
        with self._lock:
            was_there = self._away_until is None
            self._away_until = self._clock() + RETRY_AFTER_S
        if was_there:
            _log.error("the shared storage is away, failing %s: %s", self._on_failure, error)

    def _close(self) -> None:
        if self._away_until is None:
            return
        with self._lock:
            self._away_until = None
        _log.warning("the shared storage is back")
