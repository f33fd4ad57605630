"""Collects the counts of this process or of all workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import gevent
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner

from .generator import Watch, servers_of, window_at
from .listener import KEY, Listener, increment_from_plain
from .participants import LOCAL, Participants
from .run_judge import RunJudge, WindowRange
from .unfinished import Unfinished
from .worker import FINISH, FINISHED

PATIENCE_S: Final = 5.0
"""Time to wait for the last counts of workers, in addition to the stop timeout."""
CLOCK_S: Final = 10.0
"""Clock difference from which a request is counted at the start or end of the run."""
logger = logging.getLogger(__name__)


class Collecting:
    """Passes increments on to the judge of the run, and keeps a list of their senders."""

    def __init__(self, environment: Any, run_judge: RunJudge) -> None:
        self._environment, self._run_judge = environment, run_judge
        self.participants = Participants()
        self.running = False
        self.changed_s = 0.0
        """When a worker was last lost or joined during the run."""
        self._listener, self._watch = Listener(), Watch()
        self._unfinished = Unfinished(environment.runner, self._listener)
        self._finished: set[str] = set()
        self._news = self._winding_down = False
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            environment.events.worker_report.add_listener(self._reported)
            environment.events.worker_connect.add_listener(self._connected)
            runner.register_message(FINISHED, self._on_finished)
        elif isinstance(runner, LocalRunner):
            environment.events.request.add_listener(self._listener.on_request)

    @property
    def makes_load(self) -> bool:
        """Whether this process runs the users itself, because the run is not distributed."""
        return isinstance(self._environment.runner, LocalRunner)

    def take_news(self) -> bool:
        """Return whether anything was reported since the last call."""
        news, self._news = self._news, False
        return news

    def begin(self) -> None:
        """Called when a test starts."""
        self._listener.take()
        self._finished.clear()
        self.running, self.changed_s, self._winding_down = True, 0.0, False
        self.participants.begin(time.time(), [LOCAL] if self.makes_load else self._alive())
        if self.makes_load:
            self._watch.start(servers_of(self._environment))

    def wind_down(self) -> None:
        """Called when users are about to stop; workers that finish now do not change the load."""
        self._winding_down = True

    def collect(self) -> None:
        """Add the counts of this process; check for missing workers."""
        if self.makes_load:
            counted, strain = self._listener.take(), self._watch.take()
            unfinished = self._unfinished.take()
            if counted or strain.seconds or unfinished:
                added = self._run_judge.add(counted, self._windows())
                self.participants.reported(LOCAL, added, strain, time.time(), unfinished)
            return
        for id_, client in list(self._environment.runner.clients.items()):
            missing = client.state == STATE_MISSING
            news = self.participants.lose(id_) if missing else self.participants.found(id_)
            if news and self.running:
                self.changed_s, self._news = time.time(), True

    def finish(self) -> None:
        """Called when the test has stopped: request the remaining counts from workers."""
        self.running = False
        if self.makes_load:
            self._watch.stop()
            self.collect()
            self.participants.finish(LOCAL)
            return
        waited_for = self._ask_for_rest()
        deadline = time.monotonic() + self._environment.stop_timeout + PATIENCE_S
        while waited_for - self._finished and time.monotonic() < deadline:
            waited_for &= set(self._alive())
            gevent.sleep(0.01)
        self.collect()
        for id_ in self._finished:
            self.participants.finish(id_)

    def stop(self) -> None:
        """Called when no more counts will arrive."""
        self.collect()
        if self.makes_load:
            self.participants.finish(LOCAL)
        self.participants.end()

    def _alive(self) -> list[str]:
        clients = self._environment.runner.clients
        return [id_ for id_, client in clients.items() if client.state != STATE_MISSING]

    def _ask_for_rest(self) -> set[str]:
        workers = set(self._alive()) - {
            p.id for p in self.participants if p.state == "without gate"
        }
        for id_ in workers - self._finished:
            self._environment.runner.send_message(FINISH, client_id=id_)
        return workers

    def _connected(self, client_id: str, **_: Any) -> None:
        if self.running:
            self.participants.joined(client_id, time.time())
            self.changed_s = time.time()

    def _reported(self, client_id: str, data: Mapping[str, Any], **_: Any) -> None:
        if KEY in data:
            self._take_in(client_id, data[KEY])
        elif self.running:
            self.participants.without_gate(client_id, time.time())

    def _on_finished(self, environment: Any, msg: Any, **_: Any) -> None:
        self._take_in(msg.node_id, msg.data)
        self._finished.add(msg.node_id)
        if self.running and not self._winding_down:  # it ends before the others
            self.changed_s = time.time()

    def _windows(self) -> WindowRange:
        """Return the time in which requests of this run can have started, by this clock."""
        begin_s, now_s = self.participants.began_s, time.time()
        return WindowRange(window_at(begin_s - CLOCK_S), window_at(now_s + CLOCK_S))

    def _take_in(self, id_: str, plain: Mapping[str, Any]) -> None:
        try:
            counted, strain = increment_from_plain(plain)
        except ValueError as error:
            self.participants.sent_invalid(id_, str(error), time.time())
            return
        if not counted and not strain.seconds and not self.running:
            return  # idle workers report as well
        added = self._run_judge.add(counted, self._windows())
        self.participants.reported(id_, added, strain, time.time(), counted.unfinished)
        self._news = True
