"""Threads that make requests concurrently, each with its own taker, released together.

caller   ── starts the crew ──┐ barrier: all are ready ┌── joins ── parts of one sample
thread   opens its counters ──┘                        └── takes request after request, and waits
                                                           until all others are done
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from threading import Barrier, BrokenBarrierError, Thread  # tests replace the attributes

from ...errors import hides_frame
from ..clock import Clock
from ..own_modules import own_unless_gevent
from ..plan import Plan
from ..request import Attempts, Load
from ..takers import taker_for, why_bare
from ..takers.bare import Checked, Taker
from ..takers.follower import Follower
from ..takers.probes import Probes
from .finished_load import Finished, IntendedStarts, parts_of

__tracebackhide__ = hides_frame

Work = Callable[[Taker, Iterator[int], int], IntendedStarts]
"""The work of a thread after its release: makes the requests at the given positions."""


class _Caller(Thread):
    """A thread; its methods are those of `Thread` before tests replace them."""

    __init__ = Thread.__init__
    start = Thread.start
    run = Thread.run
    join = Thread.join


class Crew:
    """A group of threads for a single run."""

    def __init__(self, size: int, clock: Clock, plan: Plan) -> None:
        self._clock = clock
        self._why_bare = why_bare(plan, ())
        self._speed = plan.speed
        self._size = size
        self._ready = Barrier(size + 1, action=self._release)
        self._over = Barrier(size)
        """All callers have made their last request."""
        self._errors: list[BaseException] = []
        self._follower = Follower(clock)
        self.probes = Probes(clock)
        """Shared by all callers: any caller that is free runs it when due."""
        self.begin = 0
        """When the threads were released, on the clock."""
        self._takers: list[tuple[Taker, IntendedStarts]] = []
        self._failures: Counter[str] = Counter()
        self._checked = Checked()
        self._why_no_bracket: str | None = None

    def run(self, work: Work, positions: int) -> None:
        """Distribute the positions among the threads, and wait until all are done.

        Raises:
            Any exception of a thread outside its requests.
        """
        shared = iter(range(positions))  # `next` on it is atomic
        caller = own_unless_gevent(_Caller, threading.Thread)
        threads = [
            caller(target=self._serve, args=(work, shared), daemon=True) for _ in range(self._size)
        ]
        with self._follower:
            try:
                for thread in threads:
                    thread.start()
            except BaseException:  # so that those that have started do not wait for ever
                self._ready.abort()
                raise
            with suppress(BrokenBarrierError):  # a caller has failed
                self._ready.wait()
            for thread in threads:
                thread.join()
            self._follower.finish()
        if self._errors:
            raise self._errors[0]

    def finished(self, attempts: Attempts, concurrency: int) -> Finished:
        """Return the finished load; call it after `run`."""
        return Finished(
            name=attempts.load.name,
            parts=parts_of(self._takers),
            begin=self.begin,
            elapsed_ns=self._clock() - self.begin,
            failures=dict(self._failures),
            answers=tuple(attempts.answers),
            concurrency=concurrency,
            why_no_bracket=self._why_no_bracket,
            followed=self._follower.words,
            advice=attempts.load.look.advice,
        )

    def _release(self) -> None:
        if self._why_bare is None:
            self._follower.start()
        self.begin = self._clock()

    def _serve(self, work: Work, positions: Iterator[int]) -> None:
        try:
            self._make_requests(work, positions)
        except BrokenBarrierError:  # another caller has failed
            return
        except BaseException as error:  # to be raised in the caller's thread
            self._errors.append(error)
            self._ready.abort()
            self._over.abort()

    def _make_requests(self, work: Work, positions: Iterator[int]) -> None:
        with ExitStack() as stack:
            self._follower.add_caller()
            taker, self._why_no_bracket = taker_for(
                stack,
                self.probes,
                self._follower,
                self._speed,
                follows=True,
                why_bare=self._why_bare,
            )
            taker.checked = self._checked
            self._ready.wait()
            self._takers.append((taker, work(taker, positions, self.begin)))
            self._failures.update(taker.failures)
            # A thread that ends during a call may be one that the call waited for, unseen by its
            # waiting tree. Callers do not wait for each other, so none of them ends early.
            self._over.wait()


def burst(load: Load, concurrency: int, plan: Plan, clock: Clock) -> Finished:
    """Make all requests of a load, `concurrency` at a time; the first ones start together.

    Each thread makes its next request as soon as its previous one is answered.
    """
    attempts = load.attempts()
    crew = Crew(min(concurrency, len(load.calls)), clock, plan)
    finished = count()

    def work(taker: Taker, positions: Iterator[int], begin: int) -> IntendedStarts:
        for position in positions:
            if clock() >= plan.load_until_ns:
                break
            taker.take(attempts.request(position), 1, 0)
            next(finished)
            crew.probes.run_if_due()
        return IntendedStarts()

    crew.run(work, len(load.calls))
    plan.require_all(len(load.calls), next(finished))
    return crew.finished(attempts, concurrency)
