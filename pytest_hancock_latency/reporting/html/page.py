"""The whole page: facts about the session, the overview, and all samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...core.record import Artifact, Record, counterparts
from ...core.sample import name_of_whole
from ...core.verdict import WORST_FIRST
from ...judging.noticing import noticed_by
from ...runs.baseline import judged_change, other_machine
from ..table import count_line
from .facts import facts, facts_of_baseline
from .markup import Element, document, element, packaged
from .overview import anchor, badge, by_weight, overview
from .sample_section import sample_section

_OPEN_AT_MOST: Final = 12
"""If there are more samples, those that are within are collapsed at first."""
SAMPLES_AT_MOST: Final = 2_000
"""Samples on the page. It has 9 kB for each, and 12 000 of them take a browser half a minute."""


def report_html(
    records: Sequence[Record],
    session: Mapping[str, Any] | None = None,
    baseline: Artifact | None = None,
) -> str:
    """Render the report as one self-contained HTML document.

    Args:
        session: facts about the session from the artifact.
        baseline: an earlier artifact, whose samples are shown next to their counterparts.
    """
    slower = _slower(records, session or {}, baseline) if baseline else frozenset()
    ordered = by_weight(records, slower)[:SAMPLES_AT_MOST]
    earlier = counterparts(ordered, baseline.records) if baseline else None
    stages = _stages(records)
    noticed = [noticed_by(record, len(records)) for record in ordered]
    sections = [
        sample_section(
            record,
            anchor(at),
            earlier[at] if earlier else None,
            noticed[at],
            stages.get((record.test, record.name), ()),
            is_open=len(ordered) <= _OPEN_AT_MOST or record.outcome.needs_attention,
        )
        for at, record in enumerate(ordered)
    ]
    return document(
        f"Latency budgets: {count_line(records) or 'no samples'}",
        _header(records, session or {}, baseline.session if baseline else {}),
        element(
            "main",
            _left_out(len(ordered), len(records)),
            _finder(ordered) if len(ordered) > _OPEN_AT_MOST else None,
            overview(ordered, noticed, earlier, slower) if ordered else None,
            element("div", *sections, id="samples", tabindex="-1"),
        ),
        element("script", packaged("script.js")),
    )


def _stages(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Return the samples of stages by the test and name of the sample of their calls."""
    stages: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if clock := record.measurement.clock:
            whole = record.test, name_of_whole(record.name, clock)
            stages.setdefault(whole, []).append(record)
    return stages


def _slower(
    records: Sequence[Record], session: Mapping[str, Any], baseline: Artifact
) -> frozenset[str]:
    """Return the titles of samples that are shown to be slower, on the same kind of machine."""
    if other_machine(session, baseline.session):
        return frozenset()
    matches = zip(records, counterparts(records, baseline.records), strict=True)
    return frozenset(
        record.title
        for record, before in matches
        if before and judged_change(before, record, compared=len(records)).slower
    )


def _header(
    records: Sequence[Record], session: Mapping[str, Any], before: Mapping[str, Any]
) -> Element:
    outcomes = [record.outcome for record in records]
    counts = {outcome: outcomes.count(outcome) for outcome in WORST_FIRST}
    badges = [
        element("li", element("strong", str(count)), " ", badge(outcome))
        for outcome, count in counts.items()
        if count
    ]
    session_facts = [
        part
        for name, text in (*facts(session), *facts_of_baseline(session, before))
        for part in (element("dt", name), element("dd", text))
    ]
    return element(
        "header",
        element("h1", "Latency budgets"),
        element("ul", *badges, class_="counts") if badges else element("p", "no samples"),
        element("dl", *session_facts) if session_facts else None,
    )


def _left_out(shown: int, total: int) -> Element | None:
    if shown == total:
        return None
    return element(
        "p",
        f"{shown} of {total} samples, those that are not within first; the JSON artifact has all.",
    )


def _finder(records: Sequence[Record]) -> Element:
    present = {record.outcome for record in records}
    outcomes = [outcome for outcome in WORST_FIRST if outcome in present]
    options = [element("option", "all", value="")]
    options += [element("option", outcome, value=outcome) for outcome in outcomes]
    return element(
        "p",
        element("label", "Find a sample ", element("input", type="search", id="finder")),
        element("label", " Verdict ", element("select", *options, id="verdict")),
        element("span", "", id="found", role="status"),
        class_="finder",
    )
