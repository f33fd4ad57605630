"""Hooks where reports arrive: in pytest itself, or in the controller of xdist.

Only this process writes artifacts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import pytest

from ..core.quantile import format_percent
from ..core.record import Record
from ..core.record_json import from_plain
from ..core.undisturbed import ReferenceSpeed
from ..core.verdict import Outcome
from ..reporting.advice import advice_lines
from ..reporting.columns import Column, notes
from ..reporting.groups import group_lines
from ..reporting.sensitivity import unnoticed_lines
from ..reporting.table import UNIT_NOTE, count_line, slowest_lines
from ..reporting.terminal import LOG_WIDTH, terminal_lines
from ..reporting.wording import explain, printable
from ..reporting.writer import is_replaced
from .exclusive import WAITED, Waited
from .github import GitHub
from .hooks import Hooks
from .kept_speed import SPEED, shown_speed
from .kept_tests import TESTS, shown_tests
from .ledger import Ledger
from .session_facts import SessionFacts
from .settings import Mode

_COLOURS: Final[Mapping[Outcome | None, Mapping[str, bool]]] = {
    Outcome.WITHIN: {"green": True},
    Outcome.EXCEEDED: {"red": True, "bold": True},
    Outcome.INCONCLUSIVE: {"yellow": True},
}
RECORDS: Final = "latency_records"
"""Attribute of a test report from another process with the plain form of its records."""
GATE: Final = "latency_gate"
"""Attribute of the report of a test with a budget, whether or not it has records."""
USAGE_ERRORS: Final = "latency_usage_errors"
"""Key of a worker's output with errors in its settings and budgets."""
REMARKS: Final = "latency_remarks"
"""Key of a worker's output with remarks for the reader."""
AGAIN: Final = "latency_again"
"""Key of a worker's output with the plain form of the records of tests that it ran again."""
CALLED_ONCE: Final = "called-once"
"""The kind of advice about a test that is called once, as the default budget does: one line for all
of them is enough."""


