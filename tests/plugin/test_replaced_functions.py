"""Tests that replace the clock, or what opens files, are measured all the same."""

from __future__ import annotations

import pytest

from .conftest import Suite

# What libraries that freeze time do: wherever a module has the real function, it gets a frozen one.
FREEZE = """
import sys, time

NAMES = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
FROZEN = {id(getattr(time, name)): lambda: 0 for name in NAMES}
REAL_THREAD_TIME = time.thread_time

def freeze():
    for module in [*sys.modules.values()]:
        for name, value in [*vars(module).items()]:
            if id(value) in FROZEN:
                setattr(module, name, FROZEN[id(value)])
"""
SLOW = """
def spin():
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass

@latency_budget(p95=1)
def test_slow(sample): sample(spin)

@latency_budget(p95=1)
def test_slow_body(): spin()
"""


def outcomes(suite: Suite) -> list[tuple[str, bool]]:
    samples = suite.artifact()["samples"]
    return [(sample["outcome"], sample["quantiles_ns"]["p50"] > 40e6) for sample in samples]


def test_a_clock_that_a_conftest_froze_is_not_the_one_that_measures(suite: Suite) -> None:
    suite.path.joinpath("conftest.py").write_text(f"{FREEZE}\nfreeze()\n")
    suite.write(SLOW)
    assert outcomes(suite) == [("exceeded", True)] * 2


def test_a_clock_that_a_fixture_freezes_is_not_the_one_that_measures(suite: Suite) -> None:
    fixture = "@pytest.fixture(autouse=True)\ndef frozen(): freeze()\n"
    suite.write(f"{FREEZE}\n{fixture}\n{SLOW}")
    assert outcomes(suite) == [("exceeded", True)] * 2


def test_a_frozen_clock_leaves_standalone_measuring_alone(suite: Suite) -> None:
    suite.write(
        f"""
{FREEZE}
from pytest_hancock_latency import measure

def test_measure():
    freeze()
    assert measure(int, samples=50).p50_ms > 0
"""
    )
    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["time.sleep", "time.perf_counter_ns", "time.thread_time_ns"])
def test_an_open_loop_keeps_its_schedule_under_a_patched_clock(suite: Suite, name: str) -> None:
    suite.write(
        f"""
from unittest.mock import patch

@latency_budget(p95=2000)
@patch("{name}")
def test_rate(_patched, sample):
    sample.at_rate(int, per_second=50, duration="1.5s")
"""
    )
    (sample,) = suite.artifact()["samples"]
    assert sample["measurement"]["elapsed_ns"] > 1.4e9


def test_a_patched_sleep_of_asyncio_is_not_the_one_that_keeps_the_schedule(suite: Suite) -> None:
    suite.write(
        """
import asyncio
from unittest.mock import AsyncMock, patch

async def fetch(): pass

@latency_budget(p95=2000)
@patch("asyncio.sleep", new_callable=AsyncMock)
def test_rate(_patched, sample):
    asyncio.run(sample.at_rate(fetch, per_second=50, duration="1.5s"))
"""
    )
    (sample,) = suite.artifact()["samples"]
    assert sample["measurement"]["elapsed_ns"] > 1.4e9


@pytest.mark.parametrize("content", ["'x=1'", "'12 34'", "b'bytes'", "''"])
def test_files_that_a_test_makes_up_are_not_read_as_counters(suite: Suite, content: str) -> None:
    suite.write(
        f"""
from unittest.mock import mock_open, patch

@latency_budget(p95=500)
@patch("builtins.open", mock_open(read_data={content}))
def test_closed(sample): sample(time.sleep, 0.002)

@latency_budget(p95=2000)
@patch("builtins.open", mock_open(read_data={content}))
def test_burst(sample): sample.burst(time.sleep, 0.002, requests=80)
"""
    )
    samples = suite.artifact()["samples"]
    assert [sample["outcome"] for sample in samples] == ["within", "within"]
