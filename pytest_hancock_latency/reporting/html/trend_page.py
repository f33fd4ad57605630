"""A history as a page: what changed lately, then a chart of each sample over the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ...core.duration import format_duration, format_exactly
from ...core.verdict import Outcome
from ...runs.trend import LABELS, SampleTrend, Trend, TrendChange, TrendPoint
from ..sessions import moment
from ..trend_report import CHANGED, heading_text, since_text
from ..wording import change_words
from .markup import Element, document, element
from .overview import badge
from .scales import LogScale, latency_range

_WIDTH, _HEIGHT = 480, 260
"""Narrow enough for a phone: a wider drawing would shrink its letters there."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 472, 26, 216
"""Edges of the plot inside the chart."""
_MARKS_Y: Final = 226
"""Height of the marks of verdicts, below the plot."""
_MARK: Final = {Outcome.EXCEEDED: "fail", Outcome.INCONCLUSIVE: "open"}
_MOST_DATES: Final = 4
_MOST_MOVES: Final = 12
"""More changes of the machine are short marks: lines would hide the latencies."""
_DENSE: Final = 120
"""With more runs, runs are closer than lines of usual width can show."""
_WORDS_WIDTH: Final = 60
_LEGEND: Final = (
    ("line-p50", "p50"),
    ("line-p95", "p95"),
    ("line-p99", "p99, each with its bounds at 95 % confidence"),
    ("change", "change of the median"),
    ("machine-change", "another kind of machine"),
    *((name, str(outcome)) for outcome, name in _MARK.items()),
)


def trend_html(trend: Trend, last: int) -> str:
    """Render the history as one HTML document that needs nothing else.

    Args:
        last: number of runs in which changes are listed.
    """
    changed = trend.changed_since(trend.runs - last)
    ranks = {sample.title: at for at, (sample, _) in reversed([*enumerate(changed)])}
    ordered = sorted(trend.samples, key=lambda sample: ranks.get(sample.title, len(changed)))
    places = {sample.title: f"trend-{at}" for at, sample in enumerate(ordered)}
    return document(
        f"Latency trend: {heading_text(trend, last)}",
        element(
            "header",
            element("h1", "Latency trend"),
            element("p", heading_text(trend, last)),
            *(element("p", f"Note: {note}", class_="note") for note in trend.notes),
        ),
        element(
            "main",
            _changes(trend, last, places) if changed else None,
            _legend(),
            element(
                "div",
                *(_section(trend, sample, places[sample.title]) for sample in ordered),
                id="samples",
                class_="trends",
                tabindex="-1",
            ),
        ),
    )


def _changes(trend: Trend, last: int, places: dict[str, str]) -> Element:
    rows = [
        element(
            "tr",
            element("th", element("a", sample.label, href=f"#{places[sample.title]}"), scope="row"),
            element("td", change_words(change.ratio), class_="number"),
            element("td", format_duration(round(change.point.before)), class_="number"),
            element("td", format_duration(round(change.point.after)), class_="number"),
            element("td", change.commits or "unknown"),
            element("td", since_text(trend, change)),
        )
        for sample, change in trend.changed_since(trend.runs - last)
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", "Changes of the median, without the time that the machine took"),
            element("thead", element("tr", *(element("th", h, scope="col") for h in CHANGED))),
            element("tbody", *rows),
            id="overview",
        ),
        class_="scroll",
    )


def _legend() -> Element:
    keys = (
        element("li", element("span", class_=f"key {name}", aria_hidden="true"), text)
        for name, text in _LEGEND
    )
    return element("ul", *keys, class_="legend in-a-row")


def _section(trend: Trend, sample: SampleTrend, place: str) -> Element:
    latest = sample.latest
    limits = ", ".join(
        f"{label} {format_exactly(limit)}" for label, limit in latest.limits_ns.items()
    )
    return element(
        "section",
        element("h2", sample.label),
        " ",
        badge(latest.outcome),
        element("p", f"{len(sample.points)} runs, limits: {limits or 'none'}", class_="note"),
        *(element("p", _change_text(trend, change)) for change in sample.changes),
        _chart(trend, sample),
        id=place,
        class_="trend",
    )


def _change_text(trend: Trend, change: TrendChange) -> str:
    parts = (change_words(change.ratio), since_text(trend, change), change.commits)
    return ", ".join(filter(None, parts))


