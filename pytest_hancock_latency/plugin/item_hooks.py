"""Hooks that measure and judge where tests run: in pytest itself or in an xdist worker.

Registered only in sessions with something to measure. In an xdist worker, records are sent with the
report of the test, so a worker that dies loses nothing that it had reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import TestCase

import pytest

from ..core.advice import Advice
from ..core.budget import FIRST, GAP
from ..core.record import Record, TestRun, record_of
from ..core.record_json import to_plain
from ..core.sample import Sample
from ..core.verdict import Outcome
from ..errors import hides_frame
from ..measuring.clock import system_clock
from ..measuring.plan import SharedTime
from ..reporting.junit import is_ours, junit_properties
from ..reporting.wording import TOO_FEW, headline, printable, why_inconclusive
from .baseline import Baseline
from .body_as_request import measured, soft_failures_of
from .duel_side import DuelSide
from .exclusive import run_gates_alone, with_turn
from .failing import (
    BudgetExceeded,
    fail_if_exceeded,
    fail_if_unnoticed,
    shorten,
    warn_inconclusive,
)
from .item_settings import ITEM_SETTINGS, ItemSettings, item_settings_of, test_of
from .kept_speed import SPEED, shown_speed
from .kept_tests import TESTS, shown_tests
from .live import Live
from .options import is_worker
from .report_hooks import CALLED_ONCE, GATE, RECORDS
from .sampler import SAMPLER, Sampler
from .settings import Mode, Settings
from .time_left import time_left_of

__tracebackhide__ = hides_frame

LOAD_RECORDS = pytest.StashKey[list[Record]]()
"""Records of the loads that a test ran in another process, already judged."""
FINISHED = pytest.StashKey[list[Record]]()
"""Records of a test whose body has ended."""
LATE = pytest.StashKey[list[Record]]()
"""Records of samples that its finalizers took."""
IS_SECOND = pytest.StashKey[bool]()
"""Whether a test runs again because the machine kept it from a verdict."""
BEGIN = pytest.StashKey[int]()
"""When the setup of a test began, on the clock; unknown of the first that asks for the fixture."""


class ItemHooks:
    """Measures and judges in the process that runs the tests."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        baseline: Baseline | None,
        duel: DuelSide | None = None,
        add_earlier_runs: Callable[[Record], Record] | None = None,
    ) -> None:
        """Prepare the hooks of a session.

        Args:
            add_earlier_runs: decides the inconclusive limits of a record by the runs before it.
        """
        self.will_run_again: Callable[[pytest.Item, Sequence[Record]], bool] | None = None
        """Whether a test that has passed will be run again; None if none will."""
        self._add_earlier_runs = add_earlier_runs
        self._duel = duel
        self._config = config
        self._settings = settings
        self._baseline = baseline
        self.shared_time = SharedTime(settings.shared_time_ns)
        self._worker = os.environ.get("PYTEST_XDIST_WORKER")
        self._workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self._reporting_process = None if is_worker(config) else os.getpid()
        self._local: dict[str, list[Record]] = {}

    def take_records(self, node_id: str) -> Sequence[Record]:
        """Return and remove the records of a test that ran in this process."""
        return self._local.pop(node_id, [])

    def fixture(self, item: pytest.Item) -> Sampler:
        """Return the sampler of a test that uses the fixture."""
        sampler = self.sampler(item)
        sampler.request()
        return sampler

    def sampler(self, item: pytest.Item) -> Sampler:
        """Return the sampler of a test, created on first use."""
        if SAMPLER not in item.stash:
            settings = item.stash.get(ITEM_SETTINGS, None)
            settings = settings or item_settings_of(item, None, self._settings, 1)
            if self._duel is not None:
                settings = replace(settings, budget=None)
            live = Live(self._config, item.name)
            test = self._duel.test(item.nodeid, settings.regression) if self._duel else None
            item.stash[SAMPLER] = Sampler(
                settings,
                watcher=live,
                shared_time=self.shared_time,
                time_left=time_left_of(item, item.stash.get(BEGIN, system_clock())),
                duel_test=test,
            )
        return item.stash[SAMPLER]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """In a worker of xdist, let its gates run alone."""
        run_gates_alone(self._config, session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """For a rerun, combine its samples with those of earlier attempts."""
        item.stash[LOAD_RECORDS] = []
        item.stash[BEGIN] = system_clock()
        if SAMPLER in item.stash:
            earlier = item.stash[SAMPLER]
            del item.stash[SAMPLER]
            self.sampler(item).combine_with(earlier.samples)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Judge once the body of the test has passed."""
        try:
            with self._body_as_request(item):
                result = yield
        except BaseException:
            self._finish(item, judged=False)
            raise
        self._finish(item, judged=True)
        self._fail_if_needed(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Judge what finalizers measured; afterwards, the fixture measures nothing more."""
        try:
            result = yield
        except BaseException:
            self._finish_late(item, judged=False)
            raise
        self._finish_late(item, judged=True)
        late = item.stash[LATE]
        if self._settings.slowdown:
            self._fail_if_unnoticed(item, late)
        elif self._settings.mode is Mode.GATE:
            fail_if_exceeded(late)
        return result

    def pytest_sessionfinish(self) -> None:
        """Send what the probes show to the process that keeps it."""
        if self._reporting_process is not None:
            return
        speed = self._settings.plan.speed
        output: dict[str, object] = self._config.workeroutput  # type: ignore[attr-defined]
        own = shown_speed(speed)
        if own is not None:
            output[SPEED] = [own.arithmetic_ns, own.memory_ns]
        output[TESTS] = json.dumps(shown_tests(speed))

    @contextmanager
    def _body_as_request(self, item: pytest.Item) -> Iterator[None]:
        """For a marked test without a sampling fixture, measure its body as the request."""
        settings, body = item.stash.get(ITEM_SETTINGS, None), getattr(item, "obj", None)
        if settings is None or settings.mode is Mode.OFF or body is None or _uses_sampler(item):
            yield
            return
        replacement = measured(body, self.sampler(item), soft_failures_of(item))
        case = getattr(item, "instance", None)  # before pytest 8.2, this is found through `obj`
        setattr(item, "obj", replacement)  # noqa: B010 - no such attribute in Item
        if isinstance(case, TestCase):  # pytest-django runs the case itself, without `item.obj`
            setattr(case, item.name, replacement)
        try:
            yield
        finally:
            setattr(item, "obj", body)  # noqa: B010
            vars(case or self).pop(item.name, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the records, or attach them to the report for another process."""
        report = yield
        sampler = item.stash.get(SAMPLER, None)
        if call.excinfo is not None and sampler is not None and sampler.is_called_again:
            sampler.has_failed_softly = True  # a subtest: the first call has decided the outcome
            report.outcome, report.longrepr = "passed", None
            return report
        if call.excinfo is not None and isinstance(call.excinfo.value, BudgetExceeded):
            shorten(report, call.excinfo.value)
        if call.when == "setup":
            return report
        records = item.stash.get(LATE, [])
        if call.when == "call":  # --setup-plan has none, and measures nothing
            settings = item.stash.get(ITEM_SETTINGS, None)
            setattr(report, GATE, settings is not None and settings.mode is not Mode.OFF)
            records = item.stash.get(FINISHED, [])
        if not records:
            return report
        if os.getpid() == self._reporting_process:
            self._local[report.nodeid] = records
        else:
            # As JSON: xdist cannot send lone surrogates, which names may contain.
            setattr(report, RECORDS, [json.dumps(to_plain(record)) for record in records])
        return report

    def _finish(self, item: pytest.Item, *, judged: bool) -> None:
        """Make the records of a test when its body has ended."""
        sampler = item.stash.get(SAMPLER, None)
        records = self._records(item, sampler.samples if sampler else [])
        records += [
            replace(record, worker=self._worker, workers=self._workers, attempt=_attempt(item))
            for record in item.stash.get(LOAD_RECORDS, [])
        ]
        item.user_properties[:] = [p for p in item.user_properties if not is_ours(p[0])]
        item.stash[FINISHED] = self._judged(item, records, judged=judged)

    def _finish_late(self, item: pytest.Item, *, judged: bool) -> None:
        """Make the records of samples that were taken after the body had ended."""
        item.stash[LATE] = []
        sampler, on_time = item.stash.get(SAMPLER, None), item.stash.get(FINISHED, [])
        if sampler is None:
            return
        sampler.close()
        known = {record.name for record in on_time}
        late = [sample for sample in sampler.samples if sample.name not in known]
        item.stash[LATE] = self._judged(item, self._records(item, late), judged=judged)

    def _judged(
        self, item: pytest.Item, records: Sequence[Record], *, judged: bool
    ) -> list[Record]:
        """Return the records with their verdicts, if the test itself passed; tell others."""
        if not judged:
            records = [record.without_verdict("the test itself failed") for record in records]
        elif self._add_earlier_runs is not None:
            records = [self._add_earlier_runs(record) for record in records]
        records = [_with_number_of_calls(item, record) for record in records]
        for record in records:
            if self._settings.junit:
                item.user_properties.extend(junit_properties(record))
            self._config.hook.pytest_latency_recorded(item=item, record=record)
        return [*records]

    def _records(self, item: pytest.Item, samples: Sequence[Sample]) -> list[Record]:
        return [self._record(item, self.sampler(item).settings, sample) for sample in samples]

    def _record(self, item: pytest.Item, settings: ItemSettings, sample: Sample) -> Record:
        run = TestRun(
            test=test_of(item),
            strict=settings.strict,
            budget_name=settings.budget_name,
            worker=self._worker,
            workers=self._workers,
            attempt=_attempt(item),
        )
        record = with_turn(record_of(sample, run), item)
        if (advice := self.sampler(item).advice_on_body) is not None:
            record = record.with_advice(advice)
            record = record if record.verdict else record.without_verdict("not repeatable")
        if settings.regression is None or self._baseline is None:
            return record
        slower = self._baseline.advice(record, settings.regression, settings.gates)
        return record.with_advice(slower) if slower else record

    def _fail_if_needed(self, item: pytest.Item) -> None:
        self._fail_if_unmeasured(item)
        records = item.stash[FINISHED]
        if self._settings.slowdown:
            self._fail_if_unnoticed(item, records)
            return
        if not any(record.fails for record in records):
            self._warn_if_inconclusive(item)
        if self._settings.mode is Mode.GATE and not self._is_left_for_later(item, records):
            fail_if_exceeded(records)

    def _fail_if_unnoticed(self, item: pytest.Item, records: Sequence[Record]) -> None:
        if self._settings.mode is Mode.GATE and not self._is_left_for_later(item, records):
            fail_if_unnoticed(records, self._settings.slowdown)

    def _is_left_for_later(self, item: pytest.Item, records: Sequence[Record]) -> bool:
        if self.will_run_again is None or item.stash.get(LOAD_RECORDS, []):
            return False
        if any(record.outcome is Outcome.EXCEEDED for record in records):
            return False
        return self.will_run_again(item, records)

    def _warn_if_inconclusive(self, item: pytest.Item) -> None:
        """Warn, because a passed test with an inconclusive budget should not look protected."""
        for record in item.stash[FINISHED]:
            if why_inconclusive(record) == TOO_FEW and not record.has_advice(CALLED_ONCE):
                warn_inconclusive(f"{printable(record.title)}: {headline(record)}", item)

    def _fail_if_unmeasured(self, item: pytest.Item) -> None:
        settings, sampler = item.stash.get(ITEM_SETTINGS, None), item.stash.get(SAMPLER, None)
        if settings is None or settings.mode is Mode.OFF:
            return
        if sampler is not None and sampler.unfinished:
            raise BudgetExceeded("; ".join(_why_unfinished(sampler.unfinished)))
        if sampler is None or not sampler.called:
            raise BudgetExceeded(
                "nothing was measured: this test has a latency budget but never called its sample "
                "fixture"
            )
        clocks = settings.budget.clocks if settings.budget else {}
        measured = {sample.measurement.clock for sample in sampler.samples}
        if missing := [name for name in clocks if name not in measured]:
            raise BudgetExceeded(_why_no_stage(missing[0]))


def _why_no_stage(clock: str) -> str:
    """Return why there is nothing to judge by the limits of a stage."""
    if clock == FIRST:
        return "nothing was measured for first=: this test never called sample.stream(...)"
    if clock == GAP:
        return "nothing was measured for gap=: no call of sample.stream(...) had two items"
    return (
        f"nothing was measured for clocks={{{clock!r}: ...}}: no round had call.mark({clock!r}) in "
        "`with sample.observe() as call:`"
    )


def _why_unfinished(samples: Mapping[str, str]) -> Iterator[str]:
    """Yield why samples have no verdict, by their names and by what ended them."""
    for name, reason in samples.items():
        subject = f"sample {name!r}" if name else "sample without a name"
        if reason:
            yield f"{subject} has no verdict: measuring ended with {reason}"
        else:
            yield (
                f"{subject} was started but never finished: write `await sample(...)` for "
                "coroutine functions, and do not leave sample.rounds() early"
            )


def _with_number_of_calls(item: pytest.Item, record: Record) -> Record:
    """Return the record of a body that was called once, and why, if that shows too little."""
    sampler = item.stash.get(SAMPLER, None)
    if sampler is None or sampler.is_requested or sampler.settings.repeats:
        return record
    if why_inconclusive(record) != TOO_FEW:
        return record
    return record.with_advice(Advice.of(CALLED_ONCE))


def _attempt(item: pytest.Item) -> int:
    """Return 1, or more if pytest-rerunfailures or this plugin runs the test again."""
    return getattr(item, "execution_count", 1) + item.stash.get(IS_SECOND, False)


def _uses_sampler(item: pytest.Item) -> bool:
    """Whether the test uses our fixture, not the user's own of the same name."""
    sampler = item.stash.get(SAMPLER, None)
    return sampler is not None and sampler.is_requested
