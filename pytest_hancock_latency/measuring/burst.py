"""A burst: requests that are all released at once."""

from __future__ import annotations

from collections.abc import Iterator

from .attempts import Load
from .clock import Clock
from .crew import Crew
from .loads import Finished
from .pacing import Part, part_of
from .plan import Plan
from .taking import Taker


def burst(load: Load, concurrency: int, plan: Plan, clock: Clock) -> Finished:
    """Make all requests of a load, `concurrency` at a time, the first ones together.

    Each thread makes its next request as soon as it has the answer to its last one.
    """
    attempts = load.attempts()
    crew = Crew(min(concurrency, len(load.calls)), clock, attribution=plan.attribution)

    def work(taker: Taker, positions: Iterator[int], begin: int) -> Part:
        for position in positions:
            taker.take(attempts.request(position), 1, 0)
        return part_of(taker)

    crew.run(work, len(load.calls))
    return crew.finished(attempts, concurrency)
