"""The hooks that measure and judge, where tests run: in pytest itself or in an xdist worker.

Registered only in sessions that have something to measure. Records travel to `reports` on the test
reports; a worker that dies loses nothing that it had reported.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from ..core.judging.verdict import Outcome
from ..core.record import Record, record_of
from ..core.record_json import to_plain
from ..core.sample import Measurement, Sample
from ..reporting.junit import is_ours, junit_properties
from .baseline import Baseline
from .body_as_request import measured
from .failing import BudgetExceeded, details, headlines, shorten
from .item_settings import GATE, Gate, gate_of
from .live import Live
from .sampler import SAMPLER, Sampler
from .settings import Mode, Settings

RECORDS: Final = "latency_records"
"""Where a test report carries its records."""
_KEPT = pytest.StashKey[list[Record]]()


class Tests:
    """Measures and judges in the process that runs the tests."""

    def __init__(
        self, config: pytest.Config, settings: Settings, baseline: Baseline | None
    ) -> None:
        self._config = config
        self._settings = settings
        self._baseline = baseline
        self._worker = os.environ.get("PYTEST_XDIST_WORKER")
        self._workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

    def fixture(self, item: pytest.Item) -> Sampler:
        """The sampler of a test that asks for it."""
        sampler = self.sampler(item)
        sampler.asked_for = True
        return sampler

    def sampler(self, item: pytest.Item) -> Sampler:
        """The sampler of a test, made when it is first needed."""
        if SAMPLER not in item.stash:
            gate = item.stash.get(GATE, None) or gate_of(item, None, self._settings, 1)
            item.stash[SAMPLER] = Sampler(gate, watcher=Live(self._config, item.name))
        return item.stash[SAMPLER]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test that runs again pools its samples with those of its earlier attempts."""
        if SAMPLER in item.stash:
            earlier = item.stash[SAMPLER]
            del item.stash[SAMPLER]
            self.sampler(item).pool_with(earlier.samples)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Judge after the body of the test has passed."""
        try:
            with self._whole_test(item):
                result = yield
        except BaseException:
            self._keep(item, judged=False)
            raise
        if SAMPLER in item.stash or GATE in item.stash:
            self._keep(item, judged=True)
            self._fail_if_needed(item)
        return result

    @contextmanager
    def _whole_test(self, item: pytest.Item) -> Iterator[None]:
        """A marked test that uses no sampling fixture is itself the request."""
        gate, body = item.stash.get(GATE, None), getattr(item, "obj", None)
        if gate is None or gate.mode is Mode.OFF or body is None or _uses_sampler(item):
            yield
            return
        setattr(item, "obj", measured(body, self.sampler(item)))  # noqa: B010 - no such attribute in Item
        try:
            yield
        finally:
            setattr(item, "obj", body)  # noqa: B010

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the records along with the report of the call."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, BudgetExceeded):
            shorten(report, call.excinfo.value)
        if call.when == "call" and item.stash.get(_KEPT, None):
            setattr(report, RECORDS, [to_plain(record) for record in item.stash[_KEPT]])
        return report

    def _keep(self, item: pytest.Item, *, judged: bool) -> None:
        sampler = item.stash.get(SAMPLER, None)
        records = [self._record(item, sampler.gate, s) for s in sampler.samples] if sampler else []
        if not judged:
            records = [record.without_verdict("the test failed by itself") for record in records]
        item.stash[_KEPT] = records
        item.user_properties[:] = [p for p in item.user_properties if not is_ours(p[0])]
        for record in records:
            if self._settings.junit:
                item.user_properties.extend(junit_properties(record))
            self._config.hook.pytest_latency_judged(item=item, record=record)

    def _record(self, item: pytest.Item, gate: Gate, sample: Sample) -> Record:
        record = record_of(sample, item.nodeid, strict=gate.strict)
        return replace(
            record,
            measurement=self._beside_baseline(record, gate),
            budget_name=gate.budget_name,
            worker=self._worker,
            workers=self._workers,
            attempt=getattr(item, "execution_count", 1),
        )

    def _beside_baseline(self, record: Record, gate: Gate) -> Measurement:
        """The measurement, with advice where the sample is slower than in the baseline."""
        measured = record.measurement
        if gate.regression is None or self._baseline is None:
            return measured
        advice = self._baseline.advice(record, gate.regression, gate.gates)
        return replace(measured, advice=(advice, *measured.advice)) if advice else measured

    def _fail_if_needed(self, item: pytest.Item) -> None:
        gate, sampler = item.stash.get(GATE, None), item.stash.get(SAMPLER, None)
        if gate is None or gate.mode is Mode.OFF:
            return
        if sampler is not None and sampler.unfinished:
            names = ", ".join(map(repr, sampler.unfinished))
            raise BudgetExceeded(
                f"sample {names} was begun and never finished: "
                "await what coroutine functions give, and do not leave its rounds"
            )
        if sampler is None or not sampler.called:
            raise BudgetExceeded(
                "nothing was measured: this test has a latency budget, "
                "but never called its sample fixture"
            )
        failing = [record for record in item.stash[_KEPT] if _fails(record, gate)]
        if failing:
            raise BudgetExceeded(headlines(failing), details(failing))


def _uses_sampler(item: pytest.Item) -> bool:
    """Whether the test asked for our fixture; a user's own of the same name is not ours."""
    sampler = item.stash.get(SAMPLER, None)
    return sampler is not None and sampler.asked_for


def _fails(record: Record, gate: Gate) -> bool:
    if gate.mode is not Mode.GATE or record.verdict is None:
        return False
    if record.n == 0 and not record.failures:
        return True
    strict_miss = gate.strict and record.verdict.outcome is Outcome.INCONCLUSIVE
    return strict_miss or record.verdict.outcome is Outcome.EXCEEDED
