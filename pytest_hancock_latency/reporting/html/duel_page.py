"""A duel as a page: the table with the worst sample first, and each pass of a sample as a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, isfinite, log, log1p
from typing import Any, Final

from ...core.duration import format_duration
from ...runs.duel import Duel, DueledSample, DuelOutcome
from ..duel_report import (
    conclusion,
    confidence_words,
    interval_words,
    meanings,
    notes,
    outcome_words,
)
from ..wording import change_words
from .canvas import BOTTOM, LEFT, RIGHT, TOP, Picture, bottom_axis, figure, left_axis, words
from .facts import facts
from .markup import Element, document, element

_CLASS: Final = {
    DuelOutcome.SLOWER: "is-exceeded",
    DuelOutcome.INCONCLUSIVE: "is-inconclusive",
    DuelOutcome.NOT_SLOWER: "is-within",
    DuelOutcome.FASTER: "is-within",
}
_HEADINGS: Final = ("sample", "base", "head", "change", "interval", "passes", "verdict")
_NUMBERS: Final = frozenset({"base", "head", "change", "interval", "passes"})
_LEAST_REACH: Final = 0.06
"""A picture shows at least 6 % on either side: both margins, with room."""
_ROOM: Final = 1.05
"""Points stay inside the plot by a little."""
_CHANGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0, 9.0)
"""Round sizes of a change."""
_LINE: Final = 13
"""Height of a line of text."""
_RADIUS: Final = 3


def duel_html(duel: Duel, session: Mapping[str, Any]) -> str:
    """Render a duel as one HTML document that needs no other files.

    Args:
        duel: The duel.
        session: Tool, start, machine, commit and CI run.
    """
    samples = duel.worst_first
    return document(
        f"Latency duel: {conclusion(duel)}",
        _header(duel, session),
        element(
            "main",
            element("div", _table(samples), class_="scroll"),
            element(
                "div",
                *(_section(sample, at) for at, sample in enumerate(samples)),
                id="samples",
                class_="duels",
                tabindex="-1",
            ),
            _left_out(duel),
        ),
    )


def _header(duel: Duel, session: Mapping[str, Any]) -> Element:
    pairs = [
        ("base", duel.base),
        ("head", duel.head),
        ("passes", f"{duel.passes} in {duel.elapsed_s:.0f} s"),
        *((str(outcome), meaning) for outcome, meaning in meanings(duel)),
        *facts(session),
        *(("note", text) for text in notes(duel)),
    ]
    badges = [
        element("li", element("strong", str(count)), " ", _badge(outcome, str(outcome)))
        for outcome in DuelOutcome
        if (count := duel.count(outcome))
    ]
    return element(
        "header",
        element("h1", "Latency of head compared with base"),
        element("ul", *badges, class_="counts"),
        element("dl", *(p for n, t in pairs for p in (element("dt", n), element("dd", t)))),
    )


def _badge(outcome: DuelOutcome, text: str) -> Element:
    return element("span", text, class_=f"badge {_CLASS[outcome]}")


def _table(samples: Sequence[DueledSample]) -> Element:
    headings = [
        element("th", name, scope="col", class_="number" if name in _NUMBERS else None)
        for name in _HEADINGS
    ]
    return element(
        "table",
        element("caption", "Medians over the passes, without the time that the machine took"),
        element("thead", element("tr", *headings)),
        element("tbody", *(_row(sample, at) for at, sample in enumerate(samples))),
        id="overview",
    )


def _row(sample: DueledSample, at: int) -> Element:
    verdict = sample.verdict
    numbers = (
        format_duration(round(sample.base_ns)),
        format_duration(round(sample.head_ns)),
        change_words(verdict.ratio),
        interval_words(verdict),
        str(verdict.passes),
    )
    return element(
        "tr",
        element("th", element("a", sample.title, href=f"#duel-{at}"), scope="row"),
        *(element("td", text, class_="number") for text in numbers),
        element("td", _badge(verdict.outcome, outcome_words(sample))),
    )


def _section(sample: DueledSample, at: int) -> Element:
    return element(
        "section",
        element("h2", sample.title),
        " ",
        _badge(sample.verdict.outcome, outcome_words(sample)),
        figure(_picture(sample)),
        id=f"duel-{at}",
    )


def _picture(sample: DueledSample) -> Picture:
    """Each pass as a point, from left to right; the interval as a band, the margins as lines."""
    verdict, rule, values = sample.verdict, sample.rule, sample.log_ratios
    reach = max(_LEAST_REACH, *(abs(value) * _ROOM for value in values))
    middle, half = (TOP + BOTTOM) / 2, (BOTTOM - TOP) / 2

    def height(log_ratio: float) -> float:
        return middle - max(-1.0, min(1.0, log_ratio / reach)) * half

    def across(number: int) -> float:
        return LEFT + (number + 0.5) * (RIGHT - LEFT) / max(1, len(values))

    marks: list[Element] = []
    if isfinite(verdict.high):
        low, high = (log(edge) if edge else -reach for edge in (verdict.low, verdict.high))
        marks.append(_band(height(high), height(low)))
    marks += left_axis(_ticks(height, reach))
    marks += bottom_axis([(across(at), str(at + 1)) for at in range(len(values))])
    marks.append(_level(middle, "axis"))
    for margin, text, below in (
        (rule.slower_above, "slower", False),
        (rule.faster_below, "faster", True),
    ):
        y = height(margin)
        marks.append(_level(y, "limit"))
        text_y = y + 11 if below else y - 3
        marks.append(words(RIGHT, text_y, text, anchor="end", class_="limit-words"))
    for number, value in enumerate(values):
        is_counted = number < verdict.passes
        note = "" if is_counted else ", not counted"
        marks.append(
            element(
                "circle",
                element("title", f"pass {number + 1}: {change_words(exp(value))}{note}"),
                cx=f"{across(number):g}",
                cy=f"{height(value):g}",
                r=_RADIUS,
                class_="pass" if is_counted else "pass late",
            )
        )
    description = (
        f"{len(values)} passes; change {change_words(verdict.ratio)}, "
        f"interval {interval_words(verdict)}"
    )
    legend = [("dot", "change of the latency in a pass")]
    if isfinite(verdict.high):
        legend.append(("band", f"interval of the change, {confidence_words(sample)}"))
    return Picture("change by pass", description, marks, legend)


def _band(top: float, bottom: float) -> Element:
    return element(
        "rect",
        x=LEFT,
        y=f"{top:g}",
        width=RIGHT - LEFT,
        height=f"{bottom - top:g}",
        class_="band",
    )


def _ticks(height: Callable[[float], float], reach: float) -> list[tuple[float, str]]:
    """Return round changes, from zero outwards, without those that would touch another one."""
    ticks: list[tuple[float, str]] = []
    for change in sorted((sign * size for size in _CHANGES for sign in (1, -1)), key=abs):
        if change <= -1 or abs(log1p(change)) > reach:
            continue
        y = height(log1p(change))
        if all(abs(y - drawn_y) >= _LINE for drawn_y, _ in ticks):
            ticks.append((y, f"{100 * change:+.0f} %" if change else "0"))
    return ticks


def _level(y: float, class_: str) -> Element:
    return element("line", x1=LEFT, y1=f"{y:g}", x2=RIGHT, y2=f"{y:g}", class_=class_)


def _left_out(duel: Duel) -> Element | None:
    if not duel.left_out:
        return None
    items = [element("li", f"{title}: {why}") for title, why in duel.left_out.items()]
    return element("section", element("h2", "Not compared"), element("ul", *items))
