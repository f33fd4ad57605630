"""The table at the end of a long run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fuzzing import COUNTS, IS_LONG

HERE = Path(__file__).resolve().parent
# Some words are longer than that, since readers have limits.
LONG_CASES = "ignore:Generating overly large repr:hypothesis.errors.HypothesisWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(LONG_CASES))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not IS_LONG:
        return
    terminalreporter.section("fuzzing")
    for surface, cases in sorted(COUNTS.items()):
        terminalreporter.line(f"{surface:<24}{cases:>9} cases")
