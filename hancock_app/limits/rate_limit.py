"""How often one client may ask: at most so many requests in any 60 seconds."""

from __future__ import annotations

import math
from functools import lru_cache
from ipaddress import IPv6Address

from hancock_app.edge import HEADERS, Environ
from hancock_app.errors import Refusal
from hancock_app.limits.moving_window import Taken, Window
from hancock_app.observability.metrics import Metrics

SPAN_S = 60


class RateLimit:
    """Admits `per_minute` requests of one client in any 60 seconds; 0 admits all."""

    def __init__(self, per_minute: int, window: Window, metrics: Metrics) -> None:
        self._per_minute = per_minute
        self._window = window
        self._metrics = metrics

    def check(self, environ: Environ) -> None:
        """Count the request; raise a 429 `Refusal` when its client has used its share."""
        if not self._per_minute:
            return
        client = client_of(environ.get("REMOTE_ADDR", ""))
        taken = self._window.take(client, self._per_minute, SPAN_S)
        reset_s = _reset_s(taken)
        environ[HEADERS] += (
            ("X-RateLimit-Limit", str(self._per_minute)),
            ("X-RateLimit-Remaining", str(max(0, self._per_minute - taken.used))),
            ("X-RateLimit-Reset", str(reset_s)),
        )
        if not taken.admitted:
            self._metrics.rate_limited()
            raise _too_many(self._per_minute, reset_s)


def client_of(address: str) -> str:
    """Who is behind `address`: for IPv6 its /64, which is the least that one subscriber gets."""
    return _network_of(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def _reset_s(taken: Taken) -> int:
    # At least a second, or a client that does as it is told would come back at once.
    return max(1, math.ceil(SPAN_S - taken.oldest_age_s))


def _too_many(per_minute: int, reset_s: int) -> Refusal:
    return Refusal(
        429,
        f"the limit is {per_minute} requests a minute; try again in {reset_s} s",
        (("Retry-After", str(reset_s)),),
    )