def _chart(trend: Trend, sample: SampleTrend) -> Element:
    points = sample.points
    latencies = [
        ns
        for point in points
        for label in LABELS
        for ns in (point.quantiles_ns.get(label), *point.bounds_ns.get(label, ()))
        if ns
    ]
    limits = sample.latest.limits_ns
    scale = LogScale(*latency_range(latencies or [1], limits.values()), _BOTTOM, _TOP)
    marks: list[Element] = [*_axes(trend, scale)]
    for label in LABELS:
        marks += _quantile(trend, points, label, scale)
    for label, limit_ns in limits.items():
        if scale.holds(limit_ns):
            y = scale.at(limit_ns)
            marks.append(_line((_LEFT, y), (_RIGHT, y), "limit"))
            text = f"{label} ≤ {format_exactly(limit_ns)}"
            # On the left: what changed lately is marked on the right.
            marks.append(_words(_LEFT + 3, y - 3, text, "start", "limit-words"))
    marks += _vertical_marks(trend, sample)
    marks += _verdicts(trend, points)
    title = f"{sample.label}: latency over {len(points)} runs"
    return element(
        "svg",
        element("title", title),
        *marks,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=title,
        class_="dense" if trend.runs > _DENSE else None,
    )


def _x(trend: Trend, run: int) -> float:
    return round(_LEFT + (run + 0.5) * (_RIGHT - _LEFT) / max(1, trend.runs), 1)


def _axes(trend: Trend, scale: LogScale) -> Iterator[Element]:
    ticks = scale.ticks()
    grid = "".join(f"M{_LEFT},{y:g}H{_RIGHT}" for y, _ in ticks)
    yield element("path", d=f"M{_LEFT},{_TOP}V{_BOTTOM}H{_RIGHT}", class_="axis")
    yield element("path", d=grid, class_="grid")
    for y, text in ticks:
        yield _words(_LEFT - 5, y + 4, text, "end")
    step = max(1, -(-trend.runs // _MOST_DATES))
    for run in range(0, trend.runs, step):
        day = (moment(trend.sessions[run].get("started_unix_s")) or "").partition(" ")[0]
        yield _words(_x(trend, run), _HEIGHT - 8, day or f"run {run + 1}", "middle")


def _quantile(
    trend: Trend, points: Sequence[TrendPoint], label: str, scale: LogScale
) -> Iterator[Element]:
    known_points = [point for point in points if point.quantiles_ns.get(label)]
    if not known_points:
        return
    upper, lower = [], []
    for point in known_points:
        low, high = point.bounds_ns.get(label, (None, None))
        ns, x = point.quantiles_ns[label], _x(trend, point.run)
        upper.append(f"{x:g},{scale.at(high or ns):g}")
        lower.append(f"{x:g},{scale.at(low or ns):g}")
    yield element("polygon", points=" ".join([*upper, *reversed(lower)]), class_=f"band-{label}")
    xy = " ".join(f"{_x(trend, p.run):g},{scale.at(p.quantiles_ns[label]):g}" for p in known_points)
    yield element("polyline", points=xy, class_=f"line-{label}")
    if len(known_points) == 1:
        yield element(
            "circle",
            cx=_x(trend, known_points[0].run),
            cy=scale.at(known_points[0].quantiles_ns[label]),
            r=3,
            class_=f"dot-{label}",
        )


def _vertical_marks(trend: Trend, sample: SampleTrend) -> Iterator[Element]:
    half = (_RIGHT - _LEFT) / max(1, trend.runs) / 2
    neighbours = zip(sample.points, sample.points[1:], strict=False)
    moves = [after for before, after in neighbours if before.machine != after.machine]
    lower = _BOTTOM if len(moves) <= _MOST_MOVES else _TOP + 8
    for after in moves:
        x = _x(trend, after.run) - half
        mark = _line((x, _TOP), (x, lower), "machine-change")
        mark.append(element("title", f"now on {after.machine or 'an unknown machine'}"))
        yield mark
    free_from = 0.0
    for change in sample.changes:
        x = _x(trend, change.after.run) - half
        mark = _line((x, _TOP - 4), (x, _BOTTOM), "change")
        mark.append(element("title", f"{change_words(change.ratio)} {change.commits}".strip()))
        yield mark
        if x >= free_from:  # a change on two kinds of machines is two changes
            yield _words(x, _TOP - 8, change_words(change.ratio), "middle", "change-words")
            free_from = x + _WORDS_WIDTH


def _verdicts(trend: Trend, points: Sequence[TrendPoint]) -> Iterator[Element]:
    for point in points:
        if mark := _MARK.get(point.outcome):
            x = _x(trend, point.run)
            title = element("title", f"run {point.run + 1}: {point.outcome}")
            yield element("circle", title, cx=f"{x:g}", cy=_MARKS_Y, r=3, class_=mark)


def _line(start: tuple[float, float], end: tuple[float, float], class_: str) -> Element:
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", class_=class_)


def _words(x: float, y: float, text: str, anchor: str, class_: str | None = None) -> Element:
    return element("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_)
