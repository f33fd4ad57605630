"""A sample beside an earlier one: only what stands on firm ground is said."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from pytest_hancock_latency.core.histogram import Histogram, index_of, middle
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.runs.baseline import (
    Change,
    chance_of_being_no_slower,
    judged_change,
    kind_of_machine,
)

MS = 1_000_000
TEN_PERCENT = Fraction(1, 10)


def histogram(latencies_ns: object) -> Histogram:
    return Histogram.of(np.asarray(latencies_ns, dtype=np.int64))


def record(latencies_ns: object, attributed_ns: object = None) -> Record:
    raw = histogram(latencies_ns)
    attributed = None if attributed_ns is None else histogram(attributed_ns)
    return Record("test", "", raw.n, {}, {}, {}, histogram=raw, attributed_histogram=attributed)


def drawn(seed: int, n: int, median_ms: float) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(np.log(median_ms * MS), 0.3, n).astype(np.int64)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=60),
    st.lists(st.integers(1, 3000), min_size=1, max_size=60),
    st.sampled_from([Fraction(0), TEN_PERCENT]),
)
def test_the_chance_is_that_of_the_library(
    old: list[int], new: list[int], allowed: Fraction
) -> None:
    if len({*old, *new}) == 1:
        return  # nothing to rank, where the library divides by zero
    slowed = [middle(index_of(ns)) * (1 + float(allowed)) for ns in old]
    expected = mannwhitneyu(
        [float(middle(index_of(ns))) for ns in new],
        slowed,
        alternative="greater",
    ).pvalue
    found = chance_of_being_no_slower(histogram(old), histogram(new), allowed)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_median_above_the_allowed_share_is_slower() -> None:
    found = judged_change(record(drawn(1, 400, 10)), record(drawn(2, 400, 13)))
    assert found.slower
    assert found.share == pytest.approx(0.3, abs=0.1)


def test_a_median_within_the_allowed_share_is_not_slower() -> None:
    assert not judged_change(record(drawn(1, 4000, 10)), record(drawn(2, 4000, 10.8))).slower


def test_what_only_the_machine_took_is_not_slower() -> None:
    code = drawn(1, 400, 10)
    assert not judged_change(record(code), record(code * 3, code)).slower


def test_a_slower_tail_alone_is_not_slower() -> None:
    code = drawn(1, 400, 10)
    tail = np.where(np.arange(400) % 20 == 0, code * 50, code)
    assert not judged_change(record(code), record(tail)).slower


def test_few_observations_are_not_compared() -> None:
    assert judged_change(record(drawn(1, 400, 10)), record(drawn(2, 199, 20))) == Change(
        before_ns=judged_change(record(drawn(1, 400, 10)), record(drawn(1, 400, 10))).before_ns,
        after_ns=histogram(drawn(2, 199, 20)).quantile_ns(Fraction(1, 2)),
        why_not="199 observations, but 200 are needed",
    )


def test_without_a_histogram_nothing_is_compared() -> None:
    early = Record("test", "", 400, {}, {}, {})
    nothing = Change(before_ns=0, after_ns=0, why_not="one side has no histogram")
    assert judged_change(early, record([MS] * 400)) == nothing


def test_latencies_that_are_all_the_same_are_not_slower() -> None:
    assert not judged_change(record([MS] * 400), record([MS] * 400), Fraction(0)).slower


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        ({}, ()),
        (
            {"machine": {"cpu": "A", "cores": 2, "python": "3.12.1"}},
            ("A", "2 cores", "Python 3.12.1"),
        ),
        ({"machine": {"cores": 2}}, ("2 cores",)),
        ({"machine": "?"}, ()),
    ],
)
def test_a_kind_of_machine_is_its_cpu_its_cores_and_its_python(
    session: dict[str, object], kind: tuple[str, ...]
) -> None:
    assert kind_of_machine(session) == kind


def test_a_change_from_nothing_has_no_share() -> None:
    change = Change(before_ns=0, after_ns=5)
    assert (change.share, change.percent) == (0.0, 0)
