"""The HTML report: complete, self-contained, and safe whatever a test is called."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html
from lxml.html import HtmlElement

from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.core.record import Artifact, Record
from pytest_hancock_latency.reporting.html import report_html
from pytest_hancock_latency.reporting.wording import printable

from ..cli import making
from . import gold


def page(records: list[Record] | None = None, baseline: Artifact | None = None) -> HtmlElement:
    shown = list(gold.artifact().records) if records is None else records
    return html.document_fromstring(
        report_html(shown, gold.artifact().session, baseline).encode("utf-8")
    )


def texts(root: HtmlElement, css_path: str) -> list[str]:
    return [" ".join(found.text_content().split()) for found in root.cssselect(css_path)]


def test_the_head_line_counts_the_outcomes() -> None:
    assert texts(page(), ".counts li") == ["1 ✗ exceeded", "1 ? inconclusive", "2 ✓ within"]


def test_of_very_many_samples_it_has_the_worst_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_hancock_latency.reporting.html.page.SAMPLES_AT_MOST", 2)
    root = page()
    assert texts(root, "main > p")[0] == (
        "2 of 4 samples, those that are not within first; the JSON artifact has all."
    )
    assert texts(root, ".counts li") == ["1 ✗ exceeded", "1 ? inconclusive", "2 ✓ within"]
    assert len(root.cssselect("#overview tbody tr")) == len(root.cssselect("#samples > *")) == 2


def test_it_says_what_was_measured_where_and_when() -> None:
    assert dict(zip(texts(page(), "dt"), texts(page(), "dd"), strict=True)) == {
        "measured": "2026-01-01 00:00:00 UTC",
        "commit": "0123456789ab on main",
        "run": "github https://github.example/org/project/actions/runs/42",
        "machine": "CPU of a gold file, 2 cores, 23.5 GiB, Python 3.11.7, Linux 6.1.0, "
        "load 0.1 at the start",
        "profile": "ci: not met",
    }


def test_the_overview_has_what_exceeded_first_and_leads_to_it() -> None:
    rows = page().cssselect("#overview tbody tr")
    names = [row.cssselect("a")[0].text_content() for row in rows]
    assert names == [
        "tests/test_demo.py::test_code_became_slow",
        "tests/test_demo.py::test_compute",
        "tests/test_demo.py::test_health",
        "tests/test_demo.py::test_within_near",
    ]
    for row in rows:
        (section,) = page().cssselect(row.cssselect("a")[0].get("href"))
        assert row.cssselect("a")[0].text_content() in section.text_content()


def test_the_evidence_is_told_in_words() -> None:
    evidence = texts(page(), "#sample-2 .evidence li")
    assert len(evidence) == 2
    pattern = r"inconclusive p9\d \(machine\): \d+ of \d+ over \d+ ms, .*because of the machine"
    assert all(re.fullmatch(pattern, line) for line in evidence)


def test_every_sample_has_three_charts_with_descriptions() -> None:
    for number in range(1, 5):
        pictures = page().cssselect(f"#sample-{number} svg")
        assert texts(page(), f"#sample-{number} figcaption") == [
            "Distribution",
            "Tail",
            "Run over time",
        ]
        assert all(len(picture.get("aria-label")) > 60 for picture in pictures)


def test_a_preempted_interval_is_marked() -> None:
    assert page().cssselect("#sample-2 svg path.machine")


def test_the_slowest_observations_say_what_happened() -> None:
    rows = page().cssselect("#sample-2 table")[-1].cssselect("tbody tr")
    assert {row.cssselect("td")[-1].text_content() for row in rows} == {"preempted"}


def test_nothing_is_loaded_from_anywhere() -> None:
    root = page()
    assert not root.cssselect("[src], link, iframe, img, object, embed")
    targets = {a.get("href") for a in root.cssselect("a")}
    assert all(target.startswith("#") for target in targets)
    assert "url(" not in report_html(gold.artifact().records)
    assert "@import" not in report_html(gold.artifact().records)


NASTY = [
    "test_it.py::test[<script>alert(1)</script>]",
    'test_it.py::test["><img src=x onerror=alert(1)>]',
    "test_it.py::test[\x00\x1b[31m\ud800]",
    "test_it.py::test[]]></style></title>&amp;]",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_test_may_be_called_anything(name: str) -> None:
    record = replace(gold.record("health"), test=name, name="</script>")
    root = page([record])
    assert len(root.cssselect("script")) == 1
    assert not root.cssselect("img")
    assert texts(root, "#overview a") == [f"{printable(name)} [</script>]"]


def test_without_histograms_there_are_numbers_and_no_charts() -> None:
    early = [
        replace(r, histogram=None, attributed_histogram=None, timeline=None, bounds_ns={})
        for r in gold.artifact().records
    ]
    root = page(early)
    assert not root.cssselect("svg")
    assert len(root.cssselect("#overview tbody tr")) == 4


ODD = st.sampled_from(
    [None, True, -1, 0, 1e300, "", "text", "\x00", [], [None], [{}], [{"id": 1}], {}, {"id": None}]
)
FACTS = ("started_unix_s", "commit", "ci", "machine", "profile", "locust", "merged_from")
PARTS = ("id", "cores", "memory_bytes", "load", "provider", "name", "participants", "file", "cpu")
FACT = ODD | st.dictionaries(st.sampled_from(PARTS), ODD, max_size=4)


@given(st.dictionaries(st.sampled_from(FACTS), FACT))
def test_facts_that_a_hook_has_put_in_never_keep_the_page_from_being_made(
    session: dict[str, object],
) -> None:
    assert "Latency budgets" in report_html([], session, Artifact(session, []))


def test_a_merged_artifact_and_a_run_of_locust_say_what_they_are_made_of() -> None:
    participants = [
        {"id": "w1", "requests": 9000, "state": "finished"},
        {"id": "w2", "requests": 410, "state": "lost", "late": True, "joined_s": 12.5},
    ]
    run = {
        "users": 10,
        "user_classes": ["Reader"],
        "host": "http://here",
        "participants": participants,
    }
    session = {"locust": run, "merged_from": [{"file": "a.json"}, {"file": "b.json"}]}
    root = html.document_fromstring(report_html([], session))
    assert texts(root, "dd") == [
        "10 users (Reader) sending requests to http://here",
        "w1: 9000 requests, finished; w2: 410 requests, lost, joined after 12.5 s",
        "a.json, b.json",
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (
            "decided after 12.3 of 60 s",
            {"lasted_s": 12.3, "run_time_s": 60, "ended_when_decided": True, "needs_s": None},
        ),
        (
            "60.1 s; needs about 125.4 s to be decided",
            {"lasted_s": 60.1, "run_time_s": 60, "ended_when_decided": False, "needs_s": 125.4},
        ),
    ],
)
def test_a_run_of_locust_says_when_it_was_decided(text: str, times: dict[str, object]) -> None:
    run = {"users": 10, "user_classes": ["Reader"], "host": "http://here", **times}
    root = html.document_fromstring(report_html([], {"locust": run}))
    assert texts(root, "dd") == ["10 users (Reader) sending requests to http://here", text]


def test_without_a_sample_it_says_so() -> None:
    root = page([])
    assert texts(root, "header p") == ["no samples"]
    assert texts(root, "title") == ["Latency budgets: no samples"]


def test_a_sample_without_observations_has_a_section() -> None:
    measured = gold.record("health")
    nothing = replace(
        measured,
        n=0,
        quantiles_ns={},
        attributed_quantiles_ns={},
        bounds_ns={},
        histogram=None,
        attributed_histogram=None,
        timeline=None,
    )
    assert len(page([nothing]).cssselect("details")) == 1


@pytest.mark.parametrize(
    ("alone", "text"),
    [
        (None, "4 workers ran in parallel"),
        (False, "4 workers ran in parallel"),
        (True, "alone, while 3 other workers waited; it had waited 12 ms for them"),
    ],
)
def test_a_sample_says_whether_other_workers_waited(alone: bool | None, text: str) -> None:
    record = replace(gold.record("health"), workers=4)
    measurement = replace(record.measurement, alone=alone, waited_ns=12_000_000)
    root = page([replace(record, measurement=measurement)])
    assert [note.split(" · ")[-1] for note in texts(root, "details > .note")] == [text]


def earlier(**machine: object) -> Artifact:
    """The gold artifact with medians of half a millisecond, measured a day before."""
    gold_one = gold.artifact()
    session = {
        "started_unix_s": 1767139200.0,
        "commit": {"id": "fedcba9876543210", "branch": "main"},
        "machine": {**gold_one.session["machine"], **machine},
    }
    half = Histogram({index_of(500_000): 300})
    records = [
        replace(r, n=300, histogram=half, attributed_histogram=None) for r in gold_one.records
    ]
    return Artifact(session, records)


def test_a_baseline_is_shown_next_to_the_new_samples() -> None:
    root = page(baseline=earlier())
    assert root.cssselect("#sample-1 svg .area.before")
    assert root.cssselect("#sample-1 svg .line.before")
    assert texts(root, "#overview thead th")[-1] == "median before"
    assert re.fullmatch(r"0\.5 \(\+\d+ %\)", texts(root, "#overview tbody tr td")[7])
    assert texts(root, "dd")[-1] == "2025-12-31 00:00:00 UTC, fedcba987654 on main"


def test_a_baseline_of_another_kind_of_machine_is_told_as_such() -> None:
    root = page(baseline=earlier(cores=8))
    assert texts(root, "dd")[-1] == (
        "the baseline was measured on a different kind of machine: "
        "CPU of a gold file, 8 cores, Python 3.11.7"
    )


def test_an_unchanged_median_is_marked_as_unchanged() -> None:
    cells = texts(page(baseline=gold.artifact()), "#overview tbody tr td:last-child")
    assert all(cell.endswith("(unchanged)") for cell in cells)


def test_few_samples_are_open_and_of_many_only_those_that_are_not_within() -> None:
    few = page().cssselect("details[open]")
    assert len(few) == 4
    records = list(gold.artifact().records)
    many = [replace(r, test=f"{r.test}[{i}]") for i in range(5) for r in records]
    assert len(page(many).cssselect("details[open]")) == 10
    assert len(page(many).cssselect("#finder")) == 1


def test_a_sample_slower_than_the_baseline_is_marked_and_sorted_up() -> None:
    fast, slow = making.record(*[2] * 300, test="b"), making.record(*[3] * 300, test="b")
    other = making.record(*[2] * 300, test="a")
    root = page([other, slow], Artifact(gold.artifact().session, [other, fast]))
    assert texts(root, "#overview tbody tr th") == ["b", "a"]
    marked = texts(root, "#overview tbody tr:first-child td:nth-child(2)")
    assert [text.split()[-1] for text in marked] == ["slower"]
