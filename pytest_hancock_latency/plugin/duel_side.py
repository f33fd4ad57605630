"""One side of a duel: a pytest session that measures in turns with the other side."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from ..duel.connection import DUEL_ORIGIN, ConnectionClosed, ToCoordinator
from ..duel.side_turns import ConnectedTest
from .failing import why_failed


class DuelSide:
    """Reports to the coordinator what is collected, what fails, and when the session ends."""

    def __init__(self, connection: ToCoordinator) -> None:
        self._connection = connection
        self._origin = os.environ.pop(DUEL_ORIGIN, "")

    def test(self, node_id: str, regression: Fraction | None) -> ConnectedTest:
        """Return what lets the samples of a test take turns.

        Args:
            node_id: node id of the test.
            regression: slowdown that its budget allows.
        """
        return ConnectedTest(self._connection, node_id, regression)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the tests, in order."""
        tests = [item.nodeid for item in session.items]
        self._connection.send({"type": "collected", "tests": tests})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report a file that cannot be collected."""
        self._report_failure(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report a test that failed."""
        self._report_failure(report)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Report the end, and imports from the folder of the user."""
        foreign_imports = list(_foreign_imports(self._origin))
        try:
            self._connection.send(
                {
                    "type": "ended",
                    "exit_status": int(exitstatus),
                    "foreign_imports": foreign_imports,
                }
            )
        except ConnectionClosed:
            return

    def _report_failure(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if not report.failed:
            return
        try:
            self._connection.send(
                {"type": "failed", "test": report.nodeid, "why": why_failed(report)}
            )
        except ConnectionClosed as error:
            pytest.exit(str(error))


def _foreign_imports(origin: str) -> Iterator[str]:
    """Yield imported files that belong to neither side: those in the folder of the user.

    Its virtual environment does not count.
    """
    if not origin:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] == "pytest_hancock_latency":
            continue
        path = Path(file)
        if path.is_relative_to(origin) and not path.is_relative_to(sys.prefix):
            yield file
