"""How long the users of this process have been at requests that are not finished.

Locust reports a request when it ends. A run that ends as soon as the requests so far show its
budgets to be within would miss requests that hang: with one in fifty that takes ten seconds, all
users soon wait for such a request, and none of them is reported yet. So what a user has been at
since its last request counts like a request that takes at least as long.

It may also be something else, such as a pause inside a task, which looks the same from here. Then
the run takes longer than it would have to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from locust.user.task import LOCUST_STATE_RUNNING

from ..core.duration import NS_PER_S
from ..core.histogram import index_of
from ..judging.counts import add_counts
from .listener import Listener
from .open_loop import OpenLoop


class Unfinished:
    """Watches the users of a runner, from one look to the next."""

    def __init__(
        self, runner: Any, listener: Listener, clock: Callable[[], float] = time.time
    ) -> None:
        self._runner, self._listener, self._clock = runner, listener, clock
        self._since_s: dict[Any, float] = {}
        """For each greenlet, when it last finished something or was first seen."""

    def take(self) -> dict[int, int]:
        """Return for how long, as counts by bucket in nanoseconds."""
        now_s, finished_s, since_s = self._clock(), self._listener.take_finished(), self._since_s
        self._since_s = {
            greenlet: finished_s.get(greenlet, since_s.get(greenlet, now_s))
            for greenlet in self._at_work()
        }
        counts: dict[int, int] = {}
        for at_s in self._since_s.values():
            add_counts(counts, {index_of(max(0, int((now_s - at_s) * NS_PER_S))): 1})
        return counts

    def _at_work(self) -> Iterator[Any]:
        """Yield the greenlets that may be making a request: those that do not wait between two."""
        for greenlet in list(self._runner.user_greenlets):
            user = greenlet.args[0] if greenlet.args else None  # gevent drops those of an ended one
            if isinstance(user, OpenLoop):
                yield from user.iterations
            elif getattr(user, "_state", None) == LOCUST_STATE_RUNNING:
                yield greenlet
