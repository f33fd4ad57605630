"""Shared by all charts: frame, axes, limits, and text for screen readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ...core.duration import format_exactly
from ...core.record import Record
from ...core.verdict import LimitVerdict
from .markup import Child, Element, element
from .scales import LogScale

WIDTH: Final = 360
HEIGHT: Final = 210
LEFT, RIGHT, TOP, BOTTOM = 46, 340, 22, 182
"""Edges of the plot inside the chart."""
BELOW_WORDS: Final = 46
"""Upper edge of a plot with the labels of its limits above it."""
_LINE: Final = 11


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart: what is drawn, and its description."""

    name: str
    description: str
    marks: Sequence[Child]
    legend: Sequence[tuple[str, str]]
    """CSS class of each mark, and its meaning."""


def figure(picture: Picture) -> Element:
    """Return the chart as a figure with its name above and its legend below."""
    drawing = element(
        "svg",
        element("title", picture.name),
        element("desc", picture.description),
        *picture.marks,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{picture.name}. {picture.description}",
    )
    keys = [
        element("li", element("span", class_=f"key {mark}", aria_hidden="true"), text)
        for mark, text in picture.legend
    ]
    return element(
        "figure",
        element("figcaption", picture.name),
        drawing,
        element("ul", *keys, class_="legend") if keys else None,
    )


def bottom_axis(ticks: Iterable[tuple[float, str]]) -> list[Element]:
    """Return a horizontal axis below the plot; overlapping labels are left out."""
    lines, texts = [f"M{LEFT},{BOTTOM}H{RIGHT}"], []
    free_from = 0.0
    for x, text in ticks:
        lines.append(f"M{x:g},{BOTTOM}v4")
        half = 3.2 * len(text)
        if x - half >= free_from:
            texts.append(words(x, BOTTOM + 16, text, anchor="middle"))
            free_from = x + half + 4
    return [element("path", d="".join(lines), class_="axis"), *texts]


def left_axis(ticks: Iterable[tuple[float, str]]) -> list[Element]:
    """Return a vertical axis with grid lines across the plot."""
    lines, texts = [], []
    for y, text in ticks:
        lines.append(f"M{LEFT},{y:g}H{RIGHT}")
        texts.append(words(LEFT - 5, y + 4, text, anchor="end"))
    return [
        element("path", d=f"M{LEFT},{TOP}V{BOTTOM}", class_="axis"),
        element("path", d="".join(lines), class_="grid"),
        *texts,
    ]


def limits_across(
    parts: Sequence[LimitVerdict], scale: LogScale, *, words_at: float = LEFT + 3
) -> list[Element]:
    """Return limits as horizontal lines with labels; distant limits are labelled at an edge."""
    marks = []
    anchor = "start" if words_at < RIGHT else "end"
    far = [part for part in parts if not scale.holds(part.limit.limit_ns)]
    free_up_to = float(BOTTOM)
    for part in parts:  # from the lowest line up: limits ascend
        if part in far:
            continue
        y = scale.at(part.limit.limit_ns)
        text_y = min(y - 3, free_up_to)
        free_up_to = text_y - _LINE
        marks.append(_line((LEFT, y), (RIGHT, y), "limit"))
        marks.append(
            words(words_at, text_y, limit_words(part), anchor=anchor, class_="limit-words")
        )
    return marks + _far_limits(far, scale, "↑", "↓")


def limits_down(parts: Sequence[LimitVerdict], scale: LogScale) -> list[Element]:
    """Return limits as vertical lines, with stacked labels above the plot."""
    marks = []
    far = [part for part in parts if not scale.holds(part.limit.limit_ns)]
    near = [part for part in parts if part not in far]
    for row, part in enumerate(near):
        x, y = scale.at(part.limit.limit_ns), 10 + row * _LINE
        marks.append(_line((x, y + 2), (x, BOTTOM), "limit"))
        anchor, dx = ("end", -3) if x > (LEFT + RIGHT) / 2 else ("start", 3)
        marks.append(words(x + dx, y + 4, limit_words(part), anchor=anchor, class_="limit-words"))
    return marks + _far_limits(far, scale, "→", "←", len(near))


def _far_limits(
    parts: Sequence[LimitVerdict], scale: LogScale, higher: str, lower: str, row: int = 0
) -> list[Element]:
    """Return labels of limits outside the chart, one line per side with an arrow."""
    sides = (
        (higher, [part for part in parts if part.limit.limit_ns > scale.high]),
        (lower, [part for part in parts if part.limit.limit_ns < scale.low]),
    )
    texts = [f"{', '.join(map(limit_words, side))} {arrow}" for arrow, side in sides if side]
    return [
        words(RIGHT, 14 + (row + at) * _LINE, text, anchor="end", class_="limit-words far")
        for at, text in enumerate(texts)
    ]


def limit_words(part: LimitVerdict) -> str:
    """Return the label of a limit: ``p99 ≤ 50 ms``."""
    return f"{part.limit.label} ≤ {format_exactly(part.limit.limit_ns)}"


def limits_of(record: Record) -> tuple[LimitVerdict, ...]:
    """Return the limits that a record was judged by."""
    return record.verdict.limits if record.verdict else ()


def words(x: float, y: float, text: str, *, anchor: str, class_: str | None = None) -> Element:
    """Return a text in the chart."""
    return element("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_)


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Element:
    """Return a line through points."""
    return element("polyline", points=" ".join(f"{x:g},{y:g}" for x, y in points), class_=class_)


def staircase(edges: Sequence[float], heights: Sequence[float], floor: float) -> str:
    """Return the outline of bars as path data."""
    steps = [f"M{edges[0]:g},{floor:g}"]
    for (_, right), height in zip(pairwise(edges), heights, strict=True):
        steps.append(f"V{height:g}H{right:g}")
    return "".join([*steps, f"V{floor:g}"])


def _line(start: tuple[float, float], end: tuple[float, float], class_: str) -> Element:
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", class_=class_)
