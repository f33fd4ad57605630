"""Evidence of several runs: what the last runs of a sample show together.

A run may have too few calls for a limit. The counts of earlier runs of the same sample, with the
same budget on the same kind of machine, can add to them, but only for *within*:

- Runs are added from the present one backwards until they show the limit to be *within*.
- If more calls of the present run, of the last two, the last three and so on are over the limit
  than allowed, nothing is shown.
- No run before a change of the median is added, and none before one that was *exceeded*.
- Repeated bursts are neither added nor added to: their evidence is not the count of requests.
- If the median of the present run is higher than that of the earlier ones, these are counted as if
  all their calls had taken longer by the same factor.

Error rates: added backwards, the evidence of runs of unchanged code is a supermartingale like that
of one run (Ville 1939), so a limit that is just exceeded passes in at most 5 % of the runs. After a
change, runs from before it can let a broken limit pass for a few runs. How often and for how long
is simulated in ``benchmarks/pooled_characteristics.py``.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from ..core.advice import Advice, Figure
from ..core.duration import NS_PER_S
from ..core.evidence import ALPHA_WITHIN, Boundaries, alpha_of_gate, boundaries
from ..core.histogram import Histogram
from ..core.quantile import P50
from ..core.record import Artifact, Record
from ..core.verdict import LimitVerdict, Outcome, Pooled, Reason, Verdict
from ..judging.limit_judge import LimitCounts
from .baseline import kind_of_machine
from .change_points import change_points

MOST_RUNS: Final = 30
"""Runs that are added at most: in 5 s, an endpoint of 400 ms gets 12 calls, and p99 needs 366."""
READ_RUNS: Final = 60
"""Runs in which changes are looked for: a change takes at least five runs on either side."""
_LEAST_OBSERVATIONS: Final = 50
"""Minimum number of observations for *within*, as in a single run."""
_MORE_CALLS_HELP: Final = (Reason.FEW, Reason.NEAR, Reason.MACHINE)


@dataclass(frozen=True, slots=True)
class _Run:
    """An earlier run of a sample."""

    started_unix_s: float | None
    verdict: Verdict
    raw: Histogram
    attributed: Histogram


def has_open_limits(record: Record) -> bool:
    """Whether more observations could decide a limit of this record."""
    limits = record.verdict.limits if record.verdict else ()
    has_counts = record.histogram is not None and record.n > 0 and not record.is_of_bursts
    return has_counts and any(map(_is_open, limits))


def with_earlier_runs(
    record: Record, machine: Sequence[str], history: Sequence[Artifact]
) -> Record:
    """Return the record with inconclusive limits decided by its last runs, and advice about them.

    Args:
        machine: the kind of machine that it was measured on.
        history: earlier runs, in order of their start.
    """
    verdict = record.verdict
    if verdict is None or not has_open_limits(record):
        return record
    runs = _comparable(record, machine, history)
    if not runs:
        return record
    slower = _slower(_attributed(record), [run.attributed for run in runs])
    limits, advice = list(verdict.limits), list[Advice]()
    for at, part in enumerate(verdict.limits):
        if not _is_open(part):
            continue
        counts = [LimitCounts.of(p) for p in (part, *(run.verdict.limits[at] for run in runs))]
        edge_ns = int(part.limit.limit_ns / slower)
        slowed = [counts[0], *(LimitCounts(r.raw.n, r.raw.maybe_over(edge_ns), 0) for r in runs)]
        table = boundaries(part.limit.allowed, ALPHA_WITHIN, alpha_of_gate(1) / len(limits))
        if not isinstance(table, Boundaries):  # a limit that none may exceed is about one run
            continue
        pooled = shown_within(slowed, part.limit.allowed, table)
        if pooled is not None:
            pooled = replace(pooled, span_ns=_span_ns(record, runs[pooled.runs - 2]))
            limits[at] = replace(
                part, outcome=Outcome.WITHIN, reason=Reason.POOLED, needed=None, pooled=pooled
            )
            advice.append(
                Advice.of(
                    "pooled-within",
                    limit=part.limit.label,
                    runs=pooled.runs,
                    n=pooled.n,
                    span_ns=pooled.span_ns,
                )
            )
        elif broken := shown_exceeded(counts, table):
            advice.append(
                Advice.of(
                    "pooled-exceeded",
                    limit=part.limit.label,
                    runs=broken.runs,
                    n=broken.n,
                    over=broken.over,
                )
            )
        else:
            advice.append(
                Advice.of(
                    "pooled-few",
                    limit=part.limit.label,
                    runs=len(counts),
                    n=sum(c.n for c in counts),
                    slower_percent=round(100 * (slower - 1)),
                )
            )
    decided = {part.limit.label for part in limits if part.pooled}
    remaining = [a for a in record.measurement.advice if not _expects_too_few(a, decided)]
    measurement = replace(record.measurement, advice=(*advice, *remaining))
    return replace(record, verdict=replace(verdict, limits=tuple(limits)), measurement=measurement)


def shown_within(
    counts: Sequence[LimitCounts], allowed: Fraction, table: Boundaries
) -> Pooled | None:
    """Return the last runs that show a limit to be *within*; None if they do not.

    Args:
        counts: of each run, the present one first, then backwards.
    """
    n = over = 0
    for runs, part in enumerate(counts, 1):
        n, over = n + part.n, over + part.over
        if over > allowed * n:
            return None
        if runs > 1 and n >= _LEAST_OBSERVATIONS and table.shows_within(n, over):
            return Pooled(runs, n, over)
    return None


def shown_exceeded(counts: Sequence[LimitCounts], table: Boundaries) -> Pooled | None:
    """Return the last runs that show a limit to be *exceeded*, even without the worst of them.

    Args:
        counts: of attributed latency, in the order of `shown_within`.
    """
    n = over = 0
    for runs, part in enumerate(counts, 1):
        counted, exceeding = part.evidence
        n, over = n + counted, over + exceeding
        if runs > 1 and all(
            table.shows_exceeded(n - run_counts.evidence[0], over - run_counts.evidence[1])
            for run_counts in counts[:runs]
        ):
            return Pooled(runs, n, over)
    return None


def _comparable(record: Record, machine: Sequence[str], history: Sequence[Artifact]) -> list[_Run]:
    """Return the earlier runs that can be added to the present one, the latest first."""
    runs = list[_Run]()
    for artifact in reversed(history[-READ_RUNS:]):
        if not machine or kind_of_machine(artifact.session) != tuple(machine):
            continue
        earlier = next((r for r in artifact.records if r.title == record.title), None)
        if earlier is None or earlier.verdict is None or earlier.histogram is None or not earlier.n:
            continue
        if not _is_same_budget(record, earlier) or earlier.outcome is Outcome.EXCEEDED:
            break
        if earlier.is_of_bursts:
            break
        started = earlier.measurement.started_unix_s
        runs.append(_Run(started, earlier.verdict, earlier.histogram, _attributed(earlier)))
    attributed = [*(run.attributed for run in reversed(runs)), _attributed(record)]
    changes = change_points([max(1, histogram.quantile_ns(P50)) for histogram in attributed])
    since = changes[-1].at if changes else 0
    return runs[: max(0, min(len(runs) - since, MOST_RUNS - 1))]


def _is_same_budget(record: Record, earlier: Record) -> bool:
    present, previous = record.verdict, earlier.verdict
    if present is None or previous is None or present.failures.allowed != previous.failures.allowed:
        return False
    return [part.limit for part in present.limits] == [part.limit for part in previous.limits]


def _is_open(part: LimitVerdict) -> bool:
    return part.outcome is Outcome.INCONCLUSIVE and part.reason in _MORE_CALLS_HELP


def _slower(present: Histogram, earlier: Sequence[Histogram]) -> float:
    """Return the factor by which the median is above that of earlier runs; 1 if it is not."""
    before_ns = Histogram.sum(earlier).quantile_ns(P50)
    return max(1.0, present.quantile_ns(P50) / max(1, before_ns))


def _attributed(record: Record) -> Histogram:
    return record.attributed_histogram or record.histogram or Histogram()


def _span_ns(record: Record, first: _Run) -> int:
    """Return the time from the start of the first run to that of the present one; 0 if unknown."""
    now = record.measurement.started_unix_s
    if now is None or first.started_unix_s is None:
        return 0
    return max(0, int((now - first.started_unix_s) * NS_PER_S))


def _expects_too_few(advice: Advice, decided: Container[Figure]) -> bool:
    """Whether this warns that a limit will stay inconclusive, which the last runs decided."""
    return advice.kind in ("cap-samples", "cap-time") and advice.figures.get("limit") in decided
