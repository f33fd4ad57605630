"""What every output says of growth, for one fixed record of each outcome."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
import pytest

from pytest_hancock_latency.core.record import Artifact, Record, TestRun, record_of
from pytest_hancock_latency.core.record_json import InvalidRecord, from_plain, to_plain
from pytest_hancock_latency.core.sample import GROWTH, GrowthSample, Measurement, Observations
from pytest_hancock_latency.core.verdict import (
    FailureVerdict,
    GrowthStep,
    GrowthVerdict,
    Outcome,
    Reason,
    Verdict,
)
from pytest_hancock_latency.reporting.html.charts import growth_curve
from pytest_hancock_latency.reporting.html.page import report_html
from pytest_hancock_latency.reporting.json_artifact import json_text
from pytest_hancock_latency.reporting.junit import junit_properties
from pytest_hancock_latency.reporting.picture import picture_lines
from pytest_hancock_latency.reporting.table import table_lines
from pytest_hancock_latency.reporting.wording import explain, headline, why_inconclusive
from pytest_hancock_latency.runs.baseline import judged_change, median_change
from pytest_hancock_latency.runs.merging import merge
from pytest_hancock_latency.runs.suggestion import suggest_for
from pytest_hancock_latency.runs.trend import trend_of

MS = 1_000_000


def step(smaller: int, growth: float) -> GrowthStep:
    return GrowthStep(smaller, 2 * smaller, 10, growth, growth - 0.1, growth + 0.1)


QUADRATIC = GrowthVerdict(
    at_most="n log n",
    bound=1.3,
    outcome=Outcome.EXCEEDED,
    reason=Reason.SHOWN,
    steps=(step(1024, 2.0), step(2048, 2.0)),
    curve=((512, MS // 4), (1024, MS), (2048, 4 * MS), (4096, 16 * MS)),
)


def record(growth: GrowthVerdict = QUADRATIC, test: str = "test_it.py::test") -> Record:
    latencies = np.full(50, 16 * MS)
    observations = Observations(latencies, latencies, np.arange(50) * 20 * MS)
    verdict = Verdict(
        limits=(),
        failures=FailureVerdict(Fraction(0), Outcome.WITHIN, 0, 50),
        n=50,
        elapsed_ns=1000 * MS,
        growth=growth,
    )
    sample: GrowthSample[None] = GrowthSample(
        name="",
        observations=observations,
        verdict=verdict,
        measurement=Measurement(loop=GROWTH, elapsed_ns=1000 * MS),
        answer=None,
    )
    return record_of(sample, TestRun(test))


def inconclusive(reason: Reason, *steps: GrowthStep, refused: int | None = None) -> GrowthVerdict:
    return replace(
        QUADRATIC,
        outcome=Outcome.INCONCLUSIVE,
        reason=reason,
        steps=steps,
        refused_size=refused,
        curve=QUADRATIC.curve if steps else QUADRATIC.curve[:2],
    )


TOOK = "1024 takes 1 ms, 2048 takes 4 ms, 4096 takes 16 ms"


@pytest.mark.parametrize(
    ("growth", "text"),
    [
        (QUADRATIC, f"exceeded growth: like n^2.00, n log n allows n^1.3; {TOOK}"),
        (
            replace(QUADRATIC, refused_size=8192),
            f"exceeded growth: like n^2.00, n log n allows n^1.3; {TOOK}; size 8192 was not tried: "
            "a call could take too long",
        ),
        (
            replace(QUADRATIC, at_most="n^2", bound=2.5, outcome=Outcome.WITHIN),
            f"within: like n^2.00, n^2 allows n^2.5; {TOOK}; measured for 1 s",
        ),
        (
            inconclusive(Reason.NEAR, step(1024, 1.25), step(2048, 1.4)),
            "inconclusive growth: like n^1.25 from 1024 to 2048 and n^1.40 from 2048 to 4096, "
            f"n log n allows n^1.3: too near to tell; {TOOK}",
        ),
        (
            inconclusive(Reason.SPAN, step(512, 1.05), step(1024, 2.0), step(2048, 2.0)),
            "inconclusive growth: like n^2.00, n log n allows n^1.3, but only n^1.05 from 512 to "
            f"1024: larger sizes may only have outgrown a cache; {TOOK}",
        ),
        (
            inconclusive(Reason.SPAN, step(1024, 2.0), step(2048, 2.0)),
            "inconclusive growth: like n^2.00, n log n allows n^1.3, but sizes that differ by less "
            f"than 64 times may only have outgrown a cache; {TOOK}",
        ),
        (
            inconclusive(Reason.FEW, refused=4096),
            "inconclusive growth: it takes three sizes, and within the limits of time and memory "
            "there are only 512 and 1024; size 4096 was not tried: a call could take too long",
        ),
    ],
)
def test_the_evidence_is_one_sentence(growth: GrowthVerdict, text: str) -> None:
    assert explain(record(growth)) == [text]
    assert headline(record(growth)) == text


def test_the_reason_of_an_inconclusive_one_is_growth() -> None:
    assert why_inconclusive(record(inconclusive(Reason.FEW))) == "growth"
    assert why_inconclusive(record()) == ""


def test_the_table_has_the_class_as_the_limit() -> None:
    assert table_lines([record()])[1].split() == [
        *("test_it.py::test", "50", "16", "16", "16"),
        *("growth", "n", "log", "n", "exceeded", "growth"),
    ]


def test_the_picture_has_a_row_for_each_size_and_the_growth_that_is_allowed() -> None:
    assert picture_lines(record())[:5] == [
        "latency by size (log scales), │ = growth that n log n allows from size 1024 on",
        " 512     250 µs  ██████",
        "1024       1 ms  █████████████████",
        "2048       4 ms  ████████████████████████│████",
        "4096      16 ms  ███████████████████████████████│████████",
    ]


def test_allowed_growth_is_drawn_beyond_a_shorter_bar() -> None:
    linear = ((512, MS), (1024, 2 * MS), (2048, 4 * MS), (4096, 8 * MS))
    assert picture_lines(record(replace(QUADRATIC, curve=linear)))[3:5] == [
        "2048       4 ms  ██████████████████████████  │",
        "4096       8 ms  ███████████████████████████████████    │",
    ]


def test_the_chart_is_described_for_screen_readers() -> None:
    picture = growth_curve(record())
    assert picture is not None
    assert picture.description == explain(record())[0]
    assert picture.legend == [
        ("raw", "latency by size"),
        ("allowed", "growth that n log n allows"),
    ]


def test_a_single_size_is_no_curve() -> None:
    assert growth_curve(record(replace(QUADRATIC, curve=((1, MS),), steps=()))) is None


def test_the_page_says_which_sizes_the_sample_is_of() -> None:
    text = report_html([record()], {"tool": "x"})
    assert "sizes in turns; the sample is of the largest" in text
    assert "<figcaption>Growth</figcaption>" in text


def test_junit_has_growth_and_bound() -> None:
    properties = dict(junit_properties(record()))
    assert properties["latency.growth"] == "2.000"
    assert properties["latency.limit_growth"] == "1.3"
    without = dict(junit_properties(record(inconclusive(Reason.FEW))))
    assert "latency.growth" not in without


# --- plain form --------------------------------------------------------------------------------


def test_an_unknown_bound_is_null_in_json() -> None:
    growth = replace(QUADRATIC, steps=(replace(step(1024, 2.0), pairs=1, low=-inf, high=inf),))
    plain = to_plain(record(growth))
    assert [plain["verdict"]["growth"]["steps"][0][end] for end in ("low", "high")] == [None] * 2
    assert from_plain(plain).verdict == record(growth).verdict


@pytest.mark.parametrize(
    ("growth", "path", "problem"),
    [
        ({"curve": []}, "verdict.growth.curve", "it has no sizes"),
        (
            {"curve": [{"size": 2, "latency_ns": 1}, {"size": 1, "latency_ns": 1}], "steps": []},
            "verdict.growth",
            "its sizes do not ascend",
        ),
        (
            {"curve": [{"size": 1, "latency_ns": 1}]},
            "verdict.growth",
            "its steps have sizes that its curve lacks",
        ),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(
    growth: dict[str, object], path: str, problem: str
) -> None:
    plain = to_plain(record())
    plain["verdict"]["growth"] |= growth
    with pytest.raises(InvalidRecord, match=problem) as raised:
        from_plain(plain)
    assert raised.value.field == path


def test_the_schema_knows_growth() -> None:
    assert '"at_most":"n log n"' in json_text([record()], {"tool": "x"})


# --- several runs ------------------------------------------------------------------------------


def test_of_several_runs_the_worst_stays() -> None:
    within = replace(QUADRATIC, outcome=Outcome.WITHIN)
    (merged,) = merge([record(within), record(), record(within)])
    assert merged.outcome is Outcome.EXCEEDED
    assert merged.n == 50


def test_latency_is_not_compared_with_that_of_another_run() -> None:
    assert median_change(record(), record()) is None
    assert judged_change(record(), record()).why_not == (
        "it is about growth, with sizes of its own in each run"
    )


def test_no_limits_are_suggested_and_no_trend_is_drawn() -> None:
    assert suggest_for([record()]) == []
    assert trend_of([Artifact({}, [record()])]).samples == []
