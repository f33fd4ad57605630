"""The hooks of where reports arrive: in pytest itself, or in the controller of xdist.

So one process owns the artifacts.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from ..core.record import Record
from ..reporting.table import UNIT_NOTE, count_line, table_lines
from ..reporting.wording import explain
from .github import GitHub
from .hooks import Hooks
from .item_hooks import RECORDS
from .ledger import Ledger
from .session_facts import SessionFacts

USAGE_ERRORS: Final = "latency_usage_errors"
"""Where a worker's output carries what is wrong with its settings and budgets."""


class Reports:
    """Collects records from reports, shows the table, owns the artifacts."""

    def __init__(self, ledger: Ledger, facts: SessionFacts, github: GitHub, hooks: Hooks) -> None:
        self._ledger = ledger
        self._facts = facts
        self._github = github
        self._hooks = hooks
        self.usage_errors: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the records of a finished test into the ledger."""
        plain = getattr(report, RECORDS, None)
        if plain:
            records = self._ledger.add(plain)
            self._github.note_place(records[0].test, report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker of xdist that could not read a budget says so when it ends."""
        for message in getattr(node, "workeroutput", {}).get(USAGE_ERRORS, []):
            self.usage_errors[message] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write for the last time; say by the exit code what could not be done."""
        self._ledger.write()
        self._github.summarise(self._ledger.records)
        trouble = self._ledger.trouble or self._hooks.failures
        if self.usage_errors or (trouble and session.exitstatus == 0):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table of all samples, and the evidence of those that are inconclusive."""
        for message in self.usage_errors:
            terminalreporter.write_line(f"ERROR: {message}", red=True)
        for path, why in self._ledger.trouble.items():
            terminalreporter.write_line(f"ERROR: cannot write {path}: {why}", red=True)
        for hook, why in self._hooks.failures.items():
            terminalreporter.write_line(f"ERROR: the hook {hook} failed: {why}", red=True)
        records = self._ledger.records
        if not records:
            return
        terminalreporter.write_sep("=", "latency budgets")
        for line in table_lines(records):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"{count_line(records)} ({UNIT_NOTE})")
        for remark in self._facts.remarks():
            terminalreporter.write_line(remark, yellow=True)
        for record in records:
            self._explain(terminalreporter, record)
        for line in [self._github.trouble or "", *self._github.lines(records)]:
            if line:
                terminalreporter.write_line(line)

    def _explain(self, terminal: pytest.TerminalReporter, record: Record) -> None:
        if record.outcome == "inconclusive":
            for line in explain(record):
                terminal.write_line(f"{record.title}: {line}", yellow=True)
        for advice in record.measurement.advice:
            terminal.write_line(f"{record.title}: advice: {advice.text}")
