"""The section of a sample: verdict in words, charts, numbers and slowest observations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...core.duration import format_duration, format_exactly
from ...core.record import Record
from ...core.sample import GROWTH, REPEATED_BURSTS, Slow
from ...core.verdict import LimitVerdict
from ...judging.noticing import Noticed
from ..advice import advice_text
from ..sensitivity import change_noticed
from ..wording import causes_text, explain
from .canvas import figure, limits_of
from .charts import distribution, growth_curve, over_time, stages_of_call, tail
from .markup import Child, Element, element
from .overview import badge, small_print

_LOOPS = {
    "closed": "closed loop",
    "open": "open loop, measured from the intended starts",
    "burst": "burst",
    GROWTH: "sizes in turns; the sample is of the largest",
    REPEATED_BURSTS: "repeated burst, without the time between the bursts",
}


def sample_section(  # noqa: PLR0913 - a sample, and what belongs to it
    record: Record,
    anchor: str,
    baseline: Record | None,
    noticed: Sequence[Noticed] = (),
    stages: Sequence[Record] = (),
    *,
    is_open: bool,
) -> Element:
    """Return the section of a sample.

    Args:
        noticed: what its limits would notice.
        stages: samples of stages of its calls.
        is_open: whether it is expanded at first.
    """
    baseline = None if record.is_of_growth else baseline
    pictures = (
        growth_curve(record),
        stages_of_call(record, stages),
        distribution(record, baseline),
        tail(record, baseline),
        over_time(record),
    )
    figures = [figure(picture) for picture in pictures if picture]
    test = small_print(record.small_print)
    return element(
        "details",
        element("summary", element("h2", badge(record.outcome), " ", record.label, test)),
        element("ul", *(element("li", line) for line in explain(record)), class_="evidence"),
        element("p", " · ".join(_circumstances(record)), class_="note"),
        element("div", *figures, class_="figures") if figures else None,
        _quantiles(record, baseline, noticed) if record.n else None,
        _slowest(record.measurement.slowest),
        _advice(record),
        id=anchor,
        open="open" if is_open else None,
    )


def _circumstances(record: Record) -> Iterator[str]:
    measured = record.measurement
    yield _LOOPS.get(measured.loop, measured.loop)
    yield f"{record.n} observations in {format_duration(measured.elapsed_ns)}"
    if record.failures:
        kinds = ", ".join(f"{kind} ×{count}" for kind, count in record.failures.items())
        yield f"failures: {kinds}"
    if measured.send_lag_ns is not None:
        yield f"p99 send lag {format_duration(measured.send_lag_ns)}"
    if measured.why_no_bracket:
        yield f"no attribution: {measured.why_no_bracket}"
    if measured.followed:
        yield f"attribution includes waits of {_listed(measured.followed)}"
    if record.attempt > 1:
        yield f"attempt {record.attempt}, combined"
    if record.workers > 1:
        yield _neighbours(record)


def _neighbours(record: Record) -> str:
    measured = record.measurement
    if not measured.alone:
        return f"{record.workers} workers ran in parallel"
    others = record.workers - 1
    return (
        f"alone, while {others} other worker{'s' if others > 1 else ''} waited; it had waited "
        f"{format_duration(measured.waited_ns or 0)} for them"
    )


def _listed(words: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, or ``a, b and c``."""
    *first_words, last_word = words
    return f"{', '.join(first_words)} and {last_word}" if first_words else last_word


def _quantiles(record: Record, baseline: Record | None, noticed: Sequence[Noticed]) -> Element:
    parts = {part.limit.label: part for part in limits_of(record)}
    notices = {limit.part.limit.label: change_noticed(limit.slowdown) for limit in noticed}
    headings = ["percentile", "raw", "attributed", "between", "limit", "over limit", "verdict"]
    headings += ["notices from"] if notices else []
    headings += ["baseline"] if baseline else []
    body = []
    for name, ns in record.quantiles_ns.items():
        earlier = baseline.quantiles_ns.get(name) if baseline else None
        cells = [*_quantile_cells(record, name, ns), *_limit_cells(parts.get(name))]
        cells += [notices.get(name, "–")] if notices else []
        cells += [format_duration(earlier) if earlier else "–"] if baseline else []
        body.append(_row(name, cells))
    return _table("Quantiles, with bounds at 95 % confidence each", headings, body)


def _quantile_cells(record: Record, name: str, ns: int) -> list[str]:
    low, high = record.bounds_ns.get(name, (None, None))
    ends = [format_duration(end) if end is not None else "?" for end in (low, high)]
    is_attributed = record.measurement.bracket or record.attributed_histogram is not None
    attributed = record.attributed_quantiles_ns.get(name) if is_attributed else None
    return [
        format_duration(ns),
        format_duration(attributed) if attributed is not None else "–",
        " – ".join(ends) if (low, high) != (None, None) else "–",
    ]


def _limit_cells(part: LimitVerdict | None) -> list[Child]:
    if part is None:
        return ["–", "–", "–"]
    over = f"{part.over} of {part.n}"
    excused = f" ({part.excused} excused)" if part.excused else ""
    return [format_exactly(part.limit.limit_ns), over + excused, badge(part.outcome)]


def _slowest(slowest: tuple[Slow, ...]) -> Element | None:
    if not slowest:
        return None
    body = [
        _row(
            format_duration(slow.wall_ns),
            [
                format_duration(slow.attributed_ns),
                f"no. {slow.position + 1}",
                format_duration(slow.start_ns),
                causes_text(slow),
            ],
        )
        for slow in slowest
    ]
    headings = ["raw", "attributed", "observation", "after", "cause"]
    return _table("The slowest observations", headings, body)


def _advice(record: Record) -> Element | None:
    texts = [
        element("li", f"advice: {advice_text(advice)}") for advice in record.measurement.advice
    ]
    return element("ul", *texts, class_="advice") if texts else None


def _row(name: str, cells: list[Child] | list[str]) -> Element:
    return element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))


def _table(caption: str, headings: list[str], body: list[Element]) -> Element:
    head = element("tr", *(element("th", text, scope="col") for text in headings))
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", head),
            element("tbody", *body),
        ),
        class_="scroll",
        tabindex="0",
        role="group",
        aria_label=caption,
    )
