"""Answers of Prometheus: judged by their counts, or an error that says what is wrong."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.importing.prometheus import series_of

from ..importing.answering import classic, native, vector
from .fuzzing import damaged_value, fuzzed, json_values, odd_words, seeds

WHOLE = vector(
    native([(0, "0.0078125", "0.00852", "900"), (3, "-0.001", "0.001", "5")], route="/health"),
    native([(0, "0.25", "0.2726", "100")], route="/ask"),
    *classic({"0.01": "900", "0.1": "1000", "+Inf": "1000"}),
)


def is_read_or_refused(answer: object, unit: str = "s") -> None:
    try:
        found = series_of(answer, unit)
    except ImportedFileError as error:
        assert str(error)
        return
    assert found
    for series in found:
        assert isinstance(series.name, str)
        for bucket in series.buckets:
            assert bucket.count > 0
            assert bucket.above_ns >= 0
            assert bucket.most_ns is None or bucket.above_ns <= bucket.most_ns


@pytest.mark.parametrize("seed", seeds("prometheus"), ids=lambda path: path.name)
def test_a_kept_answer_is_read_or_refused(seed: Path) -> None:
    is_read_or_refused(json.loads(seed.read_bytes()))


@fuzzed("prometheus", damaged_value(st.just(WHOLE)), st.sampled_from(("ns", "ms", "s")))
def test_a_damaged_answer_is_read_or_refused(answer: object, unit: str) -> None:
    is_read_or_refused(answer, unit)


@fuzzed("prometheus", json_values, slower=4)
def test_any_answer_is_read_or_refused(answer: object) -> None:
    is_read_or_refused(answer)


numbers = odd_words | st.fractions().map(str) | st.integers().map(str)
samples = st.lists(
    st.one_of(
        st.dictionaries(numbers, numbers, max_size=4).map(classic),
        st.lists(st.tuples(st.integers(0, 3), numbers, numbers, numbers), max_size=3).map(
            lambda buckets: [{**native([]), "histogram": [1.7e9, {"buckets": buckets}]}]
        ),
    ),
    max_size=3,
)


@fuzzed("prometheus", samples)
@example([[native([(0, "1", "0", "3")])]])
def test_any_numbers_are_read_or_refused(drawn: list[list[Any]]) -> None:
    is_read_or_refused(vector(*(sample for group in drawn for sample in group)))


@fuzzed(
    "prometheus",
    st.dictionaries(st.integers(1, 10**6), st.integers(0, 10**9), min_size=1, max_size=8),
    st.integers(0, 10**6),
)
def test_classic_buckets_have_the_counts_between_their_edges(
    by_edge_us: dict[int, int], above: int
) -> None:
    edges = sorted(by_edge_us)
    totals = list(accumulate([*(by_edge_us[edge] for edge in edges), above]))
    texts = {str(edge / 10**6): str(total) for edge, total in zip(edges, totals, strict=False)}
    (series,) = series_of(vector(*classic({**texts, "+Inf": str(totals[-1])})))
    assert {edge * 1000: by_edge_us[edge] for edge in edges if by_edge_us[edge]} == {
        bucket.most_ns: bucket.count for bucket in series.buckets if bucket.most_ns is not None
    }
    assert above == sum(bucket.count for bucket in series.buckets if bucket.most_ns is None)
    assert series.edges_ns == tuple(Fraction(edge * 1000) for edge in edges)
