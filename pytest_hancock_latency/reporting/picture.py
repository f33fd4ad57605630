"""A text chart of a sample for the terminal: its distribution against its limits.

distribution of 354 raw latencies (log scale), · = this high only because of the machine
  2.51 ms  ███████████████████  211
  3.16 ms  ████████  91
           ── p50 limit 3.5 ms ──
  3.98 ms  █·  19
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, log
from typing import Final

from ..core.budget import Limit
from ..core.duration import format_duration, format_exactly
from ..core.histogram import highest, index_of
from ..core.record import Record
from ..core.sample import Slow
from ..core.verdict import GrowthVerdict
from .distribution import counts_between, edges_around
from .wording import causes_text

_ROWS: Final = 12
_WIDTH: Final = 40


def picture_lines(record: Record) -> list[str]:
    """Render the distribution or the growth on log scales, and the slowest observations."""
    if record.histogram is None or not record.histogram.n:
        return []
    growth = record.verdict.growth if record.verdict else None
    lines = [*_growth(growth)] if growth else [*_distribution(record)]
    slowest = record.measurement.slowest
    return [*lines, "", *_slowest(slowest)] if slowest else lines


def _distribution(record: Record) -> Iterator[str]:
    raw = record.histogram
    assert raw is not None
    attributed = record.attributed_histogram or raw
    limits = [part.limit for part in record.verdict.limits] if record.verdict else []
    edges = edges_around((raw,), _ROWS)
    # A row must not straddle a limit: it would be drawn before it, with what is over it.
    ends = (highest(index_of(limit.limit_ns)) + 1 for limit in limits)
    edges = sorted({*edges, *(end for end in ends if edges[0] < end < edges[-1])})
    counts, code_counts = counts_between(raw, edges), counts_between(attributed, edges)
    freed = [max(0, count - code) for count, code in zip(counts, code_counts, strict=True)]
    note = ", · = this high only because of the machine" if any(freed) else ""
    yield f"distribution of {raw.n} raw latencies (log scale){note}"
    scale = _WIDTH / max(counts)
    yield from _marks(limits, 0, edges[0])
    for low, high, count, excused in zip(edges, edges[1:], counts, freed, strict=False):
        if count:
            bar = "█" * ceil((count - excused) * scale) + "·" * ceil(excused * scale)
            yield f"{format_duration(low):>9}  {bar}  {count}"
        yield from _marks(limits, low + 1, high)
    yield from _marks(limits, edges[-1] + 1, None)


def _growth(growth: GrowthVerdict) -> Iterator[str]:
    """Yield a row for each size, which are about a factor apart: both axes are logarithmic."""
    first_size, first_ns = growth.anchor
    logs = [log(max(1, ns)) for _, ns in growth.curve]
    allowed = [
        log(max(1, first_ns)) + growth.bound * log(size / first_size) for size, _ in growth.curve
    ]
    low, high = min(logs) - log(2), max(*logs, *allowed)
    scale = _WIDTH / (high - low)
    yield (
        f"latency by size (log scales), │ = growth that {growth.at_most} allows from size "
        f"{first_size} on"
    )
    width = max(len(str(size)) for size, _ in growth.curve)
    for (size, ns), at, limit in zip(growth.curve, logs, allowed, strict=True):
        bar = "█" * max(1, round((at - low) * scale))
        if size > first_size:
            mark = max(1, round((limit - low) * scale))
            bar = bar.ljust(mark)
            bar = f"{bar[: mark - 1]}│{bar[mark:]}"
        yield f"{size:>{width}}  {format_duration(ns):>9}  {bar.rstrip()}"


def _marks(limits: Sequence[Limit], low: int, high: int | None) -> Iterator[str]:
    """Yield lines for the limits from `low` to `high`, both included."""
    for limit in limits:
        if limit.limit_ns >= low and (high is None or limit.limit_ns <= high):
            yield f"{'':>9}  ── {limit.label} limit {format_exactly(limit.limit_ns)} ──"


def _slowest(slowest: Sequence[Slow]) -> Iterator[str]:
    yield "slowest"
    for slow in slowest:
        why = causes_text(slow)
        took = format_duration(slow.wall_ns)
        code = f" (code {format_duration(slow.attributed_ns)})" if slow.causes else ""
        at = format_duration(slow.start_ns)
        yield f"{took:>9}{code}  no. {slow.position + 1} at {at}: {why}"
