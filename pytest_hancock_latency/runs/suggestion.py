"""Suggested budgets: limits that the measured code meets with an explained margin.

A limit is the upper bound of its quantile at 95 % confidence, plus a margin, rounded up to two
significant digits. The default margin is a quarter: code whose quantile is at 0.8 of its limit is
expected to pass (docs/verdict.md), and 1 / 0.8 is 1.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..core.evidence import ALPHA_WITHIN, boundaries
from ..core.machine_speed import MachineSpeed, fastest
from ..core.quantile import MAXIMUM, label, parse_quantile
from ..core.record import EARLY, Artifact, Record, quantiles_of
from ..core.undisturbed import FULL_ARITHMETIC
from ..errors import ArtifactError
from .merging import by_title, merge_unjudged

MARGIN: Final = Fraction(1, 4)
_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class SuggestedLimit:
    """A limit and the bound it is derived from."""

    percentile: str
    limit_ns: int
    bound_ns: int
    is_undisturbed: bool = False
    """Whether the bound is that of undisturbed calls."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Limits for one sample, and the percentiles with too few observations."""

    name: str
    record: Record
    limits: Sequence[SuggestedLimit]
    unknown: Sequence[tuple[str, int]]
    """Pairs of a percentile and the minimum number of observations that it needs."""
    slowness: float | None = None
    """How many times slower than at its best the machine was, if some of the limits say so."""


def suggest_for(
    records: Sequence[Record], margin: Fraction = MARGIN, machine: MachineSpeed | None = None
) -> list[Suggestion]:
    """Suggest limits for each sample of one or several runs, where data suffices.

    Samples of growth have no limits.

    Args:
        machine: the speed of the undisturbed machine, to tell how disturbed the runs were.

    Raises:
        ArtifactError: a record has no bounds, or one of several has no histogram.
    """
    records = [record for record in records if not record.is_of_growth]
    return [
        suggest(merged, margin, runs, machine)
        for merged, runs in zip(merge_unjudged(records), by_title(records), strict=True)
    ]


def suggest(
    record: Record,
    margin: Fraction = MARGIN,
    runs: Sequence[Record] = (),
    machine: MachineSpeed | None = None,
) -> Suggestion:
    """Suggest limits for p50, p95, p99 and the percentiles of a record, where data suffices.

    Args:
        margin: share by which a limit is above the bound of its quantile.
        runs: the runs that were merged into the record. The machine differs between them, so the
            largest of their bounds counts: together they may have a smaller one.
        machine: the speed of the undisturbed machine, to tell how disturbed the runs were.

    Raises:
        ArtifactError: the record has no bounds.
    """
    limits: list[SuggestedLimit] = []
    unknown: list[tuple[str, int]] = []
    if record.n and not record.bounds_ns:
        raise ArtifactError(f"{record.title} has no bounds: {EARLY}")
    for quantile in sorted(_quantiles(record)):
        bounds = [_upper_bound(part, quantile) for part in runs or (record,)]
        if None in bounds:  # too few observations in one of the runs, but not in all together
            bounds.append(_upper_bound(record, quantile))
        bound = max((each for each in bounds if each is not None), default=None)
        if bound is None:
            table = boundaries(1 - quantile, ALPHA_WITHIN, ALPHA_WITHIN)
            unknown.append((label(quantile), table.within_from(0)))
            continue
        lowest_ns = limits[-1].limit_ns if limits else 1
        limit_ns = max(lowest_ns, rounded_up(bound[0] * (1 + margin)))
        limits.append(SuggestedLimit(label(quantile), limit_ns, *bound))
    disturbed = not all(limit.is_undisturbed for limit in limits)
    slowness = _slowness(runs or (record,), machine) if machine and disturbed else None
    return Suggestion(record.budget_name or record.test, record, limits, unknown, slowness)


def _upper_bound(record: Record, quantile: Fraction) -> tuple[int, bool] | None:
    """Return the upper bound of a quantile, and whether it is that of undisturbed calls."""
    _, raw_ns = record.bounds_ns.get(label(quantile), (None, None))
    undisturbed_ns = record.undisturbed_bounds_ns.get(label(quantile))
    if undisturbed_ns is not None and (raw_ns is None or undisturbed_ns < raw_ns):
        return undisturbed_ns, True
    return None if raw_ns is None else (raw_ns, False)


def _slowness(runs: Sequence[Record], machine: MachineSpeed) -> float | None:
    """Return how many times slower than at its best the machine was; None if hardly."""
    probes_ns = [run.measurement.probe_ns for run in runs if run.measurement.probe_ns is not None]
    slowness = max(probes_ns, default=0) / machine.speed.arithmetic_ns
    return slowness if slowness > FULL_ARITHMETIC else None


def machine_of(artifacts: Sequence[Artifact]) -> MachineSpeed | None:
    """Return the best speed that the runs have seen; None if they are of several machines."""
    speeds = [artifact.session.get("speed") for artifact in artifacts]
    return fastest([MachineSpeed.from_plain(speed) for speed in speeds if speed])


def together(suggestions: Sequence[Suggestion]) -> dict[str, int]:
    """Combine suggestions into limits in ns by percentile: one budget for several samples.

    A percentile that is unknown for any of them has no limit.
    """
    of_each = [{limit.percentile: limit.limit_ns for limit in s.limits} for s in suggestions]
    return {
        percentile: max(limits[percentile] for limits in of_each)
        for percentile in of_each[0]
        if all(percentile in limits for limits in of_each)
    }


def rounded_up(ns: Fraction) -> int:
    """Round up to two significant digits."""
    whole = -(-ns.numerator // ns.denominator)
    unit = 10 ** max(0, len(str(whole)) - _DIGITS)
    return int(-(-whole // unit) * unit)


def _quantiles(record: Record) -> frozenset[Fraction]:
    own = {parse_quantile(name) for name in record.quantiles_ns}
    return (quantiles_of(None) | own) - {MAXIMUM}
