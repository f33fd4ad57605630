"""Comparing two samples that were measured in turns within one process, in random order.

Whatever slows the machine down for a while hits the turns of both. Each pair of turns gives one
number, log( median of the first / median of the second ), and the evidence over them is that of a
duel (`evidence_of_mean`): one may look after each pair of turns, and stop. See Bulej et al.
2020, "duet benchmarking".

It compares two functions as this process runs them. Two processes that run the *same* code differ
by about 1 % in their medians, because of the memory layout and the hash seed. Here both functions
share these, so smaller differences show, but another process may show them less, or not at all.
Whether a *version* is slower is a question for a duel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, fsum, log, log1p
from typing import TYPE_CHECKING, Final

from .evidence import ALPHA_BUILD
from .evidence_of_mean import (
    LEAST_VALUES,
    MIXTURE_PRECISION,
    interval_of_mean,
    log_evidence_of_mean,
)
from .late_numpy import np
from .quantile import format_percent

if TYPE_CHECKING:
    from .attribution import Nanoseconds

TURN: Final = 5
"""Observations of a turn that count: see `measuring.shapes.turns`."""
_ENOUGH: Final = -log(ALPHA_BUILD)
"""Log evidence that shows a difference: a chance of 1 % that it shows one that does not exist."""
_ALIKE: Final = 0.01
"""Functions whose difference is shown to be smaller than 1 % are not measured on."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What a sample that was measured in turns with another keeps for the comparison."""

    key: object
    """The same for both."""
    latencies_ns: Nanoseconds
    """Comparable latencies, of shape (turns · 5,), in the order of measuring."""


@dataclass(frozen=True, slots=True, repr=False)
class PairedComparison:
    """Whether one sample is shown to be faster than another; usable in an assert."""

    name: str
    other: str
    by: Fraction
    turns: int
    """Pairs of turns."""
    shown: bool
    """Whether it is shown that the sample takes less time than the other, by more than `by`."""
    ratio: float
    """The sample's latency divided by the other's: geometric mean over the turns."""
    low: float
    high: float
    """Interval of the ratio, at 99 % confidence; 0 and infinity where nothing is known."""

    def __bool__(self) -> bool:
        return self.shown

    def __repr__(self) -> str:
        by = f" by more than {format_percent(self.by)} %" if self.by else ""
        return (
            f"<{self.name!r} faster than {self.other!r}{by}: "
            f"{'shown' if self else 'not shown'}, {self.ratio:.3g}× "
            f"({self.low:.3g} to {self.high:.3g}) in {self.turns} pairs of turns of one process>"
        )


def compare(
    names: tuple[str, str], latencies: tuple[Nanoseconds, Nanoseconds], by: Fraction
) -> PairedComparison:
    """Compare the latencies of two samples that were measured in turns.

    Args:
        names: names of the two.
        latencies: comparable latencies of the two.
        by: share by more than which the first one is to be faster.
    """
    first, second = latencies
    values = log_ratios(first.reshape(-1, TURN), second.reshape(-1, TURN))
    low, high = interval_of_mean(values, _ENOUGH, MIXTURE_PRECISION)
    mean = fsum(values) / max(1, len(values))
    return PairedComparison(
        name=names[0],
        other=names[1],
        by=by,
        turns=len(values),
        shown=_is_below(values, log1p(-float(by))),
        ratio=exp(mean),
        low=exp(low),
        high=exp(high),
    )


def log_ratios(first: Nanoseconds, second: Nanoseconds) -> list[float]:
    """Return log( median of the first / median of the second ) for each pair of turns.

    Args:
        first: latencies of shape (turns, calls).
        second: latencies of the same shape.
    """
    first_medians = np.maximum(1, np.median(first, axis=1))
    second_medians = np.maximum(1, np.median(second, axis=1))
    ratios: list[float] = np.log(first_medians / second_medians).tolist()
    return ratios


def is_decided(values: Sequence[float], by: Fraction) -> bool:
    """Return whether more turns are unnecessary.

    It is shown either whether the first is faster by more than `by`, or that neither is by 1 %.

    Args:
        values: log ratio of each pair of turns.
        by: a share.
    """
    margin = log1p(-float(by))
    if _is_below(values, margin) or _is_below([-value for value in values], -margin):
        return True
    low, high = interval_of_mean(values, _ENOUGH, MIXTURE_PRECISION)
    return low > -_ALIKE and high < _ALIKE


def _is_below(values: Sequence[float], margin: float) -> bool:
    """Whether the mean is shown to be below the margin."""
    if len(values) < LEAST_VALUES or fsum(values) >= margin * len(values):
        return False
    return log_evidence_of_mean(values, margin, MIXTURE_PRECISION) >= _ENOUGH
