"""The table of all samples; its columns are sortable, and its rows link to the samples."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Final

from ...core.duration import format_ms
from ...core.record import Record
from ...core.verdict import Outcome
from ...judging.noticing import MOST_TIMES, Noticed, least_slowdown
from ...runs.baseline import median_change
from ..sensitivity import change_noticed
from ..table import HEADINGS, NUMBERS, PERCENTILES, UNIT_NOTE, Row, natural, route_note, rows
from ..wording import SIGNS
from .markup import Child, Element, element

_HEADINGS: Final = [
    (HEADINGS[0], False),
    (HEADINGS[-1], False),  # next to the name, visible on a phone without scrolling
    *((text, at in NUMBERS) for at, text in enumerate(HEADINGS[:-1]) if at),
    ("notices from", True),
]


def by_weight(records: Sequence[Record], slower: Container[str] = ()) -> list[Record]:
    """Sort records: exceeded first, then inconclusive; among equals, slower ones first.

    Args:
        slower: titles of the samples that are slower than the baseline.
    """

    def weight(record: Record) -> tuple[Any, ...]:
        is_slower = record.title in slower
        return record.outcome.rank, not is_slower, natural(record.label), record.title

    return sorted(records, key=weight)


def anchor(at: int) -> str:
    """Return the id of a sample's section."""
    return f"sample-{at + 1}"


def small_print(test: str) -> Element | None:
    """Return the test of a sample that has the name of its budget."""
    return element("small", test) if test else None


def overview(
    records: Sequence[Record],
    noticed: Sequence[Sequence[Noticed]],
    baseline: Sequence[Record | None] | None,
    slower: Container[str] = (),
) -> Element:
    """Return the table.

    Args:
        records: in the order of their sections.
        noticed: for each record what its limits would notice.
        baseline: for each record the earlier one, if any; None without a baseline.
        slower: titles of samples that are slower than the baseline.
    """
    headings = _HEADINGS if baseline is None else [*_HEADINGS, ("median before", True)]
    earlier = baseline or [None] * len(records)
    head = element("tr", *(_heading(at, *heading) for at, heading in enumerate(headings)))
    lines = enumerate(zip(records, rows(records), noticed, earlier, strict=True))
    body = [
        element(
            "tr",
            *_cells(at, record, row, slower=record.title in slower),
            _notices(limits),
            None if baseline is None else _before(record, before),
            class_=_class(record.outcome),
            data_outcome=record.outcome,
        )
        for at, (record, row, limits, before) in lines
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", f"All samples ({UNIT_NOTE})"),
            element("thead", head),
            element("tbody", *body),
            id="overview",
        ),
        class_="scroll",
        tabindex="0",
        role="group",
        aria_label="Overview of all samples",
    )


def badge(outcome: Outcome) -> Element:
    """Return the outcome as a sign and a word, so that it does not depend on colour."""
    return element(
        "span",
        element("span", SIGNS[outcome], aria_hidden="true"),
        f" {outcome}",
        class_=f"badge {_class(outcome)}",
    )


def _class(outcome: Outcome) -> str:
    return f"is-{outcome.replace(' ', '-')}"


def _heading(at: int, text: str, number: bool) -> Element:
    button = element("button", text, type="button", data_column=at)
    return element("th", button, scope="col", class_="number" if number else None)


def _cells(at: int, record: Record, row: Row, *, slower: bool) -> list[Element]:
    link = element("a", row.sample, href=f"#{anchor(at)}")
    name = element("th", link, small_print(row.small_print), scope="row")
    numbers = [element("td", row.n, class_="number", data_value=record.n)]
    for percentile, text in zip(PERCENTILES, row.quantiles, strict=True):
        ns = record.quantiles_ns.get(percentile, -1)
        numbers.append(element("td", text, class_="number", data_value=ns))
    limits = record.verdict.limits if record.verdict else ()
    limit_ns = limits[0].limit.limit_ns if limits else -1
    return [
        name,
        element("td", *_verdict(record, slower=slower), data_value=record.outcome.rank),
        *numbers,
        element("td", row.limits, data_value=limit_ns),
    ]


def _notices(limits: Sequence[Noticed]) -> Element:
    """Return by how much all calls would have to be slower for the gate to fail."""
    if not limits:
        return element("td", "–", class_="number", data_value=0)
    slowdown = least_slowdown(limits)
    text = change_noticed(slowdown)
    value = MOST_TIMES if slowdown is None else 1 + slowdown
    return element("td", text, class_="number", data_value=f"{value:.3f}")


def _verdict(record: Record, *, slower: bool) -> list[Child]:
    mark = [element("span", "▲ slower", class_="badge is-inconclusive")] if slower else []
    return [badge(record.outcome), f" {_limit(record)} ", *mark]


def _limit(record: Record) -> str:
    """Return the limit that decided the verdict, or the route to it, if worth naming."""
    part = record.verdict.decisive if record.verdict else None
    return part.limit.label if part and record.outcome.needs_attention else route_note(record)


def _before(record: Record, earlier: Record | None) -> Element:
    """Return the baseline's median and its change, from attributed latency."""
    change = median_change(earlier, record) if earlier else None
    if change is None:
        return element("td", "–", class_="number", data_value=0)
    text = f"{change.percent:+d} %" if change.percent else "unchanged"
    text = f"{format_ms(change.before_ns)} ({text})"
    return element("td", text, class_="number", data_value=change.percent)
