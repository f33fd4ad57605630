"""The process that judges: the master of a distributed run, or the only process of a local one.

A master adds up what workers report, judges and writes at once, and at the end once more: by then
it has asked every worker for the rest, since Locust itself waits half a second for that. A single
process makes the load as well, and its users stand still while it judges: it does so rarely, so
that a kill leaves something, or when it is to stop early or somebody looks at the web page.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import gevent

from ..core.record import Record
from ..reporting.wording import headline
from .artifacts import write_artifacts
from .collecting import Collecting
from .diagnosis import about_participants
from .facts import Facts
from .listener import window_at
from .run_judge import Load, Totals, exit_code
from .settings import Settings
from .summary import summary_lines

PAUSE_S: Final = 0.5
"""Of a master between two looks: what a worker has reported is on disk this soon."""
OWN_PAUSE_S: Final = 3.0
"""Of a process that makes load."""
_SHARE: Final = 20
"""Of its time, a master spends a twentieth on judging at most."""
_OWN_SHARE: Final = 500
"""So much less does a process whose users stand still meanwhile."""
UNREPORTED_S: Final = 4.0
"""What has just been requested may be reported this much later."""
logger = logging.getLogger(__name__)


class Judging:
    """The gate where the verdict is made."""

    def __init__(self, environment: Any, settings: Settings) -> None:
        self._environment = environment
        self._settings = settings
        self.totals = Totals(settings.budgets, strict=settings.strict)
        self.collecting = Collecting(environment, self.totals)
        self._facts = Facts(environment, settings)
        self._steady_from: int | None = None
        self._until: int | None = None
        self._trouble: Mapping[Path, str] = {}
        self._pause_s = 0.0
        events = environment.events
        events.test_start.add_listener(self._begin)
        events.spawning_complete.add_listener(self._ramped_up)
        events.reset_stats.add_listener(self._reset)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(self._stopped)
        self._ticker = gevent.spawn(self._tick)

    def records(self) -> list[Record]:
        """The records so far, judged."""
        self.collecting.collect()
        return self.totals.records(self._load())

    def session(self) -> dict[str, Any]:
        """What the JSON artifact begins with."""
        return self._facts.plain(self.collecting.participants)

    def _load(self) -> Load:
        participants = tuple(self.collecting.participants)
        if self.collecting.changed_s and self._steady_from is not None:
            self._steady_from = max(self._steady_from, window_at(self.collecting.changed_s) + 1)
        return Load(
            steady_from=self._steady_from,
            until=self._until or window_at(time.time() - UNREPORTED_S),
            users=self._facts.users,
            participants=participants,
            advice=tuple(about_participants(participants)),
        )

    def _begin(self, **_: Any) -> None:
        self._steady_from = self._until = None
        self.totals.clear()
        self.collecting.begin()
        self._facts.begin()

    def _ramped_up(self, user_count: int, **_: Any) -> None:
        now = window_at(time.time()) + 1
        self._steady_from = now
        self._facts.users = user_count
        if self._environment.reset_stats:
            self.totals.forget(now)

    def _reset(self, **_: Any) -> None:
        self.totals.forget(window_at(time.time()) + 1)

    def _stopping(self, **_: Any) -> None:
        self._until = window_at(time.time())
        self.collecting.wind_down()

    def _stopped(self, **_: Any) -> None:
        self.collecting.finish()
        self._write(self.records())

    def _tick(self) -> None:
        """Judge now and then, for a small share of the time."""
        while True:
            own = self.collecting.makes_load
            gevent.sleep(max(OWN_PAUSE_S if own else PAUSE_S, self._pause_s))
            began = time.perf_counter()
            if self.collecting.running:
                self._look()
            spent = time.perf_counter() - began
            self._pause_s = spent * (_OWN_SHARE if own and not self._settings.abort else _SHARE)

    def _look(self) -> None:
        """Judge and write what is new."""
        own = self.collecting.makes_load
        writes = "json" in self._settings.artifacts if own else self.collecting.has_news()
        if not (writes or self._settings.abort):
            return
        records = self.records()
        self._write(records, ("json",) if own else None)
        if self._settings.abort:
            self._abort_if_exceeded(records)

    def _abort_if_exceeded(self, records: list[Record]) -> None:
        exceeded = [record for record in records if record.outcome == "exceeded"]
        if not exceeded:
            return
        reasons = "; ".join(f"{record.title}: {headline(record)}" for record in exceeded)
        logger.warning("stopping, since a latency budget is exceeded: %s", reasons)
        options = self._environment.parsed_options
        if options is not None and options.headless:
            self._environment.runner.quit()
        else:
            self._environment.runner.stop()

    def _write(self, records: list[Record], kinds: tuple[str, ...] | None = None) -> None:
        """kinds: the artifacts to be written, where that is not all of them."""
        wanted = self._settings.artifacts
        if kinds is not None:
            wanted = {kind: path for kind, path in wanted.items() if kind in kinds}
        self._trouble = write_artifacts(wanted, records, self.session())

    def after_quitting(self) -> None:
        """Judge for the last time, and decide the exit code."""
        self._environment.process_exit_code = 2  # whatever happens below, it is no pass
        self._ticker.kill(block=False)
        self.collecting.stop()
        records = self.records()
        self._write(records)
        self._environment.process_exit_code = 2 if self._trouble else exit_code(records)

    def report(self) -> None:
        """Show verdict and evidence: after Locust's own tables, where one looks."""
        options = self._environment.parsed_options
        to_stdout = options is None or not options.json
        lines = summary_lines(self.records(), self.collecting.participants)
        lines += [f"ERROR: cannot write {path}: {why}" for path, why in self._trouble.items()]
        print(*lines, sep="\n", file=sys.stdout if to_stdout else sys.stderr, flush=True)
