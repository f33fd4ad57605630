"""A pass of two servers or of two programs: requests in turns, made from this process.

The servers run already, so no pass can start them anew: a duel of servers compares these two
processes, and says so. Each pass has fresh connections. Programs are started anew for every call.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from math import log
from random import Random
from typing import Any, Final

from ..core.quantile import P50
from ..errors import DuelError
from ..measuring.clock import system_clock
from ..measuring.plan import Plan
from ..measuring.request import Request
from ..measuring.shapes.turns import InTurns, Turns, measure_in_turns
from .tournament import BASE, HEAD, Key, Pass

_OF_SERVERS: Final = Turns(longest_s=4.0)
_OF_PROGRAMS: Final = Turns(counted=1, dropped=0, most=10, least=5, longest_s=4.0)
"""Each start is a fresh process, so that no call warms up the next one, and a turn is one start."""
_WARMUP: Final = 5
_WARMUP_OF_PROGRAMS: Final = 1
"""The first start reads the program from the disk."""
_TIMEOUT_S: Final = 30.0
"""Of a request or a program; longer latencies need no duel."""

OpenSides = Callable[[ExitStack], tuple[Request, Request]]
"""Makes what is called in a pass: base, head. What it opens is closed with the stack."""


@dataclass(frozen=True, slots=True)
class TurnPasses:
    """Calls both sides in turns, as often as it is called."""

    title: str
    open_sides: OpenSides
    turns: Turns
    warmup: int
    quantiles: Sequence[Fraction] = (P50,)

    def __call__(self, settled: Container[Key], draw: Random) -> Pass:
        """One pass. The title is the only sample."""
        result = Pass()
        keys = [Key(self.title, "", quantile) for quantile in self.quantiles]
        plan = Plan(warmup=self.warmup)
        with ExitStack() as stack:
            sides = self.open_sides(stack)
            measured = measure_in_turns(
                sides, turns=self.turns, plan=plan, clock=system_clock, draw=draw
            )
        for name, side in zip((BASE, HEAD), measured, strict=True):
            result.remarks |= {f"{name}: {why}": None for why in side.taker.failures}
        for key in keys:
            if result.remarks:
                result.left_out[key] = "a request failed"
            elif key not in settled:
                base_ns, head_ns = (_latency_ns(side, key.quantile) for side in measured)
                result.ratios[key] = log(head_ns / base_ns)
                result.latencies_ns[key] = base_ns, head_ns
        return result


def passes_of_servers(
    urls: tuple[str, str],
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    quantiles: Sequence[Fraction] = (P50,),
) -> TurnPasses:
    """Passes of requests to two servers, each over a connection that is kept alive.

    Raises:
        DuelError: httpx is not installed, or a URL is invalid.
    """
    try:
        import httpx
    except ImportError:
        raise DuelError("--url needs httpx: pip install 'pytest-hancock-latency[http]'") from None
    for url in urls:
        _check_url(url, httpx)

    def open_sides(stack: ExitStack) -> tuple[Request, Request]:
        base, head = (_request(stack.enter_context(_client(httpx)), url) for url in urls)
        return base, head

    def _request(client: Any, url: str) -> Request:
        request = client.build_request(method, url, headers=dict(headers or {}), content=body)

        def send() -> Any:
            try:
                return client.send(request)
            except httpx.HTTPError as error:
                raise DuelError(f"{url}: {str(error) or type(error).__name__}") from None

        def check(response: Any) -> None:
            assert response.is_success, f"answered {response.status_code} {response.reason_phrase}"

        return Request(send, url, check)

    return TurnPasses(f"{method} {_path(urls, httpx)}", open_sides, _OF_SERVERS, _WARMUP, quantiles)


def passes_of_programs(
    commands: tuple[str, str], *, quantiles: Sequence[Fraction] = (P50,)
) -> TurnPasses:
    """Passes of starts of two programs, from their start to their end.

    commands: words as a shell would split them; no shell runs.

    Raises:
        DuelError: a command is empty or has a quotation mark without an end.
    """
    words = [_words(command) for command in commands]

    def request(command: Sequence[str]) -> Request:
        def run() -> subprocess.CompletedProcess[bytes]:
            try:
                return subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    timeout=_TIMEOUT_S,
                    check=False,
                )
            except OSError as error:
                raise DuelError(f"{command[0]}: {error.strerror}") from None
            except subprocess.TimeoutExpired:
                raise DuelError(f"{shlex.join(command)}: longer than {_TIMEOUT_S:g} s") from None

        def check(ended: subprocess.CompletedProcess[bytes]) -> None:
            lines = ended.stderr.decode(errors="replace").splitlines()
            why = f": {lines[-1]}" if lines else ""
            assert ended.returncode == 0, (
                f"{shlex.join(command)}: exit code {ended.returncode}{why}"
            )

        return Request(run, shlex.join(command), check)

    def open_sides(_: ExitStack) -> tuple[Request, Request]:
        base, head = map(request, words)
        return base, head

    return TurnPasses("command", open_sides, _OF_PROGRAMS, _WARMUP_OF_PROGRAMS, quantiles)


def _latency_ns(side: InTurns, quantile: Fraction) -> float:
    import numpy as np

    return max(1.0, float(np.quantile(side.observations.comparable_ns, float(quantile))))


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise DuelError(f"--command {command!r}: {error}") from None
    if not words:
        raise DuelError("--command is empty")
    return words


def _check_url(url: str, httpx: Any) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise DuelError(f"--url {url!r}: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DuelError(f"--url {url!r} is not a URL such as http://localhost:8000/health")


def _path(urls: tuple[str, str], httpx: Any) -> str:
    """The path if it is that of both, which is what they are asked for."""
    paths = [httpx.URL(url).raw_path.decode("ascii") for url in urls]
    return paths[0] if paths[0] == paths[1] else "URL"


def _client(httpx: Any) -> Any:
    """A client that measures the server: no proxy, no redirect to somewhere else."""
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False)
