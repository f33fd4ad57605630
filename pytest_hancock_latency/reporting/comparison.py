"""The comparison of two artifacts as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..core.duration import format_duration
from ..core.quantile import format_percent
from ..core.record import Record
from ..runs.baseline import LEAST_OBSERVATIONS, Change
from .table import aligned, with_small_print
from .wording import printable

_HEADINGS: Final = ("sample", "median before", "after", "change", "p99 before", "after", "")
_NUMBERS: Final = frozenset({1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Compared:
    """A sample of both artifacts, and its change."""

    before: Record
    after: Record
    change: Change


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """The comparison of an artifact with its baseline."""

    compared: Sequence[Compared]
    only_before: Sequence[str]
    only_after: Sequence[str]
    allowed: Fraction
    other_machine: str | None = None
    """The machine of the baseline, if it is of a different kind."""
    sides: tuple[str, str] = ("", "")
    """Time and commit of each side, as far as known."""

    @property
    def slower(self) -> int:
        """Number of samples shown to be slower."""
        return sum(pair.change.slower for pair in self.compared)


def comparison_text(comparison: BaselineComparison) -> str:
    """Render the table, its conclusion, and samples without a counterpart."""
    ordered = sorted(comparison.compared, key=lambda c: (not c.change.slower, -c.change.share))
    rows = [_HEADINGS, *(_cells(pair) for pair in ordered)]
    lines = ["compared with the baseline (median of attributed, p99 of raw latency)"]
    for side, name in zip(comparison.sides, ("before", "after"), strict=True):
        lines += [f"{name}: {printable(side)}"] if side else []
    lines.append("")
    lines += aligned(rows, _NUMBERS) if ordered else ["the artifacts have no samples in common"]
    lines += ["", _conclusion(comparison)]
    for names, where in (
        (comparison.only_before, "baseline"),
        (comparison.only_after, "new artifact"),
    ):
        lines += [f"only in the {where}: {printable(name)}" for name in names]
    return "\n".join(lines) + "\n"


def _cells(pair: Compared) -> tuple[str, ...]:
    change = pair.change
    is_known = bool(change.before_ns)
    return (
        with_small_print(pair.after),
        format_duration(change.before_ns) if is_known else "–",
        format_duration(change.after_ns) if is_known else "–",
        f"{change.percent:+d} %" if is_known else "–",
        _p99(pair.before),
        _p99(pair.after),
        "slower" if change.slower else f"not compared: {change.why_not}" if change.why_not else "",
    )


def _p99(record: Record) -> str:
    return format_duration(record.quantiles_ns["p99"]) if record.n else "–"


def _conclusion(comparison: BaselineComparison) -> str:
    if comparison.other_machine:
        return (
            "not judged: the baseline was measured on a different kind of machine "
            f"({printable(comparison.other_machine)})"
        )
    return (
        f"{comparison.slower} of {len(comparison.compared)} slower: median more than "
        f"{format_percent(comparison.allowed)} % above the baseline's "
        f"(judged from {LEAST_OBSERVATIONS} observations each)"
    )