class ReportHooks:
    """Collects records, shows the table, and writes the artifacts."""

    def __init__(  # noqa: PLR0913, PLR0917 - everything that a session ends with
        self,
        ledger: Ledger,
        facts: SessionFacts,
        github: GitHub,
        hooks: Hooks,
        local_records: Callable[[str], Sequence[Record]],
        keep_speed: Callable[[ReferenceSpeed], None],
        keep_tests: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Prepare the hooks of a session.

        Args:
            local_records: returns and removes the records of a test of this process, by node id.
            keep_speed: keeps the speed of this machine for later sessions.
            keep_tests: keeps what `shown_tests` returned.
        """
        self._ledger = ledger
        self._facts = facts
        self._github = github
        self._hooks = hooks
        self._local_records = local_records
        self._keep_speed = keep_speed
        self._keep_tests = keep_tests
        self._unwritten: list[Record] = []
        """Records of a test whose fixtures still replace the file system."""
        self._speeds: list[ReferenceSpeed] = []
        self._tests: dict[str, str] = {}
        self._waits: list[Waited] = []
        self.usage_errors: dict[str, None] = {}
        self.remarks: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the records of a finished test to the ledger."""
        if report.when == "setup":
            return
        self._ledger.has_gates |= getattr(report, GATE, False)
        records = [*_read(getattr(report, RECORDS, [])), *self._local_records(report.nodeid)]
        if records:
            self._github.note_place(records[0].test, report)
        self._unwritten += records
        if report.when == "teardown" or not is_replaced():
            self._add_unwritten()

    def _add_unwritten(self) -> None:
        if self._unwritten:
            self._ledger.add(self._unwritten)
            self._unwritten = []

    def drop_local(self, node_id: str) -> None:
        """Remove the records of a test that ran again in vain."""
        self._local_records(node_id)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Receive the errors and remarks of an xdist worker when it ends."""
        output = getattr(node, "workeroutput", {})
        self.usage_errors |= dict.fromkeys(output.get(USAGE_ERRORS, []))
        self.remarks |= dict.fromkeys(output.get(REMARKS, []))
        if records := _read(output.get(AGAIN, [])):
            self._ledger.add(records)
        if SPEED in output:
            self._speeds.append(ReferenceSpeed(*output[SPEED]))
        self._tests |= json.loads(output.get(TESTS, "{}"))
        if WAITED in output:
            self._waits.append(Waited(*output[WAITED]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write artifacts for the last time; set the exit code if one could not be written.

        A failed renderer only affects its own file, not the exit code.
        """
        self._add_unwritten()
        own = shown_speed(self._facts.settings.plan.speed)
        speeds = [*self._speeds, *([own] if own else [])]
        if speeds:
            self._keep_speed(reduce(ReferenceSpeed.or_faster, speeds))
        self._keep_tests(self._tests | shown_tests(self._facts.settings.plan.speed))
        if self._waits:
            self._facts.waited = reduce(Waited.__add__, self._waits)
            self.remarks |= dict.fromkeys(self._facts.waited.remarks())
        self._ledger.write()
        self._github.summarise(self._ledger.records)
        failed = self._ledger.writer.unwritable or self._hooks.failures
        if self.usage_errors or (failed and session.exitstatus == 0):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table of all samples, and the evidence of inconclusive ones."""
        for line in self._error_lines():
            terminalreporter.write_line(line, red=True)
        records = self._ledger.records
        if not records:
            if not self._ledger.has_gates and self._ledger.where:
                terminalreporter.write_line(self._ledger.where)
            return
        terminalreporter.write_sep("=", self._title)
        columns = self._facts.settings.columns
        _write_table(terminalreporter, records, columns)
        terminalreporter.write_line(f"{count_line(records)} ({UNIT_NOTE})")
        for line in (*notes(columns), *self._group_lines(terminalreporter)):
            terminalreporter.write_line(line)
        for remark in (*self._facts.remarks(), *self.remarks):
            terminalreporter.write_line(remark, yellow=True)
        for record in records:
            if record.outcome is Outcome.INCONCLUSIVE and not record.has_advice(CALLED_ONCE):
                for line in explain(record):
                    terminalreporter.write_line(f"{printable(record.title)}: {line}", yellow=True)
        lines = [
            *advice_lines(records),
            *slowest_lines(records),
            *self._unnoticed_lines(records),
            self._github.problem or "",
            *self._github.lines(records),
            self._ledger.where,
        ]
        for line in filter(None, lines):
            terminalreporter.write_line(line)

    def _unnoticed_lines(self, records: Sequence[Record]) -> list[str]:
        is_slowed = bool(self._facts.settings.slowdown)
        return [] if is_slowed else unnoticed_lines(records, len(records))

    def _group_lines(self, terminal: pytest.TerminalReporter) -> list[str]:
        settings = self._facts.settings
        if settings.group_by is None:
            return []
        width = _width(terminal)
        return ["", *group_lines(self._ledger.records, settings.group_by, settings.columns, width)]

    @property
    def _title(self) -> str:
        settings = self._facts.settings
        if settings.slowdown:
            slower = format_percent(settings.slowdown)
            return f"latency budgets (all calls {slower} % slower: a gate passes by noticing it)"
        fails = settings.mode is not Mode.REPORT
        return (
            "latency budgets"
            if fails
            else "latency budgets (mode report: budgets never fail tests)"
        )

    def _error_lines(self) -> list[str]:
        hooks = self._hooks.failures.items()
        return [
            *(f"ERROR: {message}" for message in self.usage_errors),
            *self._ledger.writer.error_lines,
            *(f"ERROR: the hook {hook} failed: {reason}" for hook, reason in hooks),
        ]


def _read(lines: Sequence[str]) -> list[Record]:
    return [from_plain(json.loads(line)) for line in lines]


def _width(terminal: pytest.TerminalReporter) -> int:
    return terminal._tw.fullwidth if terminal.isatty else LOG_WIDTH


def _write_table(
    terminal: pytest.TerminalReporter, records: Sequence[Record], columns: Sequence[Column]
) -> None:
    show_all = terminal.verbosity > 0
    for line in terminal_lines(records, _width(terminal), show_all=show_all, columns=columns):
        terminal.write(line.before)
        terminal.write_line(line.verdict, **_COLOURS.get(line.outcome, {}))
