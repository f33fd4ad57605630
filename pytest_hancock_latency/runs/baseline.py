"""Comparison of a sample with the same sample of an earlier run.

The state of a machine differs between runs, and no statistical test can correct that: with
identical code, the mean of a fresh run is 5 % above that of a saved run one time in four, and a
rank test reports *slower* one time in three. A comparison is therefore only advice and fails no
test. It reports only that the *median* of *attributed* latency is above the baseline's by more
than an allowed share, on the same kind of machine, from at least 200 observations each. Tails and
runs on other machines are shown, but not judged.

Comparing with the baseline times one plus the allowed share makes the rank test one of
non-inferiority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from ..core.evidence import alpha_of_gate
from ..core.histogram import Histogram, middle
from ..core.quantile import P50
from ..core.record import Record
from .rank_test import chance_of_wins

ALLOWED: Final = Fraction(1, 10)
"""Medians of identical code differ by up to this share between two runs."""
LEAST_OBSERVATIONS: Final = 200
"""Minimum observations on each side; with fewer, a rank test misses relevant changes."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the median of one sample."""

    before_ns: int
    """Median of attributed latency in the baseline."""
    after_ns: int
    slower: bool = False
    """Shown to be above the baseline by more than the allowed share."""
    why_not: str | None = None
    """Why the two were not compared; None if they were."""

    @property
    def share(self) -> float:
        """The change as a share of the median before; positive is slower."""
        return (self.after_ns - self.before_ns) / self.before_ns if self.before_ns else 0.0

    @property
    def percent(self) -> int:
        """The change in whole percent, as shown in all reports."""
        return round(100 * self.share)


def median_change(before: Record, after: Record) -> Change | None:
    """Return the change of the median of attributed latency; None if either is unknown."""
    histograms = _attributed(before, after)
    return _of_medians(*histograms) if histograms else None


def other_machine(session: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kind of the earlier machine if both are known and differ, else nothing."""
    kind, earlier = kind_of_machine(session), kind_of_machine(before)
    return earlier if kind and earlier and kind != earlier else ()


def judged_change(
    before: Record, after: Record, allowed: Fraction = ALLOWED, *, compared: int = 1
) -> Change:
    """Return the change of one sample and whether it is slower.

    Args:
        compared: number of samples that share the chance of a false alarm.
    """
    histograms = _attributed(before, after)
    if histograms is None:
        of_growth = "it is about growth, with sizes of its own in each run"
        return Change(
            0, 0, why_not=of_growth if _is_of_growth(before, after) else "one side has no histogram"
        )
    old, new = histograms
    change = _of_medians(old, new)
    if min(old.n, new.n) < LEAST_OBSERVATIONS:
        return replace(
            change, why_not=f"{min(old.n, new.n)} observations, but {LEAST_OBSERVATIONS} are needed"
        )
    chance = chance_of_being_no_slower(old, new, allowed)
    return replace(change, slower=chance <= alpha_of_gate(compared))


def chance_of_being_no_slower(old: Histogram, new: Histogram, allowed: Fraction) -> float:
    """One-sided p-value of Mann and Whitney's test of `new` against `old` times 1 + allowed."""
    slowed = 1 + float(allowed)
    tagged = [(middle(i) * slowed, count, 0) for i, count in old.counts.items()]
    tagged += [(float(middle(i)), 0, count) for i, count in new.counts.items()]
    return chance_of_wins(_by_value(tagged))


def _by_value(tagged: list[tuple[float, int, int]]) -> list[tuple[int, int]]:
    """Return the counts of old and new observations at each value, ascending."""
    counts: dict[float, tuple[int, int]] = {}
    for value, olds, news in sorted(tagged):
        counted = counts.get(value, (0, 0))
        counts[value] = counted[0] + olds, counted[1] + news
    return list(counts.values())


def _attributed(before: Record, after: Record) -> tuple[Histogram, Histogram] | None:
    """Return the two histograms to compare; None if either is missing, empty or about growth."""
    if _is_of_growth(before, after):
        return None
    old = before.attributed_histogram or before.histogram
    new = after.attributed_histogram or after.histogram
    return (old, new) if old and new and old.n and new.n else None


def _is_of_growth(before: Record, after: Record) -> bool:
    return before.is_of_growth or after.is_of_growth


def _of_medians(old: Histogram, new: Histogram) -> Change:
    return Change(old.quantile_ns(P50), new.quantile_ns(P50))


def kind_of_machine(session: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the facts that two machines must share for their latencies to be comparable."""
    machine = session.get("machine")
    if not isinstance(machine, Mapping):
        return ()
    facts = (machine.get("cpu"), machine.get("cores"), machine.get("python"))
    texts = (str(facts[0] or ""), f"{facts[1]} cores", f"Python {facts[2]}")
    return tuple(text for text, fact in zip(texts, facts, strict=True) if fact)
