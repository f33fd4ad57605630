"""What a worker sends to Locust's master, and what users report: counted, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

with pytest.MonkeyPatch.context() as patch:
    # This process runs other tests, so Locust must not patch its standard library.
    patch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    pytest.importorskip("locust")

import msgpack

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.locust_gate.generator import Strain
from pytest_hancock_latency.locust_gate.listener import (
    ARRIVAL,
    Listener,
    RequestCounts,
    increment_from_plain,
    increment_to_plain,
)
from pytest_hancock_latency.locust_gate.run_judge import RunJudge, RunState, WindowRange
from pytest_hancock_latency.reporting.json_artifact import artifact_in, json_text
from pytest_hancock_latency.reporting.table import summary_text

from .fuzzing import damaged_value, fuzzed, json_values, odd_values

WINDOW = 4 * 1_700_000_000
BUDGETS = {"GET /health": parse_terms({"p95": 25, "errors": "1%", "rps": ">= 1"})}

names = st.sampled_from(("/health", "/ask")) | st.text(max_size=5)
methods = st.sampled_from(("GET", "POST", ""))
windows = st.integers(WINDOW - 40, WINDOW + 40)
indexes = st.integers(0, 40_000)
cells = st.tuples(methods, names, windows)
number = st.integers(1, 1000)
increments = st.builds(
    RequestCounts,
    st.dictionaries(cells, st.dictionaries(indexes, number, min_size=1, max_size=4), max_size=4),
    st.dictionaries(
        cells,
        st.dictionaries(st.sampled_from(("HTTP 503", "OSError")), number, min_size=1),
        max_size=2,
    ),
    st.dictionaries(cells, st.dictionaries(indexes, number, min_size=1, max_size=2), max_size=2),
)
strains = st.builds(
    Strain,
    st.integers(0, 60),
    st.integers(0, 60),
    st.dictionaries(indexes, number, max_size=3),
    st.dictionaries(windows, st.integers(0, 10**9), max_size=3),
    st.sets(windows, max_size=3),
)
plain = st.builds(increment_to_plain, increments, strains)


def as_locust_sends_it(value: object) -> Any:
    return msgpack.loads(msgpack.dumps(value), strict_map_key=False)


def judged(*increments: RequestCounts) -> list[Record]:
    judge = RunJudge(BUDGETS)
    for counted in increments:
        judge.add(counted, WindowRange(WINDOW - 100, WINDOW + 100))
    return judge.records(RunState(steady_from=WINDOW - 20, until=WINDOW + 20, users=3))


def total(counted: RequestCounts) -> int:
    parts = (*counted.latencies.values(), *counted.failures.values())
    return sum(sum(part.values()) for part in parts)


def is_counted_or_refused(value: object) -> None:
    try:
        counted, strain = increment_from_plain(value)
    except ValueError as error:
        assert 0 < len(str(error)) < 200
        return
    assert (counted, strain) == increment_from_plain(increment_to_plain(counted, strain))
    records = judged(counted)
    assert summary_text(records) or not records
    assert len(records) == len(
        artifact_in(json_text(records, {}).encode(errors="backslashreplace")).records
    )


@fuzzed("Locust increments", increments, strains)
def test_an_increment_arrives_as_it_was_sent(counted: RequestCounts, strain: Strain) -> None:
    sent = as_locust_sends_it(increment_to_plain(counted, strain))
    assert (counted, strain) == increment_from_plain(sent)


@fuzzed("Locust increments", st.lists(increments, max_size=3))
def test_every_request_is_counted_once(drawn: list[RequestCounts]) -> None:
    judge = RunJudge(BUDGETS)
    added = [judge.add(counted, WindowRange()).requests for counted in drawn]
    assert added == [total(counted) for counted in drawn]
    assert judge.requests == sum(added)


@fuzzed("Locust increments", damaged_value(plain), slower=2)
@example({"latencies": 5})
@example({"latencies": [["GET", "/", 1, {1: 1}], ["GET", "/", 1, {1: 2}]]})
@example({"latencies": [["GET", "\ud800", WINDOW, {1: 1}]]})
def test_a_damaged_increment_is_counted_or_refused(value: object) -> None:
    is_counted_or_refused(value)


@fuzzed("Locust increments", plain, plain)
def test_cells_that_occur_twice_are_added_up(one: dict[str, Any], two: dict[str, Any]) -> None:
    both = {key: one[key] + two[key] for key in ("latencies", "failures", "send_lags")}
    counted, _ = increment_from_plain(both)
    expected = [increment_from_plain(each)[0] for each in (one, two)]
    assert total(counted) == sum(map(total, expected))


@fuzzed("Locust increments", json_values, slower=4)
def test_any_value_is_counted_or_refused(value: object) -> None:
    is_counted_or_refused(value)


class Odd:
    """A name that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


reported = odd_values | st.floats() | st.binary(max_size=5) | st.builds(Odd)


@example({"request_type": "\ud800", "name": "/", "response_time": 1.0})
@fuzzed(
    "Locust increments",
    st.fixed_dictionaries(
        {"request_type": reported, "name": reported, "response_time": reported},
        optional={
            "exception": st.sampled_from((None, OSError(), KeyError("x"))),
            "start_time": reported,
            "context": st.none() | st.just({}) | reported.map(lambda at: {ARRIVAL: at}),
            "response": reported,
            "response_length": reported,
        },
    ),
)
def test_whatever_a_user_reports_is_counted_once(event: dict[str, Any]) -> None:
    listener = Listener()
    listener.on_request(**event)
    counted = listener.take()
    is_request = event["response_time"] is not None or event.get("exception") is not None
    assert total(counted) == is_request
    sent = as_locust_sends_it(increment_to_plain(counted, Strain()))
    assert counted == increment_from_plain(sent)[0]
    records = judged(counted)
    assert len(records) == len(
        artifact_in(json_text(records, {}).encode(errors="backslashreplace")).records
    )
