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
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import gevent

from ..core.histogram import Histogram
from ..core.record import Record, exit_code_of
from ..core.verdict import ExitCode
from ..files.artifact import ArtifactWriter
from ..files.history import EarlierRuns, prune, run_path
from ..files.kinds import KINDS, RUN
from ..judging.deciding import shows_exceeded
from ..reporting.wording import headline, printable
from ..runs.baseline import kind_of_machine
from .collecting import Collecting
from .diagnosis import about_participants
from .ending import Ending, undecided_of
from .facts import Facts
from .generator import WINDOWS_PER_S, window_at
from .run_judge import RunJudge, RunState
from .settings import Settings
from .summary import summary_lines

PAUSE_S: Final = 0.5
"""Pause of a master between two looks, after which reports of workers are on disk."""
OWN_PAUSE_S: Final = 3.0
"""Pause of a process that generates load."""
DECIDED_PAUSE_S: Final = 1.0
"""Pause between two looks at whether the run is decided."""
_SHARE_FOR_FIRST: Final = 10
"""A run waits for the first request of each budget for a tenth of its time. A request that a whole
run can decide is made fifty times in it, so hardly ever not in a tenth of it."""
_SHARE: Final = 20
"""A master spends at most a twentieth of its time on judging."""
_OWN_SHARE: Final = 500
"""A process whose users pause meanwhile spends at most this fraction."""
UNREPORTED_S: Final = 4.0
"""Workers report every three seconds: newer counts may not have arrived yet."""
UNSETTLED_S: Final = 1.5
"""Whether a window was starved is known up to a second later, and that may include the window
before: newer ones do not count for *exceeded* when a run is to be ended."""
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
        self._artifacts = dict(settings.artifacts)
        self._earlier_runs = settings.earlier_runs
        self._tests = 0
        """Number of tests that this process has started: the web interface can start several."""
        self._steady_from: int | None = None
        self._until: int | None = None
        self._decided: list[Record] | None = None
        """The final records of a stopped test, used for the summary, artifacts and exit code."""
        self._stopped_s: float | None = None
        """When the users began to stop, in seconds from the start of the test."""
        self._was_decided = False
        """Whether the run ended because every budget was decided."""
        events = environment.events
        events.test_start.add_listener(self._begin)
        events.spawning_complete.add_listener(self._ramped_up)
        events.reset_stats.add_listener(self._reset)
        events.test_stopping.add_listener(self._stopping)
        events.test_stop.add_listener(self._stopped)
        makes_load = self.collecting.makes_load
        share = _OWN_SHARE if makes_load else _SHARE
        share_of_looks = _SHARE if settings.abort else share
        pause_s = OWN_PAUSE_S if makes_load else PAUSE_S
        self._tickers = [gevent.spawn(self._repeat, self._look, pause_s, share_of_looks)]
        if settings.until_decided:
            self._tickers.append(
                gevent.spawn(self._repeat, self._end_if_decided, DECIDED_PAUSE_S, share)
            )
            if rated := self.run_judge.rated:
                logger.info(
                    "requests/s are judged over the whole run, so it ends earlier only if they are "
                    "exceeded: %s",
                    ", ".join(map(printable, rated)),
                )

    def judge(self) -> list[Record]:
        """Return the final records once the test has stopped; before that, judge now."""
        if self._decided is not None:
            return self._decided
        self.collecting.collect()
        return self.run_judge.records(self._state())

    def session(self, records: Sequence[Record]) -> dict[str, Any]:
        """Return the facts at the start of the JSON artifact with these records."""
        return self._facts.plain(self.collecting.participants, self._ending(records))

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
            starved=self.collecting.participants.starved
            | self.collecting.participants.server_starved,
            busy=frozenset[int]().union(*(worker.strain.busy for worker in participants)),
        )

    def _settled(self) -> RunState:
        """Return the state of a running test without the windows that may still be left out."""
        state, now_s = self._state(), time.time()
        unsettled_s = UNSETTLED_S if self.collecting.makes_load else UNSETTLED_S + UNREPORTED_S
        unsettled = range(window_at(now_s - unsettled_s), window_at(now_s) + 1)
        return replace(state, starved=state.starved.union(unsettled))

    def _begin(self, **_: Any) -> None:
        self._steady_from = self._until = self._decided = self._stopped_s = None
        self._was_decided = False
        self._tests += 1
        if self._tests > 1 and RUN in self._artifacts:
            self._begin_another_run(self._artifacts[RUN].parent)
        self.run_judge.clear()
        self.collecting.begin()
        self._facts.begin()

    def _begin_another_run(self, history: Path) -> None:
        """Give the test a file of its own in the history, and the tests before it as earlier runs.

        All other artifacts are those of the latest test.
        """
        self._artifacts[RUN] = path = run_path(history, time.time())
        if self._earlier_runs is not None:
            self._earlier_runs = EarlierRuns(path)

    def _ramped_up(self, user_count: int, **_: Any) -> None:
        now = window_at(time.time()) + 1
        self._steady_from = now
        self._facts.users = user_count
        if self._settings.until_decided:
            self.run_judge.begin_load(now)
        if self._environment.reset_stats:
            self.run_judge.forget(now)

    def _reset(self, **_: Any) -> None:
        self.run_judge.forget(window_at(time.time()) + 1)

    def _stopping(self, **_: Any) -> None:
        self._until = window_at(time.time())
        self._stopped_s = time.time() - self.collecting.participants.began_s
        self.collecting.wind_down()

    def _stopped(self, **_: Any) -> None:
        self.collecting.finish()
        self._decide()

    def _decide(self) -> list[Record]:
        """Judge for the last time, and write the artifacts."""
        self.collecting.stop()
        records, earlier = self.run_judge.records(self._state()), self._earlier_runs
        if earlier is not None:
            machine = kind_of_machine(self.session(records))
            records = [earlier.added_to(record, lambda: machine) for record in records]
        self._decided = records
        self._write(self._decided)
        return self._decided

    def _repeat(self, look: Callable[[], None], least_pause_s: float, share: int) -> None:
        """Look from time to time while the test runs.

        Args:
            share: it takes at most this fraction of the time.
        """
        pause_s = least_pause_s
        while True:
            gevent.sleep(pause_s)
            begin = time.perf_counter()
            if self.collecting.running:
                try:
                    look()
                except Exception:  # only this look failed: the run and later looks continue
                    logger.exception("latency budgets: judging failed and will be retried")
            pause_s = max(least_pause_s, share * (time.perf_counter() - begin))

    def _look(self) -> None:
        """Judge and write if there is something new."""
        own = self.collecting.makes_load
        self.collecting.collect()
        writes = "json" in self._settings.artifacts if own else self.collecting.take_news()
        if not (writes or self._settings.abort):
            return
        records = self.judge()
        self._write(records, ("json",) if own else None)
        if self._settings.abort:
            self._abort_if_exceeded(self.run_judge.records(self._settled()))

    def _abort_if_exceeded(self, records: list[Record]) -> None:
        exceeded = [r for r in records if r.verdict is not None and shows_exceeded(r.verdict)]
        if not exceeded:
            return
        reasons = "; ".join(f"{printable(record.title)}: {headline(record)}" for record in exceeded)
        logger.warning("stopping because a latency budget is exceeded: %s", reasons)
        self._end_run()

    def _end_if_decided(self) -> None:
        """End the run if every budget is decided, by requests under the full load as well."""
        self.collecting.collect()
        if self._steady_from is None or self._until is not None:
            return  # users are still starting, or already stopping
        if self._environment.shape_class is not None:
            return  # the page has started a load of several stages
        unfinished = self.collecting.participants.unfinished
        if not self.run_judge.requests or self._held_back(unfinished):
            return
        self._was_decided = True
        logger.info("stopping because every latency budget is decided")
        self._end_run()

    def _end_run(self) -> None:
        """End the run as Locust does at the end of its time."""
        options, runner = self._environment.parsed_options, self._environment.runner
        if options is not None and options.headless:
            runner.quit()
            return
        runner.stop()
        if options is None or not options.autostart or options.autoquit == -1:
            return
        gevent.sleep(options.autoquit)
        runner.quit()
        self._environment.web_ui.stop()

    def _held_back(self, unfinished: Histogram) -> list[str]:
        """Return what keeps the run from ending: parts of budgets, and budgets without a request.

        Args:
            unfinished: how long users have been at requests that are not finished.
        """
        unmatched = self.run_judge.unmatched if self._waits_for_unmatched() else ()
        undecided = self.run_judge.undecided(self._settled(), unfinished)
        return [*(f"{name} (no request)" for name in unmatched), *undecided]

    def _waits_for_unmatched(self) -> bool:
        """Whether a budget that no request has matched yet keeps the run from ending."""
        planned_s = getattr(self._environment.parsed_options, "run_time", None)
        if self._settings.strict or not planned_s or self._steady_from is None:
            return True
        under_load = (self._until or window_at(time.time())) - self._steady_from
        return bool(under_load / WINDOWS_PER_S < planned_s / _SHARE_FOR_FIRST)

    def _ending(self, records: Sequence[Record]) -> Ending:
        options, participants = self._environment.parsed_options, self.collecting.participants
        stopped_s = self._stopped_s
        lasted_s = time.time() - participants.began_s if stopped_s is None else stopped_s
        is_held_back = self._settings.until_decided and not self._was_decided
        return Ending(
            lasted_s=round(lasted_s, 1),
            planned_s=getattr(options, "run_time", None),
            is_early=self._was_decided,
            undecided=undecided_of(records),
            held_back=self._held_back(Histogram()) if is_held_back else (),
            starved=participants.starved,
            server_starved=participants.server_starved,
        )

    def _write(self, records: list[Record], kinds: tuple[str, ...] | None = None) -> None:
        """Write artifacts.

        Args:
            kinds: artifacts to write; by default all.
        """
        session = self.session(records)
        for kind, path in self._artifacts.items():
            if kind == RUN and not records:
                continue
            if kinds is None or kind in kinds:
                self._writer.write(path, partial(KINDS[kind].render, records, session))

    def after_quitting(self) -> None:
        """Set the exit code from the final records."""
        self._environment.process_exit_code = int(ExitCode.USAGE)  # unless the code below succeeds
        for ticker in self._tickers:
            ticker.kill(block=False)
        if self._decided is None or self.collecting.take_news():
            self._decide()
        self._writer.finish()
        if RUN in self._artifacts:
            prune(self._artifacts[RUN].parent, self._settings.history_keep)
        code = exit_code_of(self._decided or [])
        if code is ExitCode.HELD and self._settings.strict and self.run_judge.unmatched:
            code = ExitCode.INCONCLUSIVE
        self._environment.process_exit_code = int(
            ExitCode.USAGE if self._writer.unwritable else code
        )

    def summary_lines(self, records: Sequence[Record]) -> list[str]:
        """Return the summary of these records of the run."""
        participants, unmatched = self.collecting.participants, self.run_judge.unmatched
        scale, ending = float(self._settings.scale), self._ending(records)
        return summary_lines(records, participants, unmatched, scale, ending)

    def report(self) -> None:
        """Show verdict and evidence, after Locust's own tables."""
        options = self._environment.parsed_options
        to_stdout = options is None or not options.json
        lines = [*self.summary_lines(self.judge()), *self._writer.error_lines]
        print(*lines, sep="\n", file=sys.stdout if to_stdout else sys.stderr, flush=True)
