"""A pass of two servers: requests in turns, made from this process over fresh connections.

The servers run already, so no pass can start them anew: a duel of servers compares these two
processes, and says so.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from math import log
from random import Random
from typing import Any, Final

from ..core.quantile import P50
from ..errors import DuelError
from ..measuring.clock import system_clock
from ..measuring.plan import Plan
from ..measuring.request import Request
from ..measuring.shapes.turns import MeasuredInTurns, TurnPlan, measure_in_turns
from .run_duel import BASE, HEAD, PassResult, SampleKey

_TURNS: Final = TurnPlan(longest_s=4.0)
_WARMUP: Final = 5
_TIMEOUT_S: Final = 30.0
"""Longer latencies need no duel."""


@dataclass(frozen=True, slots=True)
class ServerPass:
    """Sends the same request to two servers in turns, as often as it is called.

    Raises:
        DuelError: httpx is not installed, or a URL is invalid.
    """

    urls: tuple[str, str]
    """Base's and head's."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    quantiles: Sequence[Fraction] = (P50,)
    """Quantiles to compare."""

    def __post_init__(self) -> None:
        httpx = _httpx()
        for url in self.urls:
            _check_url(url, httpx)

    @property
    def title(self) -> str:
        """The name of the sample: the method, and the path if both servers have the same."""
        httpx = _httpx()
        base_path, head_path = (httpx.URL(url).raw_path.decode("ascii") for url in self.urls)
        return f"{self.method} {base_path if base_path == head_path else 'URL'}"

    def __call__(self, settled: Container[SampleKey], random: Random) -> PassResult:
        """Run one pass.

        Args:
            settled: Quantiles that are not compared any more.
            random: Draws the order of the servers in each pair of turns.
        """
        with ExitStack() as stack:
            base, head = (self._request(url, stack) for url in self.urls)
            measured = measure_in_turns(
                (base, head),
                turns=_TURNS,
                plan=Plan(warmup=_WARMUP),
                clock=system_clock,
                draw=random,
            )
        keys = [SampleKey(self.title, "", quantile) for quantile in self.quantiles]
        names = zip((BASE, HEAD), measured, strict=True)
        failures = [f"{name}: {why}" for name, side in names for why in side.taker.failures]
        if failures:
            left_out = dict.fromkeys(keys, "a request failed")
            return PassResult(left_out=left_out, remarks=tuple(failures))
        base_measured, head_measured = measured
        latencies_ns = {
            key: (
                _latency_ns(base_measured, key.quantile),
                _latency_ns(head_measured, key.quantile),
            )
            for key in keys
            if key not in settled
        }
        ratios = {key: log(head_ns / base_ns) for key, (base_ns, head_ns) in latencies_ns.items()}
        return PassResult(ratios, latencies_ns)

    def _request(self, url: str, stack: ExitStack) -> Request:
        """Return the request to one server, over a connection that is closed with the stack."""
        httpx = _httpx()
        # Without proxies and redirects, so that the server itself is measured.
        client = stack.enter_context(
            httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False)
        )
        request = client.build_request(
            self.method, url, headers=dict(self.headers), content=self.body
        )

        def send() -> Any:
            try:
                return client.send(request)
            except httpx.HTTPError as error:
                raise DuelError(f"{url}: {str(error) or type(error).__name__}") from None

        def check(response: Any) -> None:
            assert response.is_success, f"answered {response.status_code} {response.reason_phrase}"

        return Request(send, url, check)


def _latency_ns(measured: MeasuredInTurns, quantile: Fraction) -> float:
    import numpy as np

    return max(1.0, float(np.quantile(measured.observations.comparable_ns, float(quantile))))


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise DuelError("--url needs httpx: pip install 'pytest-hancock-latency[http]'") from None
    return httpx


def _check_url(url: str, httpx: Any) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise DuelError(f"--url {url!r}: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DuelError(f"--url {url!r} is not a URL such as http://localhost:8000/health")
