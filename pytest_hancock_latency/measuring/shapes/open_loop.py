"""The open loop: requests start on schedule, even if earlier ones are not answered yet.

A closed loop waits for a reply before it sends again, so while a server is stuck it sends nothing,
and the slow observations that users would have made are missing: coordinated omission. Here,
latency is measured from the *intended* start of a request, as scheduled. If no caller was free
then, the time until it was sent counts as latency of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, get_args

from ...core.duration import NS_PER_S, format_exactly, parse_duration
from ...errors import LatencyError, did_you_mean, hides_frame
from ..clock import Clock, sleep_of_threads
from ..plan import Plan
from ..request import Load
from ..takers.bare import Taker
from .finished_load import Finished, IntendedStarts
from .threads import Crew

__tracebackhide__ = hides_frame

Arrivals = Literal["constant", "poisson"]
ARRIVALS: Final = get_args(Arrivals)
MOST_REQUESTS: Final = 1_000_000
_SEED: Final = 20_220_607  # the same arrivals in every run; the value does not matter

Sleep = Callable[[int], None]


def sleep_ns(ns: int) -> None:
    """Sleep for `ns` nanoseconds."""
    sleep_of_threads()(ns / NS_PER_S)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of intended starts, in ns from the release."""

    per_second: float
    duration_ns: int
    arrivals: str = "constant"

    @classmethod
    def of(cls, per_second: object, duration: object, arrivals: str) -> Schedule:
        """Make a schedule from user input.

        Raises:
            LatencyError: it is invalid; `DurationError` for the duration.
        """
        if arrivals not in ARRIVALS:
            near = did_you_mean(str(arrivals), ARRIVALS)
            raise LatencyError(f"unknown arrivals {arrivals!r}{near}: must be constant or poisson")
        if isinstance(per_second, bool) or not isinstance(per_second, int | float):
            raise LatencyError(f"per_second={per_second!r} is not a number")
        duration_ns = parse_duration(duration)
        requests = per_second * duration_ns / NS_PER_S
        if not 1 <= requests <= MOST_REQUESTS:
            raise LatencyError(
                f"{per_second}/s for {format_exactly(duration_ns)} must be between 1 and "
                f"{MOST_REQUESTS} requests"
            )
        return cls(float(per_second), duration_ns, arrivals)

    def starts(self) -> Sequence[int]:
        """Return the intended starts, at a constant rate or from a Poisson process."""
        number = max(1, round(self.per_second * self.duration_ns / NS_PER_S))
        gap = NS_PER_S / self.per_second
        if self.arrivals == "constant":
            return [round(at * gap) for at in range(number)]
        draw, at, starts = Random(_SEED), 0.0, []
        for _ in range(number):
            at += draw.expovariate(1.0) * gap
            starts.append(round(at))
        return starts


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers that make the requests, and how they wait until a request is due."""

    concurrency: int
    clock: Clock
    sleep: Sleep = sleep_ns


def at_rate(load: Load, starts: Sequence[int], callers: Callers, plan: Plan) -> Finished:
    """Make each request at its intended start, or as soon as a caller is free."""
    attempts, clock = load.attempts(), callers.clock
    crew = Crew(min(callers.concurrency, len(starts)), clock, plan)

    def work(taker: Taker, positions: Iterator[int], begin: int) -> IntendedStarts:
        intended = IntendedStarts()
        for position in positions:
            due = begin + starts[position]
            crew.probes.run_if_due()
            waited = taker.waited_ns()
            early = due - clock()
            if early > 0:
                callers.sleep(early)
            waited = taker.waited_ns() - waited
            before = len(taker)
            taker.take(attempts.request(position), 1, 0)
            if len(taker) > before:
                intended.add(due, waited)
        return intended

    crew.run(work, len(starts))
    return crew.finished(attempts, callers.concurrency)
