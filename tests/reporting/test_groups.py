"""Parametrised tests side by side: who is compared with whom, and by what."""

from __future__ import annotations

import pytest

from pytest_hancock_latency import SettingError
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.reporting.columns import parse_columns
from pytest_hancock_latency.reporting.groups import GroupBy, TestId, group_lines, parse_group_by

MS = 1_000_000


def record(test: str, p50_ms: int = 1, name: str = "", n: int = 9) -> Record:
    quantiles = {"p50": p50_ms * MS, "p95": 50 * MS, "p99": 60 * MS, "max": 70 * MS} if n else {}
    return Record(f"t.py::{test}", name, n, {}, quantiles, dict(quantiles))


RECORDS = [
    record("test_dumps[json-10]", 12),
    record("test_loads[json-10]", 30),
    record("test_dumps[json-9]", 10),
    record("test_dumps[orjson-9]", 3),
    record("test_loads[orjson-9]", 3),
    record("test_alone"),
]


def test_parameters_of_a_function_are_compared_with_its_fastest() -> None:
    assert group_lines(RECORDS, GroupBy.FUNC) == [
        "sample        n  p50  p95  p99     ×",
        "t.py::test_dumps",
        "  [orjson-9]  9    3   50   60     1",
        "  [json-9]    9   10   50   60  3.33",
        "  [json-10]   9   12   50   60     4",
        "t.py::test_loads",
        "  [orjson-9]  9    3   50   60     1",
        "  [json-10]   9   30   50   60    10",
        "group by func: × is p50 divided by the smallest p50 of the group; "
        "1 without another sample to compare with",
    ]


def test_functions_are_compared_under_the_same_parameters() -> None:
    assert group_lines(RECORDS, GroupBy.PARAM) == [
        "sample              n  p50  p95  p99    ×",
        "[json-10]",
        "  t.py::test_dumps  9   12   50   60    1",
        "  t.py::test_loads  9   30   50   60  2.5",
        "[orjson-9]",
        "  t.py::test_dumps  9    3   50   60    1",
        "  t.py::test_loads  9    3   50   60    1",
        "group by param: × is p50 divided by the smallest p50 of the group; "
        "2 without another sample to compare with",
    ]


def test_named_samples_of_a_test_are_compared_too() -> None:
    records = [record("test_codecs", 4, "json"), record("test_codecs", 1, "orjson")]
    assert group_lines(records, GroupBy.FUNC)[1:4] == [
        "t.py::test_codecs",
        "  orjson  9    1   50   60  1",
        "  json    9    4   50   60  4",
    ]


def test_columns_on_demand_stand_before_the_factor() -> None:
    heading, *_ = group_lines(RECORDS, GroupBy.FUNC, parse_columns("max,ops"))
    assert heading.split() == ["sample", "n", "p50", "p95", "p99", "max", "ops", "×"]


def test_a_sample_without_observations_is_in_no_group() -> None:
    records = [record("test[1]"), record("test[2]", n=0)]
    assert group_lines(records, GroupBy.FUNC) == [
        "group by func: no two samples belong to the same group"
    ]


def test_what_takes_no_time_has_no_factor() -> None:
    _, _, *lines, _ = group_lines([record("test[1]", 0), record("test[2]", 1)], GroupBy.FUNC)
    assert [line.split()[-1] for line in lines] == ["–", "–"]


def test_a_name_loses_its_middle_where_the_screen_ends() -> None:
    records = [record(f"test[{letter * 90}]") for letter in "ab"]
    assert max(map(len, group_lines(records, GroupBy.FUNC, width=60)[:-1])) == 60


@pytest.mark.parametrize(
    ("test", "function", "parameters"),
    [
        ("a/t.py::test", "a/t.py::test", ""),
        ("a/t.py::C::test[1-x]", "a/t.py::C::test", "1-x"),
        ("a[1]/t.py::test[a[0]::b]", "a[1]/t.py::test", "a[0]::b"),
        ("GET /health", "GET /health", ""),
        ("GET /items[]", "GET /items[]", ""),
    ],
)
def test_a_node_id_has_a_function_and_parameters(test: str, function: str, parameters: str) -> None:
    assert TestId.of(test) == TestId(function, parameters)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        parse_group_by("params")
    assert str(refused.value) == (
        "unknown group 'params' (did you mean \"param\"?): must be param or func"
    )
