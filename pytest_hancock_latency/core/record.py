"""Records: budget, summary, histograms, course, verdict and circumstances of one sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from .histogram import Histogram, highest, lowest
from .judging.evidence import bounding_ranks
from .judging.verdict import Verdict
from .quantile import MAXIMUM, P50, P95, P99, label
from .sample import Measurement, Sample
from .timeline import Timeline

USUAL = frozenset({P50, P95, P99, MAXIMUM})
"""Quantiles that every record has; those of its budget come on top."""

EARLY = "it was measured by an early version, measure again"
"""Why something that every record has is missing."""

Bounds = tuple[int | None, int | None]
"""The least and the most that a quantile can be, in nanoseconds; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything worth keeping of one sample."""

    test: str
    """Node id of the test."""
    name: str
    """Name of the sample; empty where a test has just one."""
    n: int
    failures: Mapping[str, int]
    quantiles_ns: Mapping[str, int]
    """Raw latency by ``p50``, ``p95``, ``p99``, ``max`` and every percentile of the budget."""
    attributed_quantiles_ns: Mapping[str, int]
    verdict: Verdict | None = None
    not_judged: str | None = None
    """Why there is no verdict, where there is none."""
    strict: bool = False
    measurement: Measurement = field(default_factory=Measurement)
    worker: str | None = None
    workers: int = 1
    attempt: int = 1
    bounds_ns: Mapping[str, Bounds] = field(default_factory=dict)
    """By percentile: what the code took is at least, raw latency is at most; with 95 % each."""
    histogram: Histogram | None = None
    """Of raw latency; None in artifacts that had none."""
    attributed_histogram: Histogram | None = None
    """Of attributed latency; None where it equals that of raw latency."""
    timeline: Timeline | None = None
    """The course of the run; None where several runs were put together."""
    budget_name: str | None = None
    """Name of the budget in the budget file, where it came from there."""

    @property
    def title(self) -> str:
        """The test and, where it has several samples, the name of this one."""
        return f"{self.test} [{self.name}]" if self.name else self.test

    @property
    def outcome(self) -> str:
        """``within``, ``exceeded``, ``inconclusive`` or ``not judged``."""
        return self.verdict.outcome.value if self.verdict else "not judged"

    @property
    def no_histogram(self) -> str:
        """What to tell whoever needs the histogram of a record that has none."""
        return f"{self.title} has no histogram: {EARLY}"

    def without_verdict(self, why: str) -> Record:
        """The same measurements, not judged."""
        return replace(self, verdict=None, not_judged=why)


def record_of(sample: Sample, test: str, *, strict: bool = False) -> Record:
    """Summarise a sample of the test with this node id."""
    asked = sorted(quantiles_of(sample.verdict)) if sample.n else []
    raw, attributed = histograms_of(sample)
    return Record(
        test=test,
        name=sample.name,
        n=sample.n,
        failures=dict(sample.failures),
        quantiles_ns={label(q): sample.quantile_ns(q) for q in asked},
        attributed_quantiles_ns={label(q): sample.attributed_quantile_ns(q) for q in asked},
        bounds_ns=bounds_of(asked, raw, attributed or raw),
        histogram=raw,
        attributed_histogram=attributed,
        timeline=Timeline.of(sample.observations, sample.collections_ns),
        verdict=sample.verdict,
        not_judged=None if sample.verdict else "no budget",
        strict=strict,
        measurement=sample.measurement,
    )


def quantiles_of(verdict: Verdict | None) -> frozenset[Fraction]:
    """The quantiles that a record with this verdict has."""
    judged = verdict.limits if verdict else ()
    return USUAL | {part.limit.quantile for part in judged}


def histograms_of(sample: Sample) -> tuple[Histogram, Histogram | None]:
    """Raw and attributed; None where nothing was excused, so that both are the same."""
    raw = Histogram.of(sample.observations.wall_ns)
    attributed = Histogram.of(sample.observations.attributed_ns)
    return raw, None if attributed == raw else attributed


def bounds_of(
    quantiles: Iterable[Fraction], raw: Histogram, attributed: Histogram
) -> dict[str, Bounds]:
    """Bounds of each quantile by its label; of the maximum nothing is known beyond the sample."""
    return {
        label(quantile): _bounds(quantile, raw, attributed)
        for quantile in quantiles
        if quantile != MAXIMUM
    }


def _bounds(quantile: Fraction, raw: Histogram, attributed: Histogram) -> Bounds:
    n = raw.n
    least, most = bounding_ranks(quantile, n)
    low = lowest(attributed.bucket_of_rank(least)) if least else None
    high = highest(raw.bucket_of_rank(most)) if most else None
    return low, high
