"""One side of a duel: a pytest session that a coordinator started to measure in turns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from ..duel.line import DUEL_ORIGIN, Corner, Line, LineClosed


class DuelSide:
    """Tells the coordinator what is collected, what fails, and when the session ends."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._origin = os.environ.pop(DUEL_ORIGIN, "")

    def corner(self, test: str, regression: Fraction | None) -> Corner:
        """Where the samples of a test meet those of the other side."""
        return Corner(self._line, test, regression)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell which tests there are, in order."""
        self._line.send({"collected": [item.nodeid for item in session.items]})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell which files cannot be imported."""
        self._tell_failure(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell which tests fail."""
        self._tell_failure(report)

    def _tell_failure(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        """Without a coordinator there is nothing more to do."""
        if not report.failed:
            return
        try:
            self._line.send({"failed": report.nodeid, "why": _why(report)})
        except LineClosed as error:
            pytest.exit(str(error))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Tell the end, and which code came from where no side has its own."""
        try:
            self._line.send({"end": int(exitstatus), "strangers": list(_strangers(self._origin))})
        except LineClosed:
            return


def _why(report: pytest.CollectReport | pytest.TestReport) -> str:
    """The first line of the exception."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).partition("\n")[0]
    lines = str(report.longrepr).splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or [""])[-1]


def _strangers(origin: str) -> Iterator[str]:
    """Imported files of the folder that neither side is in, but for its virtual environment."""
    if not origin:
        return
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] == "pytest_hancock_latency":
            continue
        path = Path(file)
        if path.is_relative_to(origin) and not path.is_relative_to(sys.prefix):
            yield file
