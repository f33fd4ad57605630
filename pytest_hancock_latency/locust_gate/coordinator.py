"""Coordinates a run: in the master of a distributed run, or in the process of a local run.

A master adds up the reports of workers, and judges and writes them immediately. At the end, it asks
all workers for their remaining counts, because Locust itself waits only half a second for them. A
single process also generates the load, and its users pause while it judges. So it judges rarely,
for an artifact in case it is killed, for stopping early, or when the web page is viewed.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import gevent

from ..core.record import Record, exit_code_of
from ..core.verdict import ExitCode, Outcome
from ..files.artifact import ArtifactWriter
from ..files.history import prune
from ..files.kinds import KINDS, RUN
from ..reporting.wording import headline, printable
from ..runs.baseline import kind_of_machine
from .collecting import Collecting
from .diagnosis import about_participants
from .facts import Facts
from .generator import window_at
from .run_judge import RunJudge, RunState
from .settings import Settings
from .summary import summary_lines

PAUSE_S: Final = 0.5
"""Pause of a master between two looks, after which reports of workers are on disk."""
OWN_PAUSE_S: Final = 3.0
"""Pause of a process that generates load."""
_SHARE: Final = 20
"""A master spends at most a twentieth of its time on judging."""
_OWN_SHARE: Final = 500
"""A process whose users pause meanwhile spends at most this fraction."""
UNREPORTED_S: Final = 4.0
"""Workers report every three seconds: newer counts may not have arrived yet."""
logger = logging.getLogger(__name__)


class Coordinator:
    """Judges the run, writes its artifacts, and sets the exit code."""

    def __init__(self, environment: Any, settings: Settings) -> None:
        self._environment = environment
        self._settings = settings
        self.run_judge = RunJudge(settings.budgets, strict=settings.strict)
        self.collecting = Collecting(environment, self.run_judge)
        self._facts = Facts(environment, settings)
        self._writer = ArtifactWriter()
        self._steady_from: int | None = None
        self._until: int | None = None
        self._decided: list[Record] | None = None
        """The final records of a stopped test, used for the summary, artifacts and exit code."""
        self._pause_s = 0.0
        events = environment.events
        events.test_start.add_listener(self._begin)
        events.spawning_complete.add_listener(self._ramped_up)
        events.reset_stats.add_listener(self._reset)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(self._stopped)
        self._ticker = gevent.spawn(self._tick)

    def judge(self) -> list[Record]:
        """Return the final records once the test has stopped; before that, judge now."""
        if self._decided is not None:
            return self._decided
        self.collecting.collect()
        return self.run_judge.records(self._state())

    def session(self) -> dict[str, Any]:
        """Return the facts at the start of the JSON artifact."""
        return self._facts.plain(self.collecting.participants)

    def _state(self) -> RunState:
        participants = tuple(self.collecting.participants)
        steady_from = self._steady_from
        if self.collecting.changed_s and steady_from is not None:
            steady_from = max(steady_from, window_at(self.collecting.changed_s) + 1)
        return RunState(
            steady_from=steady_from,
            until=self._until or window_at(time.time() - UNREPORTED_S),
            users=self._facts.users,
            participants=participants,
            advice=tuple(about_participants(participants)),
            starved=frozenset[int]().union(*(worker.strain.starved for worker in participants)),
            busy=frozenset[int]().union(*(worker.strain.busy for worker in participants)),
        )

    def _begin(self, **_: Any) -> None:
        self._steady_from = self._until = self._decided = None
        self.run_judge.clear()
        self.collecting.begin()
        self._facts.begin()

    def _ramped_up(self, user_count: int, **_: Any) -> None:
        now = window_at(time.time()) + 1
        self._steady_from = now
        self._facts.users = user_count
        if self._environment.reset_stats:
            self.run_judge.forget(now)

    def _reset(self, **_: Any) -> None:
        self.run_judge.forget(window_at(time.time()) + 1)

    def _stopping(self, **_: Any) -> None:
        self._until = window_at(time.time())
        self.collecting.wind_down()

    def _stopped(self, **_: Any) -> None:
        self.collecting.finish()
        self._decide()

    def _decide(self) -> list[Record]:
        """Judge for the last time, and write the artifacts."""
        self.collecting.stop()
        records, earlier = self.run_judge.records(self._state()), self._settings.earlier_runs
        if earlier is not None:
            machine = kind_of_machine(self.session())
            records = [earlier.added_to(record, lambda: machine) for record in records]
        self._decided = records
        self._write(self._decided)
        return self._decided

    def _tick(self) -> None:
        """Judge from time to time, for a small share of the time."""
        while True:
            own = self.collecting.makes_load
            gevent.sleep(max(OWN_PAUSE_S if own else PAUSE_S, self._pause_s))
            begin = time.perf_counter()
            if self.collecting.running:
                try:
                    self._look()
                except Exception:  # only this look failed: the run and later looks continue
                    logger.exception("latency budgets: judging failed and will be retried")
            elapsed = time.perf_counter() - begin
            self._pause_s = elapsed * (_OWN_SHARE if own and not self._settings.abort else _SHARE)

    def _look(self) -> None:
        """Judge and write if there is something new."""
        own = self.collecting.makes_load
        writes = "json" in self._settings.artifacts if own else self.collecting.take_news()
        if not (writes or self._settings.abort):
            return
        records = self.judge()
        self._write(records, ("json",) if own else None)
        if self._settings.abort:
            self._abort_if_exceeded(records)

    def _abort_if_exceeded(self, records: list[Record]) -> None:
        exceeded = [record for record in records if record.outcome is Outcome.EXCEEDED]
        if not exceeded:
            return
        reasons = "; ".join(f"{printable(record.title)}: {headline(record)}" for record in exceeded)
        logger.warning("stopping because a latency budget is exceeded: %s", reasons)
        options = self._environment.parsed_options
        if options is not None and options.headless:
            self._environment.runner.quit()
        else:
            self._environment.runner.stop()

    def _write(self, records: list[Record], kinds: tuple[str, ...] | None = None) -> None:
        """Write artifacts.

        Args:
            kinds: artifacts to write; by default all.
        """
        session = self.session()
        for kind, path in self._settings.artifacts.items():
            if kind == RUN and not records:
                continue
            if kinds is None or kind in kinds:
                self._writer.write(path, partial(KINDS[kind].render, records, session))

    def after_quitting(self) -> None:
        """Set the exit code from the final records."""
        self._environment.process_exit_code = int(ExitCode.USAGE)  # unless the code below succeeds
        self._ticker.kill(block=False)
        if self._decided is None or self.collecting.take_news():
            self._decide()
        self._writer.finish()
        if RUN in self._settings.artifacts:
            prune(self._settings.artifacts[RUN].parent, self._settings.history_keep)
        code = exit_code_of(self._decided or [])
        if code is ExitCode.HELD and self._settings.strict and self.run_judge.unmatched:
            code = ExitCode.INCONCLUSIVE
        self._environment.process_exit_code = int(
            ExitCode.USAGE if self._writer.unwritable else code
        )

    def summary_lines(self, records: Sequence[Record]) -> list[str]:
        """Return the summary of these records of the run."""
        participants, unmatched = self.collecting.participants, self.run_judge.unmatched
        return summary_lines(records, participants, unmatched, float(self._settings.scale))

    def report(self) -> None:
        """Show verdict and evidence, after Locust's own tables."""
        options = self._environment.parsed_options
        to_stdout = options is None or not options.json
        lines = [*self.summary_lines(self.judge()), *self._writer.error_lines]
        print(*lines, sep="\n", file=sys.stdout if to_stdout else sys.stderr, flush=True)
