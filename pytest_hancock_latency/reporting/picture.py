"""A small picture of a sample for the terminal: its distribution against its limits.

distribution of 354 raw latencies, · marks those that the machine explains
     …
  2.51 ms  ███████████████████  211
  3.16 ms  ████████  91
           ── p50 limit 3.5 ms ──
  3.98 ms  █·  19
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10
from typing import Final

from ..core.budget import Limit
from ..core.duration import format_duration, format_exactly
from ..core.sample import Sample, Slow

_ROWS: Final = 12
_WIDTH: Final = 40
_STEPS: Final = (1, 2, 5, 10, 20, 50)
"""Rows for each factor of ten that are tried, the most that fit being taken."""


def picture_lines(sample: Sample) -> list[str]:
    """The distribution on a logarithmic scale with the limits, and the slowest observations."""
    if not sample.n:
        return []
    return [*_distribution(sample), "", *_slowest(sample.measurement.slowest)]


def _distribution(sample: Sample) -> Iterator[str]:
    import numpy as np

    wall, taken = sample.observations.wall_ns, sample.observations.attributed_ns
    limits = [part.limit for part in sample.verdict.limits] if sample.verdict else []
    edges = _edges(int(wall.min()), int(wall.max()))
    counts, _ = np.histogram(wall, edges)
    over = [limit.limit_ns for limit in limits]
    excused = np.zeros(len(wall), dtype=bool)
    for limit_ns in over:
        excused |= (wall > limit_ns) & (taken <= limit_ns)
    excused_counts, _ = np.histogram(wall[excused], edges)
    note = ", · is what only the machine put over a limit" if excused.any() else ""
    yield f"distribution of {sample.n} raw latencies (log scale){note}"
    scale = _WIDTH / max(1, int(counts.max()))
    yield from _marks(limits, 0, edges[0])
    for low, high, count, freed in zip(
        edges, edges[1:], counts.tolist(), excused_counts.tolist(), strict=False
    ):
        if count:
            bar = "█" * ceil((count - freed) * scale) + "·" * ceil(freed * scale)
            yield f"{format_duration(low):>9}  {bar}  {count}"
        yield from _marks(limits, low, high)
    yield from _marks(limits, edges[-1], None)


def _marks(limits: Sequence[Limit], low: int, high: int | None) -> Iterator[str]:
    for limit in limits:
        if limit.limit_ns >= low and (high is None or limit.limit_ns < high):
            yield f"{'':>9}  ── {limit.label} limit {format_exactly(limit.limit_ns)} ──"


def _edges(lowest: int, highest: int) -> list[int]:
    """Edges of rows, equally far apart on the logarithmic scale, around all latencies."""
    for steps in reversed(_STEPS):
        first = floor(log10(max(1, lowest)) * steps)
        last = floor(log10(max(1, highest)) * steps) + 1
        if last - first <= _ROWS:
            break
    edges = [round(10 ** (at / steps)) for at in range(first, last + 1)]
    return sorted({min(edges[0], lowest), *edges[1:-1], max(edges[-1], highest + 1)})


def _slowest(slowest: Sequence[Slow]) -> Iterator[str]:
    yield "slowest"
    for slow in slowest:
        why = ", ".join(slow.causes) if slow.causes else "nothing else happened: it is the code"
        took = format_duration(slow.wall_ns)
        code = f" (code {format_duration(slow.attributed_ns)})" if slow.causes else ""
        at = format_duration(slow.start_ns)
        yield f"{took:>9}{code}  no. {slow.position + 1} at {at}: {why}"
