"""An open loop for Locust: requests start on schedule, even if earlier ones are not answered yet.

A closed-loop user waits for a response before its next request. While a server stalls for a second,
such a user sends nothing, so the stall becomes one slow request instead of fifty, and p99 misses
it: coordinated omission. Here every iteration starts when it is due, in its own greenlet, and its
latency is measured from then.

    class Clients(OpenLoop, FastHttpUser):
        arrival_rate = 50           # iterations per second of each user

        @task
        def ask(self): self.client.get("/health")
"""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from typing import Any, ClassVar, Final

import gevent
from gevent.pool import Pool
from locust import exception
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopUser,
)
from locust.user.task import LOCUST_STATE_STOPPING

from ..errors import LatencyError
from .listener import ARRIVAL

ARRIVALS: Final = ("constant", "poisson")
_LONGEST_NAP_S: Final = 0.1
_STOPS: Final = (StopUser, getattr(exception, "StopTest", StopUser))  # newer Locust
_DUE: ContextVar[list[float]] = ContextVar("due")
"""When the iteration of this greenlet was due; consumed by its first request."""
logger = logging.getLogger(__name__)


class OpenLoop:
    """Mix-in for `HttpUser`, `FastHttpUser` or any `User` whose client passes on its context.

    The first request of an iteration is measured from when the iteration was due, later ones from
    when they were sent, because they depend on the previous response.
    """

    arrival_rate: ClassVar[float] = 1.0
    """Iterations per second of each user."""
    arrivals: ClassVar[str] = "constant"
    """``constant``, or ``poisson`` for independent arrivals."""
    most_in_flight: ClassVar[int] = 1000
    """Maximum concurrent iterations of a user; more start late, which counts as latency."""
    concurrency: int = 1000
    """Connections of a `FastHttpUser`; the default of ten would add a queue."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Raise an error for invalid settings when the class is defined."""
        super().__init_subclass__(**keywords)
        if not cls.arrival_rate > 0:
            raise LatencyError(
                f"{cls.__name__}: arrival_rate={cls.arrival_rate!r} must be greater than 0"
            )
        if cls.arrivals not in ARRIVALS:
            raise LatencyError(
                f"{cls.__name__}: unknown arrivals {cls.arrivals!r}: must be constant or poisson"
            )
        if "wait_time" in vars(cls):
            raise LatencyError(
                f"{cls.__name__}: an open loop does not wait: set arrival_rate, not wait_time"
            )
        if any(isinstance(task, type) for task in getattr(cls, "tasks", ())):
            raise LatencyError(f"{cls.__name__}: the tasks of an open loop must be functions")

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._iterations: list[Callable[[Any], object]] = list(getattr(self, "tasks", ()))
        self._in_flight = Pool(self.most_in_flight)
        self.tasks = [type(self)._keep_schedule]

    def context(self) -> dict[str, Any]:
        """Return the context of a request: for the first one with the intended start."""
        inherited: dict[str, Any] = super().context()  # type: ignore[misc] # from User
        due = _DUE.get([])
        return {**inherited, ARRIVAL: due.pop()} if due else inherited

    @property
    def iterations(self) -> list[Any]:
        """The greenlets of the iterations in progress."""
        return list(self._in_flight)

    def _keep_schedule(self) -> None:
        """The only task that Locust runs: starts iterations until the user is stopped."""
        try:
            for due in due_times(self.arrival_rate, self.arrivals, time.time()):
                if not self._sleep_until(due):
                    break
                self._in_flight.spawn(self._iterate, random.choice(self._iterations), due)
            self._in_flight.join()
        finally:
            self._in_flight.kill(block=False)

    def _sleep_until(self, due: float) -> bool:
        """Sleep until an iteration is due; return whether the user still runs."""
        while (remaining_s := due - time.time()) > 0 and self._runs:
            gevent.sleep(min(remaining_s, _LONGEST_NAP_S))
        return self._runs

    @property
    def _runs(self) -> bool:
        return bool(getattr(self, "_state", None) != LOCUST_STATE_STOPPING)

    def _iterate(self, task: Callable[[Any], object], due: float) -> None:
        """Run one iteration, with exceptions handled as in a Locust task."""
        _DUE.set([due])
        try:
            task(self)
        except (RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet):
            return
        except _STOPS as stop:
            self.greenlet.kill(stop, block=False)  # type: ignore[attr-defined] # of User
        except Exception as error:
            events = self.environment.events  # type: ignore[attr-defined] # of User
            events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)
            logger.error("%s\n%s", error, traceback.format_exc())


def due_times(rate: float, arrivals: str, begin_s: float) -> Iterator[float]:
    """Yield when iterations are due, without end.

    The first one is at a random time within one interval, so users that start together spread out.
    """
    if arrivals == "constant":
        first = begin_s + random.random() / rate
        yield from (first + number / rate for number in count())
    at = begin_s
    while True:
        at += random.expovariate(rate)
        yield at
