"""Failing a test whose latency budget is exceeded, and warning of inconclusive ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from ..core.quantile import format_percent
from ..core.record import Record
from ..core.verdict import Outcome
from ..errors import InconclusiveWarning
from ..reporting.advice import advice_text
from ..reporting.picture import picture_lines
from ..reporting.table import table_lines
from ..reporting.wording import explain, headline, printable

if TYPE_CHECKING:
    from _pytest.outcomes import Failed
else:
    Failed = pytest.fail.Exception  # the public name, which type checkers cannot follow


class BudgetExceeded(Failed):
    """Fails a test whose latency budget does not hold; shown without a traceback."""

    def __init__(self, headline: str, details: str = "") -> None:
        """Create the failure of a test.

        Args:
            headline: text of the summary line.
            details: further text of the report.
        """
        super().__init__(f"{headline}\n{details}" if details else headline, pytrace=False)
        self.headline = headline


def fail_if_exceeded(records: Iterable[Record]) -> None:
    """Raise BudgetExceeded if some of the records of a test fail it."""
    failing = [record for record in records if record.fails]
    if failing:
        raise BudgetExceeded(headlines(failing), details(failing))


def fail_if_unnoticed(records: Iterable[Record], slowdown: Fraction) -> None:
    """Raise BudgetExceeded if a gate of a test did not notice that all calls were slowed down.

    Args:
        slowdown: the share by which they were.
    """
    judged = [record for record in records if record.verdict and record.verdict.limits]
    unnoticed = [record for record in judged if record.outcome is not Outcome.EXCEEDED]
    if unnoticed:
        share = format_percent(slowdown)
        texts = (f"did not notice +{share} %: {headlines([record])}" for record in unnoticed)
        raise BudgetExceeded("; ".join(texts), details(unnoticed))


def why_failed(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Return the first line of the exception of a report."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).partition("\n")[0]
    lines = str(report.longrepr).splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or [""])[-1]


def shorten(report: pytest.TestReport, failure: BudgetExceeded) -> None:
    """Make the summary line start with the reason instead of the name of the exception."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = failure.headline


def headlines(records: list[Record]) -> str:
    """Return the text of the summary line."""
    texts = []
    for record in records:
        name = f"{printable(record.name)}: " if record.name else ""
        strict = " (strict)" if record.outcome is Outcome.INCONCLUSIVE else ""
        texts.append(f"{name}{headline(record)}{strict}")
    return "; ".join(texts)


def details(failing: list[Record]) -> str:
    """Return the further text of the report: table, evidence, picture and advice."""
    lines: list[str] = []
    for record in failing:
        lines += ["", *table_lines([record]), "", *explain(record), ""]
        lines += picture_lines(record)
        lines += [f"advice: {advice_text(advice)}" for advice in record.measurement.advice]
    return "\n".join(lines)


def warn_inconclusive(text: str, item: pytest.Item) -> None:
    """Warn of an inconclusive budget, with the location of its test.

    Only a filter that names the category turns it into an error: pytest's ``-W error`` is meant for
    warnings of the code, while the number of calls also depends on the machine.
    """
    path, line, _ = item.location
    with warnings.catch_warnings():
        if not _is_named_by_a_filter():
            warnings.simplefilter("always", InconclusiveWarning)
        warnings.warn_explicit(text, InconclusiveWarning, str(path), (line or 0) + 1)


def _is_named_by_a_filter() -> bool:
    return any(category is InconclusiveWarning for _, _, category, *_ in warnings.filters)
