"""The Redis shared by all workers, and the fallback while it is unavailable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from hancock_app.errors import ApiError

_log = logging.getLogger("hancock")

# While the storage is unavailable: use the worker's own memory, or refuse requests.
OnFailure = Literal["open", "closed"]

# Long enough that a frozen Redis delays few requests, short enough that its return is soon noticed.
# Also sent to clients as Retry-After, so that they come back when Redis is tried again.
RETRY_AFTER_S = 1

# Options of a Redis URL. Others that redis-py has, such as timeouts, retries and encodings, would
# replace what this application relies on.
_OPTIONS = ("db", "username", "password", "client_name", "protocol", "health_check_interval")

_Result = TypeVar("_Result")


class StorageUnavailable(Exception):
    """The shared storage does not respond, or not in time."""


def connect(uri: str, timeout_s: float) -> Redis:
    """Return a client of the Redis at `uri`; it connects when it is first used."""
    return Redis.from_url(
        uri.replace("redis+unix://", "unix://"),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        # No retries within a request: the breaker decides when to try again.
        retry=Retry(NoBackoff(), 0),
    )


def require_usable(uri: str) -> None:
    """Raise ValueError if no client can be made of `uri`; the text has nothing of it."""
    try:
        options = parse_qs(urlsplit(uri).query)
        # A connection reads the values of options, and connects only later.
        connect(uri, 1.0).connection_pool.make_connection()
    except (ValueError, TypeError, AttributeError, RedisError):
        raise ValueError(
            "is not a usable Redis URL: in passwords, / is %2F and ? is %3F; check its options"
        ) from None
    if not all(name in _OPTIONS or name.startswith("ssl_") for name in options):
        raise ValueError(f"its options may be {', '.join(_OPTIONS)} and those with ssl_")


def ping(redis: Redis) -> None:
    """Raise `StorageUnavailable` unless `redis` responds."""
    try:
        redis.ping()
    except RedisError as error:
        raise StorageUnavailable("the shared storage is unavailable") from error


class Breaker:
    """A circuit breaker for the shared storage.

    After a failure the storage is skipped, apart from one attempt per second, so that a frozen
    Redis delays only the requests that were already waiting for it.

    `on_failed_attempt` is called for each failed attempt; `clock` is in seconds.
    """

    def __init__(
        self,
        on_failure: OnFailure,
        on_failed_attempt: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_failure = on_failure
        self._on_failed_attempt = on_failed_attempt
        self._clock = clock
        self._lock = Lock()
        # None while the storage is available.
        self._next_attempt_at: float | None = None

    def run(self, shared: Callable[[], _Result], local: Callable[[], _Result]) -> _Result:
        """Return the result of `shared`, or of `local` while the storage is unavailable.

        Raises:
            ApiError: the storage is unavailable and the application fails closed; status 503.
        """
        if self._next_attempt_at is None or self._may_attempt():
            try:
                result = shared()
            except StorageUnavailable as error:
                self._open(error)
            else:
                self._close()
                return result
        if self._on_failure == "closed":
            raise ApiError(
                503,
                "the shared storage is unavailable; try again later",
                (("Retry-After", str(RETRY_AFTER_S)),),
            )
        return local()

    def _may_attempt(self) -> bool:
        with self._lock:
            if self._next_attempt_at is None:
                return True
            if self._clock() < self._next_attempt_at:
                return False
            # Requests that arrive during this attempt do not wait for it.
            self._next_attempt_at = self._clock() + RETRY_AFTER_S
            return True

    def _open(self, error: StorageUnavailable) -> None:
        self._on_failed_attempt()
        with self._lock:
            was_available = self._next_attempt_at is None
            self._next_attempt_at = self._clock() + RETRY_AFTER_S
        if was_available:
            _log.error("shared storage unavailable, failing %s: %s", self._on_failure, error)

    def _close(self) -> None:
        if self._next_attempt_at is None:
            return
        with self._lock:
            self._next_attempt_at = None
        _log.warning("shared storage available again")
