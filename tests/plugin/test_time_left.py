"""The time that a timeout leaves: nothing that measures is killed by it."""

from __future__ import annotations

import pytest

from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.measuring.clock import NEVER, ManualClock
from pytest_hancock_latency.plugin.time_left import TimeLeft

from .conftest import Suite

S = 1_000_000_000


def test_what_is_left_shrinks_and_is_shared() -> None:
    clock = ManualClock()
    begin = clock()
    left = TimeLeft(10 * S, begin, clock)
    assert (left.left_ns, left.of_sample_ns) == (10 * S, 4 * S)
    assert left.load_until_ns == begin + 8 * S
    clock.advance(5 * S)
    assert (left.left_ns, left.of_sample_ns) == (5 * S, 2 * S)
    clock.advance(6 * S)
    assert (left.left_ns, left.of_sample_ns) == (0, 1)


def test_without_a_timeout_everything_fits() -> None:
    left = TimeLeft()
    left.require(3600 * S)
    assert (left.of_sample_ns, left.load_until_ns) == (NEVER, NEVER)


def test_a_load_that_does_not_fit_is_refused() -> None:
    clock = ManualClock()
    left = TimeLeft(4 * S, clock() - S, clock)
    left.require(2 * S)
    with pytest.raises(LatencyError) as refused:
        left.require(10 * S)
    assert str(refused.value) == (
        "10 s of requests do not fit into the test's timeout of 4 s, of which 3 s are left: "
        "shorten duration=, or raise the timeout"
    )


SHAPES = """
import asyncio
pytestmark = latency_budget(p99=90)

def test_rate(sample): sample.at_rate(time.sleep, 0.001, per_second=50, duration="10s")
def test_burst(sample): sample.burst(time.sleep, 0.05, requests=400, concurrency=2)
def test_coroutines(sample):
    asyncio.run(sample.burst(asyncio.sleep, 0.05, requests=400, concurrency=2))
def test_rounds(sample):
    for _ in sample.rounds(setup=lambda: time.sleep(0.1)):
        with sample.observe(): time.sleep(0.03)
def test_pairs(sample): sample.pairs(lambda: time.sleep(0.03), lambda: time.sleep(0.0301))
@latency_budget(warmup="4s")
def test_warmup(sample): sample(time.sleep, 0.001)
@latency_budget(warmup=200)
def test_warmup_calls(sample): sample(time.sleep, 0.03)
def test_manual_warmup(sample, warmup):
    warmup(time.sleep, 0.03, times=400)
    sample(time.sleep, 0.03)
@latency_budget(least_time="5s")
def test_least_time(sample): sample(time.sleep, 0.001)
def test_named(sample):
    for number in range(5): sample(time.sleep, 0.03, name=str(number))
@pytest.fixture
def slow(): time.sleep(1)
def test_slow_setup(slow, sample): sample(time.sleep, 0.03)
"""


def test_no_shape_of_load_is_killed_by_a_timeout(suite: Suite) -> None:
    suite.write(SHAPES)
    result = suite.run("-p", "timeout", "--timeout=4")
    result.assert_outcomes(passed=8, failed=3)
    result.stdout.fnmatch_lines(
        [
            "E * pytest_hancock_latency.errors.LatencyError: 10 s of requests do not fit into the "
            "test's timeout of 4 s, of which * s are left: shorten duration=, or raise the timeout",
            "E * pytest_hancock_latency.errors.LatencyError: 400 requests do not fit into the time "
            "that the test's timeout leaves: * were made; make fewer, or raise the timeout",
            "E * pytest_hancock_latency.errors.LatencyError: 400 requests do not fit into the time "
            "that the test's timeout leaves: * were made; make fewer, or raise the timeout",
        ]
    )
    result.stdout.no_fnmatch_line("*from pytest-timeout*")


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "timeout", "--timeout=4", "-o", "timeout_func_only=true"),
        pytest.param(
            ("-o", "faulthandler_timeout=4", "-o", "faulthandler_exit_on_timeout=true"),
            marks=pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has the option"),
        ),
    ],
    ids=["only the body", "faulthandler"],
)
def test_other_timeouts_are_heeded_as_well(suite: Suite, options: tuple[str, ...]) -> None:
    suite.write(SHAPES)
    suite.run(*options, "-k", "slow_setup or warmup_calls").assert_outcomes(passed=2, deselected=9)
