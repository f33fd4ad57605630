"""A worker of a distributed run: counts requests, and sends the counts with its reports.

It has no budgets, and keeps at most three seconds of counts. The last counts are sent when the
master requests them, or when the worker is stopped, before it disconnects.
"""

from __future__ import annotations

from typing import Any, Final

from .generator import Watch, servers_of
from .listener import KEY, Listener, increment_to_plain
from .unfinished import Unfinished

FINISH: Final = "hancock_latency_finish"
"""Message to the workers: stop your users and send the remaining counts."""
FINISHED: Final = "hancock_latency_finished"
"""Message to the master: the last counts; the users of this worker have stopped."""


class Worker:
    """The gate in a worker."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._listener, self._watch = Listener(), Watch()
        self._unfinished = Unfinished(environment.runner, self._listener)
        events = environment.events
        events.request.add_listener(self._listener.on_request)
        events.test_start.add_listener(self._begin)
        events.report_to_master.add_listener(self._report)
        events.test_stop.add_listener(self._stopped)
        # Locust fires this in reverse order, so this runs before it disconnects from the master.
        events.quitting.add_listener(self._quit)
        environment.runner.register_message(FINISH, self._finish, concurrent=True)

    def _begin(self, **_: Any) -> None:
        self._listener.take()
        self._watch.start(servers_of(self._environment))

    def _increment(self) -> dict[str, Any]:
        counted = self._listener.take()
        counted.unfinished = self._unfinished.take()
        return increment_to_plain(counted, self._watch.take())

    def _report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        data[KEY] = self._increment()

    def _stopped(self, **_: Any) -> None:
        self._watch.stop()
        self._environment.runner.send_message(FINISHED, self._increment())

    def _finish(self, *_: Any, **__: Any) -> None:
        """Stop like Locust at the end of a run, but before the master stops listening.

        Locust 2.39 passes arguments by position, current versions by name.
        """
        self._environment.runner.stop()  # fires test_stop, unless already stopped
        self._stopped()

    def _quit(self, **_: Any) -> None:
        """Send the last counts; the exit code is 0, because only the master judges."""
        self._finish()
        if self._environment.process_exit_code is None:
            self._environment.process_exit_code = 0

    def after_quitting(self) -> None:
        """Do nothing."""

    def report(self) -> None:
        """Do nothing: the master reports."""
