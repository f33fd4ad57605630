"""Columns on demand: what they are, what they rest on, and where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_hancock_latency import SettingError
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.sample import Measurement
from pytest_hancock_latency.reporting.columns import COLUMNS, notes, parse_columns
from pytest_hancock_latency.reporting.table import table_lines
from pytest_hancock_latency.reporting.terminal import terminal_lines

MS = 1_000_000
NS = (1000, 1500, 2000)


def record(*latencies_ns: int, loop: str = "closed", elapsed_ns: int = 0) -> Record:
    histogram = Histogram.of(np.array(latencies_ns, dtype=np.int64))
    quantiles = {"p50": latencies_ns[0], "max": max(latencies_ns)} if latencies_ns else {}
    return Record(
        *("t.py::test", "", len(latencies_ns), {}, quantiles, {}),
        histogram=histogram,
        measurement=Measurement(loop=loop, elapsed_ns=elapsed_ns),
    )


def texts(record: Record) -> dict[str, str]:
    return {name: column.text(record) for name, column in COLUMNS.items()}


def test_statistics_of_a_caller_are_those_of_its_calls() -> None:
    shown = {"min": "0.001", "max": "0.002", "mean": "0.0015", "stddev": "0.0005", "ops": "666667"}
    assert texts(record(*NS, elapsed_ns=MS)) == shown


@pytest.mark.parametrize("loop", ["burst", "open"])
def test_calls_a_second_of_a_load_are_what_it_got_done(loop: str) -> None:
    assert texts(record(*NS, loop=loop, elapsed_ns=2_000 * MS))["ops"] == "1.5"


def test_of_a_single_observation_there_is_no_deviation() -> None:
    assert texts(record(2000))["stddev"] == "0"


@pytest.mark.parametrize(
    "nothing",
    [record(), replace(record(*NS), histogram=None, quantiles_ns={})],
    ids=["no observation", "no histogram"],
)
def test_what_a_record_does_not_tell_is_a_dash(nothing: Record) -> None:
    assert set(texts(nothing).values()) == {"–"}


def test_columns_come_after_the_percentiles_in_the_order_that_was_asked_for() -> None:
    columns = parse_columns("mean, min,mean")
    assert table_lines([record(*NS)], columns) == [
        "sample      n    p50  p95  p99    mean    min  limits (ms)  verdict",
        "t.py::test  3  0.001    –    –  0.0015  0.001  –            not judged",
    ]
    assert [line.text for line in terminal_lines([record(*NS)], 80, columns=columns)] == (
        table_lines([record(*NS)], columns)
    )


def test_columns_are_explained() -> None:
    assert notes(parse_columns("min,ops,max,mean")) == [
        "min, mean: from the histogram of raw latency, accurate to 0.05 %",
        "ops: calls per second: 1 / mean for one caller, observations / elapsed time for a load",
        "max: raw, exact",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "min,maen",
            "unknown column 'maen' (did you mean \"mean\"?): must be any of min, max, mean, "
            "stddev, ops",
        ),
        (" , ", "' , ' names no column: must be any of min, max, mean, stddev, ops"),
    ],
)
def test_invalid_columns_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingError) as refused:
        parse_columns(text)
    assert str(refused.value) == message
