"""How often one client address may ask: at most so many requests in any 60 seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from hancock_app.errors import Refusal
from hancock_app.metrics import Metrics
from hancock_app.moving_window import Window
from hancock_app.wsgi import HEADERS, Environ

WINDOW_S = 60


class Allowance(NamedTuple):
    """What became of one request: whether it is admitted, what is left, and until when."""

    admitted: bool
    remaining: int
    reset_s: int


class RateLimit:
    """Admits `per_minute` requests of one address in any 60 seconds; 0 admits all."""

    def __init__(
        self, per_minute: int, window: Window, clock: Callable[[], float], metrics: Metrics
    ) -> None:
        self._per_minute = per_minute
        self._window = window
        self._clock = clock
        self._metrics = metrics

    def check(self, environ: Environ) -> None:
        """Count the request; raise a 429 `Refusal` when its address has used its share."""
        if not self._per_minute:
            return
        taken = self._take(environ.get("REMOTE_ADDR", ""))
        environ[HEADERS] += self._headers(taken)
        if not taken.admitted:
            self._metrics.rate_limited()
            raise Refusal(
                429,
                f"more than {self._per_minute} requests in a minute;"
                f" try again in {taken.reset_s} s",
                (("Retry-After", str(taken.reset_s)),),
            )

    def _take(self, address: str) -> Allowance:
        admitted = self._window.acquire_entry(address, self._per_minute, WINDOW_S)
        oldest, used = self._window.get_moving_window(address, self._per_minute, WINDOW_S)
        reset_s = math.ceil(oldest + WINDOW_S - self._clock())
        # At least a second, or a client that does as it is told would come back at once.
        return Allowance(admitted, max(0, self._per_minute - used), max(1, reset_s))

    def _headers(self, taken: Allowance) -> list[tuple[str, str]]:
        return [
            ("X-RateLimit-Limit", str(self._per_minute)),
            ("X-RateLimit-Remaining", str(taken.remaining)),
            ("X-RateLimit-Reset", str(taken.reset_s)),
        ]
