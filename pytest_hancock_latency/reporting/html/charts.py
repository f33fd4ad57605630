"""The charts of a sample: its distribution, its tail, the run over time, growth and stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

from ...core.duration import format_duration
from ...core.histogram import Histogram, middle
from ...core.quantile import P50, P95, P99, label
from ...core.record import Record
from ...core.timeline import Timeline
from ..distribution import counts_between, edges_around
from ..wording import about_growth
from .canvas import (
    BELOW_WORDS,
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Picture,
    bottom_axis,
    left_axis,
    limit_words,
    limits_across,
    limits_down,
    limits_of,
    polyline,
    staircase,
    words,
)
from .markup import Element, element
from .scales import LogScale, TailScale, latency_range

_BARS: Final = 48
_POINTS: Final = 40
_ROOM: Final = 12
"""Space beside the first and the last size, for their labels."""
_LINE: Final = 14
"""Height of the words above a band."""
_MOST_ROWS: Final = 6
"""More stages than that are too low to read; the last ones and the whole call are shown."""
_WHOLE: Final = "whole call"
_RAW: Final = ("raw", "raw latency: as measured")
_CODE: Final = ("code", "attributed latency: time the code took")
_BEFORE: Final = ("before", "baseline, raw")
_MACHINE: Final = ("machine", "▲ the machine took more than 10 % of an observation")
_COLLECTOR: Final = ("collector", "◆ a garbage collection started during an observation")


def distribution(record: Record, baseline: Record | None = None) -> Picture | None:
    """Return the distribution of latencies with the limits; None without a histogram."""
    histograms = _histograms(record, baseline)
    if not histograms:
        return None
    scale = _scale(record, histograms, LEFT, RIGHT)
    edges = edges_around(histograms.values(), _BARS)
    shares = {
        name: [count / histogram.n for count in counts_between(histogram, edges)]
        for name, histogram in histograms.items()
    }
    highest = max(max(row) for row in shares.values())
    xs = [scale.at(edge) for edge in edges]
    marks: list[Element] = [*bottom_axis(scale.ticks())]
    for name, row in shares.items():
        heights = [round(BOTTOM - share / highest * (BOTTOM - BELOW_WORDS), 1) for share in row]
        marks.append(element("path", d=staircase(xs, heights, BOTTOM), class_=f"area {name}"))
    marks += limits_down(limits_of(record), scale)
    return Picture("Distribution", _in_words(record, histograms["raw"]), marks, _legend(histograms))


def growth_curve(record: Record) -> Picture | None:
    """Return latency by size on log scales, with the growth that is allowed; None of others."""
    growth = record.verdict.growth if record.verdict else None
    if growth is None or len(growth.curve) < 2:  # noqa: PLR2004 - a curve takes two points
        return None
    first_size, first_ns = growth.anchor
    last_size = growth.curve[-1][0]
    allowed_ns = round(first_ns * (last_size / first_size) ** growth.bound)
    latencies = [max(1, ns) for _, ns in growth.curve]
    scale = LogScale(*latency_range([*latencies, allowed_ns], ()), BOTTOM, TOP)
    across = LogScale(growth.curve[0][0], last_size, LEFT + _ROOM, RIGHT - _ROOM)
    points = [(across.at(size), scale.at(max(1, ns))) for size, ns in growth.curve]
    allowed = [
        (across.at(first_size), scale.at(first_ns)),
        (across.at(last_size), scale.at(allowed_ns)),
    ]
    marks: list[Element] = [
        *left_axis(scale.ticks()),
        *bottom_axis((across.at(size), f"{size}") for size, _ in growth.curve),
        polyline(points, "line raw"),
        *(element("circle", cx=x, cy=y, r=2.5, class_="point") for x, y in points),
        polyline(allowed, "line allowed"),
    ]
    legend = [("raw", "latency by size"), ("allowed", f"growth that {growth.at_most} allows")]
    return Picture("Growth", about_growth(growth), marks, legend)


def stages_of_call(record: Record, stages: Sequence[Record]) -> Picture | None:
    """Return when the stages of a call end, as bands on a log scale; None without stages.

    Args:
        record: of the whole calls.
        stages: of the stages of these calls.
    """
    rows = [row for row in (*stages, record) if row.n][-_MOST_ROWS:]
    if not stages or record not in rows:
        return None
    medians = [max(1, row.quantiles_ns[label(P50)]) for row in rows]
    tails = [max(1, row.quantiles_ns[label(P95)]) for row in rows]
    limits = [limit_ns for row in rows for limit_ns in _limit_values(row)]
    scale = LogScale(*latency_range([*medians, *tails], limits), LEFT, RIGHT)
    room = (BOTTOM - TOP) / len(rows)
    marks: list[Element] = [*bottom_axis(scale.ticks())]
    for at, (row, median_ns, tail_ns) in enumerate(zip(rows, medians, tails, strict=True)):
        top, bottom = TOP + at * room + _LINE, TOP + (at + 1) * room - 4
        middle, end = scale.at(median_ns), scale.at(tail_ns)
        marks.append(_box(LEFT, middle, top, bottom, "area raw"))
        marks.append(_box(middle, end, top, bottom, "band"))
        name = row.measurement.clock or _WHOLE
        figures = (
            f"{name}: p50 {format_duration(median_ns)}, {label(P95)} {format_duration(tail_ns)}"
        )
        marks.append(words(LEFT, top - 3, figures, anchor="start"))
        for part in limits_of(row):
            if scale.holds(part.limit.limit_ns):
                x = scale.at(part.limit.limit_ns)
                marks.append(element("path", d=f"M{x:g},{top:g}V{bottom:g}", class_="limit"))
    described = "; ".join(
        f"{row.measurement.clock or _WHOLE} p50 {format_duration(median_ns)}"
        for row, median_ns in zip(rows, medians, strict=True)
    )
    legend = [("raw", f"from the start of the call to p50, then to {label(P95)}")]
    return Picture("Stages of a call", f"{described}.", marks, legend)


def _box(left: float, right: float, top: float, bottom: float, class_: str) -> Element:
    path = f"M{left:g},{top:g}H{max(left, right):g}V{bottom:g}H{left:g}Z"
    return element("path", d=path, class_=class_)


def tail(record: Record, baseline: Record | None = None) -> Picture | None:
    """Return latency by percentile; each additional nine takes the same width."""
    histograms = _histograms(record, baseline)
    if not histograms:
        return None
    scale = _scale(record, histograms, BOTTOM, TOP)
    across = TailScale(histograms["raw"].n, LEFT, RIGHT)
    quantiles = across.quantiles(_POINTS)
    xs = [across.at(quantile) for quantile in quantiles]
    marks: list[Element] = [*left_axis(scale.ticks()), *bottom_axis(across.ticks())]
    for name, histogram in histograms.items():
        ys = (scale.at(_about(histogram, quantile)) for quantile in quantiles)
        marks.append(polyline(zip(xs, ys, strict=True), f"line {name}"))
    marks += limits_across(limits_of(record), scale)
    for part in limits_of(record):
        if part.limit.allowed and scale.holds(part.limit.limit_ns):
            x = across.at(float(part.limit.quantile))
            y = scale.at(part.limit.limit_ns)
            marks.append(element("circle", cx=x, cy=y, r=3.5, class_="limit-point"))
    return Picture("Tail", _tail_in_words(record), marks, _legend(histograms))


def over_time(record: Record) -> Picture | None:
    """Return the run over time: median to maximum of each interval, with disturbances."""
    course = record.timeline
    if course is None or not any(course.n):
        return None
    ends = zip(course.n, course.median_ns, course.max_ns, strict=True)
    latencies = [ns for n, *pair in ends if n for ns in pair]
    scale = LogScale(*latency_range(latencies, _limit_values(record)), BOTTOM, TOP)
    room = (RIGHT - LEFT) / len(course)
    marks: list[Element] = [*left_axis(scale.ticks()), *bottom_axis(_time_ticks(course))]
    marks += _stretches(course, scale, room)
    marks += limits_across(limits_of(record), scale, words_at=RIGHT)
    legend = [("span", "median to maximum of each interval")]
    legend += [_MACHINE] if any(course.excused) else []
    legend += [_COLLECTOR] if any(course.collected) else []
    return Picture("Run over time", _course_in_words(course), marks, legend)


def _stretches(course: Timeline, scale: LogScale, room: float) -> Iterator[Element]:
    """Yield one path for all marks of a kind: a page may contain hundreds of charts."""
    spans, middles, machine, collector = [], [], [], []
    for at in range(len(course)):
        if not course.n[at]:
            continue
        x = round(LEFT + (at + 0.5) * room, 1)
        low, high = scale.at(course.median_ns[at]), scale.at(course.max_ns[at])
        spans.append(f"M{x:g},{low:g}V{high:g}")
        middles.append(f"M{x:g},{low:g}h0")
        above = high - 4
        if course.excused[at]:
            machine.append(f"M{x - 3:g},{above:g}h6l-3,-6z")
            above -= 8
        if course.collected[at]:
            collector.append(f"M{x:g},{above:g}l3,-3l-3,-3l-3,3z")
    kinds = {"span": spans, "middle": middles, "machine": machine, "collector": collector}
    for class_, paths in kinds.items():
        if paths:
            yield element("path", d="".join(paths), class_=class_)


def _time_ticks(course: Timeline) -> list[tuple[float, str]]:
    total = len(course) * course.stretch_ns
    return [
        (LEFT + share * (RIGHT - LEFT), format_duration(int(share * total)) if share else "0")
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]


def _histograms(record: Record, baseline: Record | None) -> dict[str, Histogram]:
    """Return the histograms to draw by CSS class; empty if nothing was measured."""
    if record.histogram is None or not record.histogram.n:
        return {}
    histograms = {"raw": record.histogram}
    if record.attributed_histogram is not None:
        histograms["code"] = record.attributed_histogram
    if baseline is not None and baseline.histogram is not None and baseline.histogram.n:
        histograms["before"] = baseline.histogram
    return histograms


def _scale(record: Record, histograms: dict[str, Histogram], start: int, end: int) -> LogScale:
    ends = [end for histogram in histograms.values() for end in histogram.ends_ns]
    return LogScale(*latency_range(ends, _limit_values(record)), start, end)


def _about(histogram: Histogram, quantile: float) -> int:
    """Return an approximate quantile for drawing: rounding may select the next observation."""
    return middle(histogram.bucket_of_rank(max(1, ceil(quantile * histogram.n))))


def _limit_values(record: Record) -> list[int]:
    return [part.limit.limit_ns for part in limits_of(record)]


def _legend(histograms: dict[str, Histogram]) -> list[tuple[str, str]]:
    return [key for key in (_RAW, _CODE, _BEFORE) if key[0] in histograms]


def _in_words(record: Record, raw: Histogram) -> str:
    quantiles = ", ".join(
        f"{name} {format_duration(raw.quantile_ns(q))}"
        for name, q in (("median", P50), ("p95", P95), ("p99", P99))
    )
    lowest, highest = map(format_duration, raw.ends_ns)
    ends = f"{lowest} to {highest}"
    limits = ", ".join(map(limit_words, limits_of(record))) or "none"
    return f"{raw.n} raw latencies from {ends}: {quantiles}. Limits: {limits}."


def _tail_in_words(record: Record) -> str:
    quantiles = record.quantiles_ns.items()
    return f"Raw latency: {', '.join(f'{name} {format_duration(ns)}' for name, ns in quantiles)}."


def _course_in_words(course: Timeline) -> str:
    worst = max(range(len(course)), key=course.max_ns.__getitem__)
    return (
        f"{sum(course.n)} observations in {format_duration(len(course) * course.stretch_ns)}; "
        f"the largest, {format_duration(course.max_ns[worst])}, came "
        f"{format_duration(worst * course.stretch_ns)} after the start. "
        f"The machine delayed {sum(course.excused)}; "
        f"a garbage collection started during {sum(course.collected)}."
    )
