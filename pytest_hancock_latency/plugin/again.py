"""Gates that the machine kept from a verdict are measured again at the end of the session.

A neighbour that was busy may be gone by then, and under pytest-xdist fewer workers run. Both parts
are judged together, as those of a rerun are. For pytest, the test is over after the first part: the
second one is reported only if the budget fails, or if something that it tears down does. If the
test itself fails in it, the first part stays as it was.

A strict budget that is inconclusive fails only after the second part. A session that stops early,
which has failed by then, has no second parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from ..core.record import Record
from ..measuring.plan import SharedTime
from ..reporting.wording import printable
from .failing import fail_if_exceeded, why_failed
from .item_hooks import FINISHED, IS_SECOND
from .item_settings import test_of
from .options import is_worker
from .report_hooks import AGAIN, RECORDS, REMARKS, ReportHooks


class Again:
    """Runs these tests a second time, after all others of this process."""

    def __init__(
        self,
        config: pytest.Config,
        shared_time: SharedTime,
        report_hooks: Callable[[], ReportHooks | None],
    ) -> None:
        """Prepare the hooks of a session.

        Args:
            shared_time: what is left of it, the second parts may take together.
            report_hooks: returns those of this process; None in a worker of pytest-xdist.
        """
        self._config = config
        self._shared_time = shared_time
        self._report_hooks = report_hooks
        self._process = os.getpid()
        self._waiting: dict[pytest.Item, Sequence[Record]] = {}
        """Tests that will run again, with the records of their first part."""
        self._planned_ns = 0
        self._lines: list[str] = []
        """Records of second parts as JSON, which a worker sends when it ends."""
        self._remarks: list[str] = []
        self._is_announced = False

    def add(self, item: pytest.Item, records: Sequence[Record]) -> bool:
        """Return whether a test will run again: the machine kept it from a verdict."""
        if item in self._waiting:  # pytest-rerunfailures has run it again meanwhile
            self._waiting[item] = records
            return True
        verdicts = [record.verdict for record in records]
        expected_ns = sum(record.measurement.elapsed_ns for record in records)
        if (
            os.getpid() != self._process
            or item.stash.get(IS_SECOND, False)
            or not any(verdict and verdict.is_kept_open_by_machine for verdict in verdicts)
            or self._planned_ns + expected_ns > self._shared_time.left_ns
        ):
            return False
        self._planned_ns += expected_ns
        self._waiting[item] = records
        if not is_worker(self._config):
            item.session.items.append(item)  # while the fixtures of the session are still there
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run those again that the loop did not: the workers of pytest-xdist have other lists."""
        collected = len(session.items)
        try:
            result = yield
            for item, following in pairwise([*self._waiting, None]):
                if item is None or session.shouldstop or session.shouldfail:
                    break
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        finally:
            del session.items[collected:]
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run the second part of a gate, without the usual reports."""
        if item not in self._waiting:
            return None
        self._announce()
        first = self._waiting.pop(item)
        item.stash[IS_SECOND] = True
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        self._take(item, first, {str(report.when): report for report in reports})
        return True

    def pytest_sessionfinish(self) -> None:
        """Send what this worker measured again."""
        if not is_worker(self._config):
            return
        output: dict[str, list[str]] = self._config.workeroutput  # type: ignore[attr-defined]
        output[AGAIN] = self._lines
        output[REMARKS] = [*output.get(REMARKS, []), *self._remarks]

    def _announce(self) -> None:
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._is_announced or terminal is None or is_worker(self._config):
            return
        self._is_announced = True
        terminal.ensure_newline()
        gates = "1 gate" if len(self._waiting) == 1 else f"{len(self._waiting)} gates"
        terminal.write_line(f"measuring {gates} again that the machine kept from a verdict")

    def _take(
        self,
        item: pytest.Item,
        first: Sequence[Record],
        reports: Mapping[str, pytest.TestReport],
    ) -> None:
        """Keep the records of the second part, and report what has to be reported."""
        call, teardown = reports.get("call"), reports["teardown"]
        if call is not None and any(record.fails for record in item.stash[FINISHED]):
            for report in reports.values():
                item.ihook.pytest_runtest_logreport(report=report)
            return
        if call is not None and call.passed:
            self._keep(call)
        else:
            self._keep_first(item, first, call or reports["setup"])
        if teardown.failed:
            item.ihook.pytest_runtest_logreport(report=teardown)

    def _keep(self, call: pytest.TestReport) -> None:
        hooks = self._report_hooks()
        if hooks is not None:
            hooks.pytest_runtest_logreport(call)
        else:
            self._lines += getattr(call, RECORDS, [])

    def _keep_first(
        self, item: pytest.Item, first: Sequence[Record], report: pytest.TestReport
    ) -> None:
        """Note why the second part is missing, and fail a strict budget now."""
        hooks = self._report_hooks()
        why = "it was skipped" if report.skipped else why_failed(report)
        remark = (
            f"{printable(test_of(item))}: its first measurement stays, as it then failed: {why}"
        )
        if hooks is not None:
            hooks.drop_local(item.nodeid)
            hooks.remarks[remark] = None
        else:
            self._remarks.append(remark)
        call = pytest.CallInfo.from_call(lambda: fail_if_exceeded(first), when="call")
        if call.excinfo is None:
            return
        item.stash[FINISHED] = list(first)
        failed = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=failed)
