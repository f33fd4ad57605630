"""Comparison of two samples measured in pairs, in random order within each pair.

The halves of a pair differ only by the code and the random order; slowness of the machine affects
both. The share of pairs in which one half is faster is judged like an exceedance rate, against one
half: Bulej et al. 2020 (duet benchmarking), with the sequential evidence of `evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..quantile import format_percent
from .evidence import ALPHA_BUILD, ALPHA_WITHIN, boundaries

if TYPE_CHECKING:
    from ..attribution import Nanoseconds

_HALF: Final = Fraction(1, 2)


@dataclass(frozen=True, slots=True, repr=False)
class PairedComparison:
    """Whether one sample is shown to be faster than another; usable in an assert."""

    name: str
    other: str
    by: Fraction
    pairs: int
    faster: int
    """Pairs in which the sample was faster than the other, by more than `by`."""
    needed: int
    """Value of `faster` needed to show it, with this number of pairs."""
    ratio: float
    """Median over all pairs of the sample's latency divided by the other's."""

    def __bool__(self) -> bool:
        return self.faster >= self.needed

    def __repr__(self) -> str:
        by = f" by more than {format_percent(self.by)} %" if self.by else ""
        verdict = "shown" if self else f"not shown, needs {self.needed}"
        return (
            f"<{self.name!r} faster than {self.other!r}{by} "
            f"in {self.faster} of {self.pairs} pairs (median {self.ratio:.3g}×): {verdict}>"
        )


def compare(
    names: tuple[str, str], latencies: tuple[Nanoseconds, Nanoseconds], by: Fraction
) -> PairedComparison:
    """Compare attributed latencies, both of shape (pairs,), pair by pair."""
    import numpy as np

    first, second = latencies
    limit = second * float(1 - by)
    table = boundaries(_HALF, ALPHA_WITHIN, ALPHA_BUILD)
    return PairedComparison(
        name=names[0],
        other=names[1],
        by=by,
        pairs=len(first),
        faster=int((first < limit).sum()),
        needed=table.least_exceeded(len(first)),
        ratio=float(np.median(first / np.maximum(1, second))) if len(first) else 1.0,
    )
