"""One request event, one count: in the right bucket of the right window."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.locust_gate.generator import Strain
from pytest_hancock_latency.locust_gate.listener import (
    ARRIVAL,
    INVALID,
    Listener,
    increment_from_plain,
    increment_to_plain,
    kind_of,
    label_of,
    window_at,
)

AT_S = 1_800_000_000.3
WINDOW = window_at(AT_S)


class Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def heard(response_time: float | None, **others: Any) -> Listener:
    listener = Listener()
    event = {"request_type": "GET", "name": "/it", "start_time": AT_S, "context": {}}
    listener.on_request(**{**event, **others}, response_time=response_time, url="", extra=1)
    return listener


@pytest.mark.parametrize("ms", [0.0, 0.000_001, 0.002, 0.002_048, 0.37, 1.0, 145.9, 60_000.0])
def test_the_bucket_is_that_of_the_histogram(ms: float) -> None:
    increment = heard(ms).take()
    assert {("GET", "/it", WINDOW): {index_of(int(ms * 1e6)): 1}} == increment.latencies


def test_a_clock_that_ran_backwards_counts_as_nothing() -> None:
    assert heard(-0.5).take().latencies == {("GET", "/it", WINDOW): {0: 1}}


def test_the_window_is_that_of_the_start() -> None:
    (cell,) = heard(5.0, start_time=AT_S + 0.25).take().latencies
    assert cell == ("GET", "/it", WINDOW + 1)


def test_a_client_that_tells_no_start_is_counted_all_the_same() -> None:
    assert len(heard(5.0, start_time=None).take().latencies) == 1


def test_a_request_without_a_latency_is_counted_apart() -> None:
    counted = heard(None).take()
    assert counted
    assert counted.unmeasured == {("GET", "/it", WINDOW): 1}
    assert (counted.latencies, counted.failures) == ({}, {})


def test_a_failure_has_no_latency() -> None:
    increment = heard(5.0, exception=ConnectionRefusedError("111"), response=Answer(0)).take()
    assert increment.latencies == {}
    assert increment.failures == {("GET", "/it", WINDOW): {"ConnectionRefusedError": 1}}


class ReadTimeout(Exception):
    """As client libraries have it."""


@pytest.mark.parametrize("exception", [ReadTimeout(), TimeoutError()])
def test_a_timeout_counts_with_the_windows_that_it_took(exception: Exception) -> None:
    increment = heard(1000.0, exception=exception).take()
    assert increment.failures == {("GET", "/it", WINDOW): {type(exception).__name__: 1}}
    assert increment.timeouts == {("GET", "/it", WINDOW): {4: 1}}


@pytest.mark.parametrize("response_time", [None, float("nan"), 1e300, -5.0, "12"])
def test_a_timeout_with_an_invalid_latency_is_a_failure_like_others(response_time: Any) -> None:
    increment = heard(response_time, exception=TimeoutError()).take()
    assert increment.failures == {("GET", "/it", WINDOW): {"TimeoutError": 1}}
    assert increment.timeouts == {}


@pytest.mark.parametrize(
    ("expected", "response"),
    [("HTTP 503", Answer(503)), ("ValueError", Answer(200)), ("ValueError", None)],
)
def test_failures_are_distinguished_by_status_or_class(expected: str, response: object) -> None:
    assert expected == kind_of(ValueError("whatever, always another text"), response)


def test_an_open_loop_counts_from_the_intended_start() -> None:
    increment = heard(5.0, context={ARRIVAL: AT_S - 0.75}).take()
    ((cell, counts),) = increment.latencies.items()
    assert cell == ("GET", "/it", WINDOW - 3)
    assert abs(next(iter(counts)) - index_of(755_000_000)) <= 1
    ((cell, lags),) = increment.send_lags.items()
    assert cell == ("GET", "/it", WINDOW - 3)
    assert abs(next(iter(lags)) - index_of(750_000_000)) <= 1


def test_what_is_taken_is_gone() -> None:
    listener = heard(5.0)
    assert listener.take()
    assert not listener.take()


@pytest.mark.parametrize(
    ("expected", "method", "name"),
    [
        ("GET /health", "GET", "/health"),
        ("GET /health", "GET", "GET /health"),
        ("checkout", "", "checkout"),
        (f"GET /{'a' * 995}…", "GET", f"/{'a' * 30_000_000}"),
        (f"{'a' * 1000}…", "", "a" * 1001),
    ],
    ids=["method", "method in the name", "no method", "long", "long without a method"],
)
def test_a_budget_is_found_by_method_and_name(expected: str, method: str, name: str) -> None:
    assert expected == label_of(method, name)


def test_an_increment_is_the_same_after_its_plain_form() -> None:
    import msgpack

    counted = heard(5.0, context={ARRIVAL: AT_S - 0.75}).take()
    counted.failures["GET", "/it", 3] = {"HTTP 503": 2}
    counted.timeouts["GET", "/it", 3] = {8: 1}
    counted.unmeasured["GET", "/it", 3] = 4
    counted.unfinished = {70: 2}
    strain = Strain(3, 1, {70: 4}, {WINDOW: 20_000_000}, {WINDOW, WINDOW + 1}, {WINDOW + 2})
    sent = msgpack.dumps(increment_to_plain(counted, strain))
    arrived = increment_from_plain(msgpack.loads(sent, strict_map_key=False))
    assert (counted, strain) == arrived


@pytest.mark.parametrize("response_time", [1e300, float("nan"), float("-inf"), "12", [1], -1e12])
def test_an_invalid_latency_is_a_failure(response_time: Any) -> None:
    increment = heard(response_time).take()
    assert (increment.latencies, increment.failures) == ({}, {("GET", "/it", WINDOW): {INVALID: 1}})


@pytest.mark.parametrize("start_time", [float("nan"), float("inf"), 1e300, "now"])
def test_a_request_with_an_invalid_start_is_counted(start_time: Any) -> None:
    listener = Listener()
    listener.on_request("GET", "/it", 5.0, start_time=start_time)
    listener.on_request("GET", "/it", 5.0, start_time=start_time, exception=ValueError())
    failures = listener.take().failures
    assert sum(sum(kinds.values()) for kinds in failures.values()) == 2
    assert {kind for kinds in failures.values() for kind in kinds} == {INVALID, "ValueError"}


def test_a_failure_without_a_latency_is_counted() -> None:
    increment = heard(None, exception=ConnectionError()).take()
    assert increment.failures == {("GET", "/it", WINDOW): {"ConnectionError": 1}}


@pytest.mark.parametrize(
    ("name", "text"),
    [(None, ""), (7, "7"), (b"/it", "/it"), (b"\xff", "\ufffd"), ([1], "[1]"), ("\ud800é", "?é")],
)
def test_a_name_that_is_not_a_string_becomes_one(name: Any, text: str) -> None:
    listener = Listener()
    listener.on_request(name, name, 5.0, start_time=AT_S)
    assert list(listener.take().latencies) == [(text, text, WINDOW)]


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ([], "not a mapping"),
        ({"latencies": [["GET", "/it", 3]]}, "latencies: not a cell of method, name, window"),
        ({"latencies": [["GET", None, 3, {}]]}, "latencies: not a method, a name and a window"),
        ({"latencies": [["GET", "/it", 2**70, {}]]}, "latencies: not a method, a name and"),
        ({"latencies": [["GET", "/it", 3, [1]]]}, "latencies: not counts"),
        ({"latencies": [["GET", "/it", 3, {5: -1}]]}, "latencies: not a count"),
        ({"latencies": [["GET", "/it", 3, {2**60: 1}]]}, "latencies: not a count"),
        ({"failures": [["GET", "/it", 3, {5: 1}]]}, "failures: not a count"),
        ({"seconds": "3"}, "seconds is not a count"),
        ({"waits": {"x": 1}}, "waits: not a count"),
        ({"busy": {"x": 1}}, "busy: not a list of windows"),
        ({"busy": [2**70]}, "busy: not a list of windows"),
        ({"server_starved": 3}, "server_starved: not a list of windows"),
        ({"unfinished": {5: -1}}, "unfinished: not a count"),
        ({"unmeasured": [["GET", "/it", 3, -1]]}, "unmeasured: not a count"),
        ({"unmeasured": [["GET", "/it", 2**70, 1]]}, "unmeasured: not a method, a name and"),
    ],
)
def test_an_invalid_increment_is_refused_completely(plain: Any, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        increment_from_plain(plain)
