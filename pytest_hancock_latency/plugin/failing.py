"""How a test fails whose latency budget does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..core.judging.verdict import Outcome
from ..core.record import Record
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
        """headline: all that the summary line has room for; details: what the report adds."""
        super().__init__(f"{headline}\n{details}" if details else headline, pytrace=False)
        self.headline = headline


def shorten(report: pytest.TestReport, failure: BudgetExceeded) -> None:
    """Let the summary line start with the reason, not with the name of an exception."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = failure.headline


def headlines(records: list[Record]) -> str:
    """What the summary line says."""
    texts = []
    for record in records:
        name = f"{printable(record.name)}: " if record.name else ""
        strict = " (strict)" if record.outcome is Outcome.INCONCLUSIVE else ""
        texts.append(f"{name}{headline(record)}{strict}")
    return "; ".join(texts)


def details(failing: list[Record]) -> str:
    """What the report adds: the table, the evidence, the picture, advice."""
    lines: list[str] = []
    for record in failing:
        lines += ["", *table_lines([record]), "", *explain(record), ""]
        lines += picture_lines(record)
        lines += [f"advice: {advice_text(advice)}" for advice in record.measurement.advice]
    return "\n".join(lines)
