"""Records of the same sample put together: of shards, workers, reruns, of a whole cluster.

Counts add up, so nothing is lost and nothing is counted twice; what is put together is judged anew,
by the evidence of all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from ..errors import ArtifactError
from .budget import LatencyBudget
from .histogram import Histogram
from .judge import Policy
from .judge_histogram import Tally, judge_histogram
from .quantile import MAXIMUM, label
from .record import Record, bounds_of, quantiles_of
from .sample import Measurement
from .verdict import Verdict

_SLOWEST = 5


def merge(records: Sequence[Record]) -> list[Record]:
    """One record for each title, in the order in which they first appear.

    Raises:
        ArtifactError: two records of a title have different budgets, or one has no histogram.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.title, []).append(record)
    return [_merged(group, len(groups)) for group in groups.values()]


def budget_of(record: Record) -> LatencyBudget | None:
    """The budget that a record was judged by; None where it was not judged."""
    if record.verdict is None:
        return None
    limits = tuple(part.limit for part in record.verdict.limits)
    return LatencyBudget(limits, record.verdict.failures.allowed)


def judged_anew(record: Record, budget: LatencyBudget, gates: int) -> Record:
    """The record with the verdict on its histograms, and every quantile that the budget names.

    Raises:
        ArtifactError: the record has no histogram.
    """
    raw, attributed = _histograms(record)
    tally = Tally(raw, attributed, sum(record.failures.values()), record.measurement.elapsed_ns)
    verdict = judge_histogram(tally, budget, Policy(least=1, gates=gates))
    return _summarised(replace(record, verdict=verdict, not_judged=None), verdict)


def _merged(group: Sequence[Record], gates: int) -> Record:
    first = group[0]
    if len(group) == 1:
        return first
    budgets = {budget for record in group if (budget := budget_of(record))}
    if len(budgets) > 1:
        raise ArtifactError(f"{first.title} has different budgets in what is to be merged")
    together = _together(group)
    if not budgets:
        return _summarised(together, None)
    return judged_anew(together, budgets.pop(), gates)


def _together(group: Sequence[Record]) -> Record:
    histograms = [_histograms(record) for record in group]
    raw = Histogram.sum(raw for raw, _ in histograms)
    attributed = Histogram.sum(attributed for _, attributed in histograms)
    failures = sum((Counter(record.failures) for record in group), Counter[str]())
    return replace(
        group[0],
        n=raw.n,
        failures=dict(failures),
        histogram=raw,
        attributed_histogram=None if attributed == raw else attributed,
        timeline=None,
        verdict=None,
        strict=any(record.strict for record in group),
        measurement=_measurement([record.measurement for record in group]),
        worker=None,
        workers=max(record.workers for record in group),
        attempt=max(record.attempt for record in group),
        quantiles_ns={
            label(MAXIMUM): max(r.quantiles_ns[label(MAXIMUM)] for r in group if r.n)
            if raw.n
            else 0
        },
    )


def _measurement(parts: Sequence[Measurement]) -> Measurement:
    lags = [part.send_lag_ns for part in parts if part.send_lag_ns is not None]
    slowest = sorted(chain(*(part.slowest for part in parts)), key=lambda slow: -slow.wall_ns)
    return replace(
        parts[0],
        bracket=all(part.bracket for part in parts),
        elapsed_ns=sum(part.elapsed_ns for part in parts),
        send_lag_ns=max(lags, default=None),
        slowest=tuple(slowest[:_SLOWEST]),
        advice=tuple(dict.fromkeys(chain(*(part.advice for part in parts)))),
    )


def _histograms(record: Record) -> tuple[Histogram, Histogram]:
    if record.histogram is None:
        raise ArtifactError(f"{record.title} has no histogram: it was measured by an early version")
    return record.histogram, record.attributed_histogram or record.histogram


def _summarised(record: Record, verdict: Verdict | None) -> Record:
    """The record with quantiles and bounds from its histograms; the exact maximum is kept."""
    raw, attributed = _histograms(record)
    asked = sorted(quantiles_of(verdict)) if raw.n else []
    known = {label(MAXIMUM): record.quantiles_ns[label(MAXIMUM)]} if raw.n else {}
    return replace(
        record,
        quantiles_ns={**{label(q): raw.quantile_ns(q) for q in asked}, **known},
        attributed_quantiles_ns={label(q): attributed.quantile_ns(q) for q in asked},
        bounds_ns=bounds_of(asked, raw, attributed),
    )
