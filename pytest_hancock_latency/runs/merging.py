"""Merging of records of the same sample: from shards, workers, reruns or a cluster.

Counts add up, so nothing is lost or counted twice; merged records are judged again, by their
combined evidence. Only repeated bursts are not: counts of requests are no evidence about them, so
the worst of their own verdicts stays. So does the worst record of growth, since each run chooses
sizes of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Final, TypeVar

from ..core.budget import LatencyBudget, Limit, describe
from ..core.histogram import Histogram
from ..core.quantile import MAXIMUM, label
from ..core.record import Bounds, Record, bounds_in_histograms, quantiles_of
from ..core.sample import REPEATED_BURSTS, Measurement
from ..core.verdict import Route, RpsVerdict, ThroughputVerdict, Verdict
from ..errors import ArtifactError
from ..judging.counts import Tally, judge_counts
from ..judging.guide import ACCEPTABLE, judge_by_guide
from ..judging.limit_judge import LimitCounts
from ..judging.sequential import Policy

_ABOUT_THE_RUN: Final = (
    "cap-samples",
    "cap-time",
    "few-bursts",
    "slower",
    "not-compared",
    "pooled-within",
    "pooled-exceeded",
    "pooled-few",
)
"""Kinds of advice that no longer apply after merging or under another budget."""
_ONLY_ITS_TEST: Final = (
    "only its test can judge a repeated burst by another budget, because the artifact does not "
    "keep its bursts"
)
_SLOWEST = 5
_Rate = TypeVar("_Rate", ThroughputVerdict, RpsVerdict)


def merge(records: Sequence[Record]) -> list[Record]:
    """Return one record for each title, in order of first appearance.

    Raises:
        ArtifactError: records with the same title have different budgets, or one has no histogram.
    """
    groups = by_title(records)
    return [_merged(group, len(groups)) for group in groups]


def merge_unjudged(records: Sequence[Record]) -> list[Record]:
    """Merge without verdicts, so budgets may differ; every quantile is kept.

    Raises:
        ArtifactError: one of several records with the same title has no histogram.
    """
    return [
        _summarised(_together(group), _quantiles(group)) if len(group) > 1 else group[0]
        for group in by_title(records)
    ]


def judged_anew(  # noqa: PLR0913, PLR0917 - what a verdict on histograms depends on
    record: Record,
    budget: LatencyBudget,
    gates: int,
    least_observations: int = 1,
    rps: RpsVerdict | None = None,
    judged: Sequence[Record] = (),
) -> Record:
    """Return the record with a verdict on its histograms and every quantile of the budget.

    Args:
        least_observations: minimum number of observations for a pass.
        rps: the verdict on requests/s, which histograms do not contain.
        judged: the records that were merged, if all were judged by this budget.

    Raises:
        ArtifactError: the record has no histogram.
    """
    if record.is_of_growth:
        return record
    if record.is_of_bursts:
        return record if budget_of(record) == budget else record.without_verdict(_ONLY_ITS_TEST)
    verdict = judge_counts(
        _tally(record, judged), budget, Policy(least=least_observations, gates=gates)
    )
    verdict = replace(verdict, rps=rps)
    return _with_verdict(replace(record, measurement=_without_plans(record.measurement)), verdict)


def budget_of(record: Record) -> LatencyBudget | None:
    """Return the budget that a record was judged by; None if it was not judged."""
    if record.verdict is None:
        return None
    if by_built_in_limits(record):
        return ACCEPTABLE
    limits = tuple(part.limit for part in record.verdict.limits)
    rps = record.verdict.rps
    return LatencyBudget(
        limits,
        record.verdict.failures.allowed,
        record.verdict.least_time_ns,
        rps.least_per_s if rps else None,
    )


def by_title(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records of each title together, in order of first appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.title, []).append(record)
    return list(groups.values())


def _merged(group: Sequence[Record], gates: int) -> Record:
    if len(group) == 1:
        return group[0]
    if any(record.is_of_growth for record in group):
        return min(group, key=lambda record: record.outcome.rank)
    judged = [record for record in group if record.verdict]
    budgets = {budget for record in judged if (budget := budget_of(record))}
    guided = {by_built_in_limits(record) for record in judged}
    if max(len(budgets), len(guided)) > 1:
        budget_texts = " / ".join(sorted(map(describe, budgets)))
        raise ArtifactError(
            f"{group[0].title} has different budgets in the artifacts to merge: {budget_texts}"
        )
    together = _together(group)
    if together.is_of_bursts and judged:
        own = min((record.verdict for record in judged if record.verdict), key=_rank)
        return _with_verdict(together, own)
    if not budgets:
        return _summarised(together, _quantiles(group))
    if guided == {True}:
        verdict = judge_by_guide(
            _tally(together), Policy(least=1, gates=gates), _throughput(judged)
        )
        return _with_verdict(together, verdict)
    same = judged if len(judged) == len(group) else ()
    return judged_anew(together, budgets.pop(), gates, rps=_rps(judged), judged=same)


def by_built_in_limits(record: Record) -> bool:
    """Whether a record was judged by the table of the performance guide, with two limits each."""
    limits = record.verdict.limits if record.verdict else ()
    return any(part.investigate_ns is not None for part in limits)


def _rank(verdict: Verdict) -> int:
    return verdict.outcome.rank


def _throughput(judged: Sequence[Record]) -> ThroughputVerdict | None:
    return _worst(record.verdict.throughput for record in judged if record.verdict)


def _rps(judged: Sequence[Record]) -> RpsVerdict | None:
    return _worst(record.verdict.rps for record in judged if record.verdict)


def _worst(verdicts: Iterable[_Rate | None]) -> _Rate | None:
    """Return the worst verdict: each run has its own requests/s, which counts do not contain."""
    present = [verdict for verdict in verdicts if verdict is not None]
    return min(present, key=lambda verdict: verdict.outcome.rank, default=None)


def _together(group: Sequence[Record]) -> Record:
    histograms = [_histograms(record) for record in group]
    raw = Histogram.sum(raw for raw, _ in histograms)
    attributed = Histogram.sum(attributed for _, attributed in histograms)
    failures = sum((Counter(record.failures) for record in group), Counter[str]())
    largest = max((record.quantiles_ns[label(MAXIMUM)] for record in group if record.n), default=0)
    return replace(
        group[0],
        n=raw.n,
        failures=dict(failures),
        histogram=raw,
        attributed_histogram=None if attributed == raw else attributed,
        timeline=None,
        undisturbed_bounds_ns={},
        verdict=None,
        strict=any(record.strict for record in group),
        measurement=_measurement([record.measurement for record in group]),
        worker=None,
        workers=max(record.workers for record in group),
        attempt=max(record.attempt for record in group),
        quantiles_ns={label(MAXIMUM): largest},
    )


def _measurement(parts: Sequence[Measurement]) -> Measurement:
    starts = [part.started_unix_s for part in parts if part.started_unix_s is not None]
    ends = [part.ended_unix_s for part in parts if part.ended_unix_s is not None]
    lags = [part.send_lag_ns for part in parts if part.send_lag_ns is not None]
    alone = [part.alone for part in parts if part.alone is not None]
    waits = [part.waited_ns for part in parts if part.waited_ns is not None]
    slowest = sorted(chain(*(part.slowest for part in parts)), key=lambda slow: -slow.wall_ns)
    repeated = [part.loop for part in parts if part.loop == REPEATED_BURSTS]
    together = replace(
        parts[0],
        loop=(*repeated, parts[0].loop)[0],
        bracket=all(part.bracket for part in parts),
        elapsed_ns=sum(part.elapsed_ns for part in parts),
        started_unix_s=min(starts, default=None),
        ended_unix_s=max(ends, default=None),
        send_lag_ns=max(lags, default=None),
        room=None,  # how many calls were made at most says nothing of how many all parts could make
        max_samples=None,
        alone=all(alone) if alone else None,
        waited_ns=sum(waits) if waits else None,
        slowest=tuple(slowest[:_SLOWEST]),
        advice=tuple(dict.fromkeys(chain(*(part.advice for part in parts)))),
    )
    return _without_plans(together)


def _without_plans(measurement: Measurement) -> Measurement:
    """Remove advice about the plan, budget or baseline of a single run."""
    advice = tuple(a for a in measurement.advice if a.kind not in _ABOUT_THE_RUN)
    return replace(measurement, advice=advice)


def _tally(record: Record, judged: Sequence[Record] = ()) -> Tally:
    raw, attributed = _histograms(record)
    failed, elapsed_ns = sum(record.failures.values()), record.measurement.elapsed_ns
    limits = [part for part_of in judged if part_of.verdict for part in part_of.verdict.limits]
    by_limit: dict[Limit, list[LimitCounts]] = {}
    for part in limits:
        by_limit.setdefault(part.limit, []).append(LimitCounts.of(part))
    return Tally(
        raw,
        attributed,
        failed,
        elapsed_ns,
        excused_failures=sum(part.verdict.failures.excused for part in judged if part.verdict),
        counts={limit: LimitCounts.sum(parts) for limit, parts in by_limit.items()},
        spans_windows=any(part.route is Route.UNDISTURBED for part in limits),
    )


def _histograms(record: Record) -> tuple[Histogram, Histogram]:
    if record.histogram is None:
        raise ArtifactError(record.no_histogram)
    return record.histogram, record.attributed_histogram or record.histogram


def _with_verdict(record: Record, verdict: Verdict) -> Record:
    judged = replace(record, verdict=verdict, not_judged=None)
    return _summarised(judged, quantiles_of(verdict))


def _quantiles(group: Sequence[Record]) -> frozenset[Fraction]:
    return frozenset().union(*(quantiles_of(record.verdict) for record in group))


def _summarised(record: Record, quantiles: frozenset[Fraction]) -> Record:
    """Return the record with quantiles and bounds from its histograms; the maximum stays exact."""
    raw, attributed = _histograms(record)
    ascending = sorted(quantiles) if raw.n else []
    maximum = {label(MAXIMUM): record.quantiles_ns[label(MAXIMUM)]} if raw.n else {}
    return replace(
        record,
        quantiles_ns={**{label(q): raw.quantile_ns(q) for q in ascending}, **maximum},
        attributed_quantiles_ns={label(q): attributed.quantile_ns(q) for q in ascending},
        bounds_ns=_no_bounds(ascending)
        if record.is_of_bursts
        else bounds_in_histograms(ascending, raw, attributed),
    )


def _no_bounds(quantiles: Sequence[Fraction]) -> dict[str, Bounds]:
    """Return unknown bounds by label: only the bursts of each run know them."""
    return {label(quantile): (None, None) for quantile in quantiles if quantile != MAXIMUM}
