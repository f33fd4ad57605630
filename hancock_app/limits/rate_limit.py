"""The rate limit: a maximum number of requests per client in any 60 seconds."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from wsgiref.types import WSGIEnvironment

from hancock_app.errors import ApiError
from hancock_app.limits.moving_window import Admission, Window
from hancock_app.observability.metrics import Metrics
from hancock_app.request_environ import HEADERS

# The setting is in requests per minute.
SPAN_S = 60
# Parsing an address takes longer than counting a request; all active clients should fit in here.
_CACHED_CLIENTS = 4096
# An address, and the port that some proxies add: 192.0.2.1:443, [2001:db8::1]:443.
_ADDRESS = re.compile(r"\[(?P<v6>[^\]]+)\](:\d+)?|(?P<v4>[\d.]+):\d+", re.ASCII)
# The client of all requests without a valid address; otherwise each would be a new client.
UNKNOWN = "unknown"


class RateLimit:
    """Admit `per_minute` requests of a client in any 60 seconds; 0 admits all."""

    def __init__(self, per_minute: int, window: Window, metrics: Metrics) -> None:
        self._per_minute = per_minute
        self._window = window
        self._metrics = metrics

    def check(self, environ: WSGIEnvironment) -> None:
        """Count the request and add the `X-RateLimit-*` headers to its response.

        Raises:
            ApiError: the client is over the limit; status 429.
        """
        if not self._per_minute:
            return
        client = client_of(environ.get("REMOTE_ADDR", ""))
        admission = self._window.take(client, self._per_minute, SPAN_S)
        reset_s = _reset_s(admission)
        environ[HEADERS] += (
            ("X-RateLimit-Limit", str(self._per_minute)),
            ("X-RateLimit-Remaining", str(max(0, self._per_minute - admission.request_count))),
            ("X-RateLimit-Reset", str(reset_s)),
        )
        if not admission.admitted:
            self._metrics.rate_limited()
            raise ApiError(
                429,
                f"rate limit of {self._per_minute} requests per minute exceeded;"
                f" try again in {reset_s} s",
                (("Retry-After", str(reset_s)),),
            )


@lru_cache(maxsize=_CACHED_CLIENTS)
def client_of(address: str) -> str:
    """The client behind `address`: for IPv6 its /64, the smallest network a subscriber gets.

    A port is ignored. All strings that are not an address count as one client.

    >>> client_of("[2001:db8::1]:443")
    '2001:db8::/64'
    """
    match = _ADDRESS.fullmatch(address)
    try:
        parsed = ip_address((match["v6"] or match["v4"]) if match else address)
    except ValueError:
        return UNKNOWN
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def _reset_s(admission: Admission) -> int:
    # At least one second: with 0, a well-behaved client would retry immediately.
    return max(1, math.ceil(SPAN_S - admission.oldest_age_s))
