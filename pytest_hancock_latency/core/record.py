"""Records: budget, summary, histograms, timeline, verdict and circumstances of one sample."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .advice import Advice
from .evidence import ALPHA_WITHIN, EXCEEDED, WITHIN, bounding_ranks
from .evidence_of_share import ShareProcess
from .histogram import Histogram, highest, lowest
from .late_numpy import np
from .quantile import COLUMNS, MAXIMUM, label
from .sample import (
    FROM_PROMETHEUS,
    GROWTH,
    REPEATED_BURSTS,
    LoadSample,
    Measurement,
    Observations,
    Sample,
)
from .timeline import Timeline
from .verdict import ExitCode, Outcome, Verdict

USUAL = frozenset({*COLUMNS, MAXIMUM})
"""Quantiles that every record has, in addition to those of its budget."""

COARSE = "Prometheus has only the counts of its own buckets"
EARLY = "it was measured by an early version: measure again"
"""Explanation if a record lacks a field that all current records have."""

Bounds = tuple[int | None, int | None]
"""Lower and upper bound of a quantile, in nanoseconds; None if unknown."""


def titled(owner: str, name: str) -> str:
    """Return the title of a sample: its owner and, if the owner has several, its name."""
    return f"{owner} [{name}]" if name else owner


@dataclass(frozen=True, slots=True)
class Record:
    """Everything kept about one sample, as artifacts and hooks present it.

    >>> def pytest_latency_recorded(item, record: Record) -> None:  # in a conftest.py
    ...     print(record.label, record.outcome, record.quantiles_ns["p99"])
    """

    test: str
    """Node id of the test."""
    name: str
    """Name of the sample; empty if the test has only one."""
    n: int
    failures: Mapping[str, int]
    quantiles_ns: Mapping[str, int]
    """Raw latency by ``p50``, ``p95``, ``p99``, ``max`` and every percentile of the budget."""
    attributed_quantiles_ns: Mapping[str, int]
    verdict: Verdict | None = None
    not_judged: str | None = None
    """Why there is no verdict; None if there is one."""
    strict: bool = False
    measurement: Measurement = field(default_factory=Measurement)
    worker: str | None = None
    workers: int = 1
    attempt: int = 1
    bounds_ns: Mapping[str, Bounds] = field(default_factory=dict)
    """By percentile: lower bound of attributed and upper bound of raw latency, at 95 % confidence
    each."""
    undisturbed_bounds_ns: Mapping[str, int] = field(default_factory=dict)
    """By percentile: upper bound of the latency of undisturbed calls, at 95 % confidence; empty
    without enough of them."""
    histogram: Histogram | None = None
    """Histogram of raw latency; None in artifacts without one."""
    attributed_histogram: Histogram | None = None
    """Histogram of attributed latency; None if it equals that of raw latency."""
    timeline: Timeline | None = None
    """The run over time; None if several runs were merged."""
    budget_name: str | None = None
    """Name of the budget in the budget file, if it came from there."""

    @property
    def title(self) -> str:
        """The test and, if it has several samples, the name of this one."""
        return titled(self.test, self.name)

    @property
    def label(self) -> str:
        """The name shown to readers: the budget's name in the budget file, otherwise `title`.

        If the sample has its own name, it follows in brackets.
        """
        if self.budget_name is None:
            return self.title
        return titled(self.budget_name, self.name if self.name != self.budget_name else "")

    @property
    def small_print(self) -> str:
        """The test, if the label does not name it; otherwise empty."""
        return "" if self.budget_name is None or self.test == self.label else self.test

    @property
    def outcome(self) -> Outcome:
        """The outcome of the budget: within, exceeded, inconclusive or not judged."""
        return self.verdict.outcome if self.verdict else Outcome.NOT_JUDGED

    @property
    def is_of_bursts(self) -> bool:
        """Whether the evidence is its bursts, which its histograms and counts do not contain."""
        return self.measurement.loop == REPEATED_BURSTS

    @property
    def is_of_growth(self) -> bool:
        """Whether it is about growth: its latency is that of a size which other runs may not have.

        Only its test can judge it, and its latency is not compared with that of other runs.
        """
        return self.measurement.loop == GROWTH

    @property
    def fails(self) -> bool:
        """Whether the record fails its test or its run.

        It does if it is exceeded, if it is strict and inconclusive, or if it was judged although
        nothing was measured, which is never a pass.
        """
        if self.outcome is Outcome.NOT_JUDGED:
            return False
        if not self.n and not self.failures:
            return True
        strict_miss = self.strict and self.outcome is Outcome.INCONCLUSIVE
        return strict_miss or self.outcome is Outcome.EXCEEDED

    @property
    def no_histogram(self) -> str:
        """The error message for a record without a histogram where one is needed."""
        why = COARSE if self.measurement.loop == FROM_PROMETHEUS else EARLY
        return f"{self.title} has no histogram: {why}"

    def with_advice(self, advice: Advice) -> Record:
        """Return the record with this advice before any other."""
        measurement = self.measurement
        return replace(self, measurement=replace(measurement, advice=(advice, *measurement.advice)))

    def has_advice(self, kind: str) -> bool:
        """Whether there is advice of this kind."""
        return any(advice.kind == kind for advice in self.measurement.advice)

    def without_verdict(self, why: str) -> Record:
        """Return the same measurements without a verdict."""
        return replace(self, verdict=None, not_judged=why)


@dataclass(frozen=True, slots=True)
class Artifact:
    """The content of an artifact."""

    session: Mapping[str, Any]
    """Machine, versions, settings, commit and so on: everything except the samples."""
    records: Sequence[Record]


def counterparts(later: Sequence[Record], earlier: Sequence[Record]) -> list[Record | None]:
    """Return for each later record the earlier one to compare it with, or None.

    That is the one with the same title. If there is none, as after a test was renamed or between a
    test and a load, it is the one with the same label, if it is unique among the remaining records
    on each side.
    """
    by_title = {record.title: record for record in earlier}
    matches = [by_title.get(record.title) for record in later]
    joined = {record.title for record in matches if record}
    label_counts = Counter(
        record.label for record, match in zip(later, matches, strict=True) if not match
    )
    offered: dict[str, list[Record]] = {}
    for record in earlier:
        if record.title not in joined:
            offered.setdefault(record.label, []).append(record)
    for at, record in enumerate(later):
        candidates = offered.get(record.label, [])
        if matches[at] is None and label_counts[record.label] == len(candidates) == 1:
            matches[at] = candidates[0]
    return matches


def exit_code_of(records: Sequence[Record]) -> ExitCode:
    """Return the exit code of a run or a command that ends with these records."""
    if any(record.outcome is Outcome.EXCEEDED for record in records):
        return ExitCode.EXCEEDED
    if not any(record.n and record.outcome is not Outcome.NOT_JUDGED for record in records):
        return ExitCode.USAGE
    return ExitCode.INCONCLUSIVE if any(record.fails for record in records) else ExitCode.HELD


@dataclass(frozen=True, slots=True)
class TestRun:
    """One run of a test, in which samples were taken."""

    __test__ = False
    """It is not a test class, although pytest might take it for one."""
    test: str
    """Node id of the test."""
    strict: bool = False
    """Whether an inconclusive sample fails the test."""
    budget_name: str | None = None
    """Name of the budget in the budget file, if it came from there."""
    worker: str | None = None
    """The pytest-xdist worker that ran the test; None without pytest-xdist."""
    workers: int = 1
    """The number of processes that ran tests at the same time."""
    attempt: int = 1
    """1, or more if the test was run again after a failure."""


def record_of(sample: Sample, run: TestRun) -> Record:
    """Summarise a sample that was taken in this run of a test."""
    quantiles = sorted(quantiles_of(sample.verdict)) if sample.n else []
    raw, attributed = histograms_of(sample)
    return Record(
        test=run.test,
        name=sample.name,
        n=sample.n,
        failures=dict(sample.failures),
        quantiles_ns={label(q): sample.quantile_ns(q) for q in quantiles},
        attributed_quantiles_ns={label(q): sample.attributed_quantile_ns(q) for q in quantiles},
        bounds_ns=_bounds_of_bursts(quantiles, sample)
        if isinstance(sample, LoadSample) and sample.bursts
        else _bounds_in_sample(quantiles, sample),
        undisturbed_bounds_ns=undisturbed_bounds_ns(quantiles, sample.observations),
        histogram=raw,
        attributed_histogram=attributed,
        timeline=Timeline.of(sample.observations, sample.collections_ns),
        verdict=sample.verdict,
        not_judged=None if sample.verdict else "no budget",
        strict=run.strict,
        measurement=sample.measurement,
        worker=run.worker,
        workers=run.workers,
        attempt=run.attempt,
        budget_name=run.budget_name,
    )


def quantiles_of(verdict: Verdict | None) -> frozenset[Fraction]:
    """Return the quantiles that a record with this verdict has."""
    judged = verdict.limits if verdict else ()
    return USUAL | {part.limit.quantile for part in judged}


def histograms_of(sample: Sample) -> tuple[Histogram, Histogram | None]:
    """Return the raw and attributed histograms; None for the latter if nothing was excused."""
    raw = Histogram.of(sample.observations.wall_ns)
    attributed = Histogram.of(sample.observations.attributed_ns)
    return raw, None if attributed == raw else attributed


def bounds_in_histograms(
    quantiles: Iterable[Fraction], raw: Histogram, attributed: Histogram
) -> dict[str, Bounds]:
    """Return the bounds of each quantile by label, at the outer edges of their buckets."""
    return bounds_at_ranks(
        quantiles,
        raw.n,
        lambda rank: lowest(attributed.bucket_of_rank(rank)),
        lambda rank: highest(raw.bucket_of_rank(rank)),
    )


def _bounds_in_sample(quantiles: Iterable[Fraction], sample: Sample) -> dict[str, Bounds]:
    """Return exact bounds of each quantile by label, from the observations."""
    raw = np.sort(sample.observations.wall_ns)
    attributed = raw
    if sample.observations.attributed_ns is not sample.observations.wall_ns:
        attributed = np.sort(sample.observations.attributed_ns)
    return bounds_at_ranks(
        quantiles, sample.n, lambda rank: int(attributed[rank - 1]), lambda rank: int(raw[rank - 1])
    )


def _bounds_of_bursts(quantiles: Iterable[Fraction], sample: LoadSample) -> dict[str, Bounds]:
    """Return bounds of each quantile by label, with bursts as the evidence.

    They are the highest limit that would be *exceeded* and the lowest that would be *within*, both
    at 95 % confidence.
    """
    answered = np.array([burst.answered for burst in sample.bursts if burst.answered])
    first = np.cumsum(answered) - answered
    raw, attributed = sample.observations.wall_ns, sample.observations.attributed_ns
    raw_values, attributed_values = np.unique(raw), np.unique(attributed)
    bounds: dict[str, Bounds] = {}
    for quantile in quantiles:
        if quantile == MAXIMUM or not len(raw):
            continue
        passing = ShareProcess(1 - quantile, WITHIN, ALPHA_WITHIN)
        exceeding = ShareProcess(1 - quantile, EXCEEDED, ALPHA_WITHIN)
        high = bisect_left(
            raw_values,
            True,
            key=lambda ns: passing.would_show(np.add.reduceat(raw > ns, first) / answered),
        )
        low = bisect_left(
            attributed_values,
            True,
            key=lambda ns: (
                not exceeding.would_show(np.add.reduceat(attributed >= ns, first) / answered)
            ),
        )
        bounds[label(quantile)] = (
            int(attributed_values[low - 1]) if low else None,
            int(raw_values[high]) if high < len(raw_values) else None,
        )
    return bounds


def undisturbed_bounds_ns(
    quantiles: Iterable[Fraction], observations: Observations
) -> dict[str, int]:
    """Return upper bounds by label, from calls that began undisturbed.

    The number of calls is that of those which also ended undisturbed, as for *within*: slow calls
    end undisturbed less often than fast ones, so that without this they would be too rare.
    """
    probed = observations.probed
    if probed is None:
        return {}
    began, both = probed.undisturbed_before, probed.undisturbed_before & probed.undisturbed_after
    n, latencies_ns = int(both.sum()), np.sort(observations.wall_ns[began])
    bounds: dict[str, int] = {}
    for quantile in quantiles:
        _, high_rank = bounding_ranks(quantile, n) if quantile != MAXIMUM else (None, None)
        if high_rank:
            bounds[label(quantile)] = int(latencies_ns[len(latencies_ns) - 1 - (n - high_rank)])
    return bounds


def bounds_at_ranks(
    quantiles: Iterable[Fraction],
    n: int,
    low_at: Callable[[int], int],
    high_at: Callable[[int], int | None],
) -> dict[str, Bounds]:
    """Return bounds by label; the maximum has none beyond the sample.

    Args:
        low_at: returns the attributed latency in ns at a rank, counted from 1.
        high_at: returns the raw latency in ns at a rank, counted from 1; None if unknown.
    """
    bounds: dict[str, Bounds] = {}
    for quantile in quantiles:
        if quantile == MAXIMUM:
            continue
        low_rank, high_rank = bounding_ranks(quantile, n)
        bounds[label(quantile)] = (
            low_at(low_rank) if low_rank else None,
            high_at(high_rank) if high_rank else None,
        )
    return bounds
