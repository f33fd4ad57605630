"""Tests that replace the clock, the file system or modules are measured all the same."""

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


# --- whatever is used while a sample runs ---------------------------------------------------------

TAKE = """
import asyncio, contextlib, sys, threading
from unittest.mock import MagicMock, patch

real_sleep = time.sleep

def take(sample):
    sample(real_sleep, 0.002, name="blocks")
    sample(sum, range(20_000), name="computes")
    sample.burst(real_sleep, 0.002, requests=80, name="burst")

async def fetch():
    await asyncio.sleep(0.002)

async def take_awaiting(sample):
    await sample(fetch, name="awaited")
    await sample.burst(fetch, requests=80, name="burst of tasks")
    await sample.at_rate(fetch, per_second=50, duration="1.5s", name="rate of tasks")
"""
REPLACE_ALL = """
import gc, io, os, pathlib, random, resource, select, socket, statistics

SYSTEM = (os, os.path, pathlib.Path, io, time, socket, select, resource)
OWNERS = (*SYSTEM, gc, random, statistics)

@contextlib.contextmanager
def all_replaced(**answer):
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch("socket.socket", **answer))
        for owner in OWNERS:
            for name, value in [*vars(owner).items()]:
                if callable(value) and not name.startswith("_") and not isinstance(value, type):
                    stack.enter_context(patch.object(owner, name, **answer))
        yield
"""


def judged(suite: Suite, *arguments: str) -> list[tuple[str, str]]:
    """Return the title and the outcome of samples that are not *within* or lack the counters."""
    samples = suite.artifact(*arguments)["samples"]
    assert samples
    return [
        (sample["name"], sample["outcome"])
        for sample in samples
        if sample["outcome"] != "within" or not sample["measurement"]["bracket"]
    ]


@pytest.mark.parametrize(
    "answer", ["side_effect=OSError", "return_value=MagicMock()", "return_value='nonsense'"]
)
def test_no_function_of_the_system_is_used_while_it_is_replaced(suite: Suite, answer: str) -> None:
    suite.write(
        f"""{TAKE}{REPLACE_ALL}
@latency_budget(p95=2000)
def test_it(sample):
    with all_replaced({answer}):
        take(sample)
"""
    )
    assert judged(suite) == []


def test_slow_code_is_exceeded_while_everything_is_replaced(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}{REPLACE_ALL}
def spin(clock=time.thread_time):
    until = clock() + 0.05
    while clock() < until:
        pass

@latency_budget(p95=1)
def test_it(sample):
    with all_replaced(side_effect=OSError), patch.dict(sys.modules, clear=True):
        sample(spin, name="slow")
"""
    )
    assert judged(suite) == [("slow", "exceeded")]


def test_modules_are_not_looked_for_while_a_sample_runs(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
OURS = [name for name in sys.modules if name.startswith(("numpy", "pytest_hancock_latency"))]
REPLACED = [({{}}, True), (dict.fromkeys(OURS), False), (dict.fromkeys(OURS, MagicMock()), False)]

@pytest.mark.parametrize(("modules", "is_cleared"), REPLACED)
@latency_budget(p95=2000)
def test_it(sample, modules, is_cleared):
    with patch.dict(sys.modules, modules, clear=is_cleared):
        take(sample)

@latency_budget(p95=2000)
async def awaited(sample):
    with patch.dict(sys.modules, clear=True):
        await take_awaiting(sample)

@latency_budget(p95=2000)
def test_tasks(sample):
    asyncio.run(awaited(sample))
"""
    )
    assert judged(suite) == []


def test_a_test_may_forget_the_modules_that_it_imports(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
@latency_budget(p95=2000)
@patch.dict("sys.modules", {{"redis": None}})
def test_1(sample):
    import numpy
    sample(real_sleep, 0.002)

@latency_budget(p95=2000)
def test_2(sample):
    import numpy
    sample(real_sleep, 0.002)
"""
    )
    suite.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("answer", ["return_value=None", "side_effect=OSError"])
def test_threads_of_a_load_are_none_that_a_test_replaced(suite: Suite, answer: str) -> None:
    suite.write(
        f"""{TAKE}
NAMES = ["Thread", "Barrier", *(f"Thread.{{name}}" for name in ("start", "run", "join"))]

@pytest.mark.parametrize("name", NAMES)
@latency_budget(p95=2000)
def test_burst(sample, name):
    with patch(f"threading.{{name}}", {answer}):
        sample.burst(real_sleep, 0.002, requests=80)

@latency_budget(p95=2000)
def test_rate(sample):
    with patch("threading.Thread", {answer}):
        sample.at_rate(real_sleep, 0.002, per_second=50, duration="1.5s")
"""
    )
    assert judged(suite) == []


@pytest.mark.parametrize("place", ["conftest.py", "test_it.py"])
def test_callers_are_greenlets_wherever_gevent_patches(suite: Suite, place: str) -> None:
    suite.write(
        """
import threading

@latency_budget(p95=5000)
def test_burst(sample):
    patch()
    burst = sample.burst(lambda: time.sleep(0.02) or threading.get_native_id(), requests=80)
    assert {*burst.answers} == {threading.get_native_id()}

def patch():
    from gevent import monkey
    monkey.patch_all()
"""
    )
    if place == "conftest.py":
        suite.path.joinpath(place).write_text("from gevent import monkey\nmonkey.patch_all()\n")
    assert judged(suite) == []


def test_what_asyncio_offers_is_not_looked_for_while_a_sample_runs(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
NAMES = ("Event", "Future", "ensure_future", "gather", "get_running_loop")

@latency_budget(p95=2000)
async def awaited(sample):
    with contextlib.ExitStack() as stack:
        for name in NAMES:
            stack.enter_context(patch(f"asyncio.{{name}}", side_effect=OSError))
        await take_awaiting(sample)

@latency_budget(p95=2000)
def test_tasks(sample):
    asyncio.run(awaited(sample))
"""
    )
    assert judged(suite) == []


def test_numpy_is_imported_before_the_first_schedule_waits(suite: Suite) -> None:
    suite.write(
        """
import sys

@latency_budget(p95=2000)
def test_it(sample):
    assert "numpy" in sys.modules
    sample(int)
"""
    )
    suite.run().assert_outcomes(passed=1)


def test_records_are_kept_once_no_fixture_replaces_the_file_system(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
import os

@pytest.fixture
def replaced():
    with patch("os.path.realpath", return_value=MagicMock()), patch("pathlib.Path.open"):
        yield

@latency_budget(p95=2000)
def test_1(replaced): pass

@latency_budget(p95=2000)
def test_2(): os._exit(1)
"""
    )
    path = suite.path / "artifact.json"
    suite.run(f"--latency-json={path}")
    assert "test_1" in path.with_name("artifact.json.journal").read_text(encoding="utf-8")


# --- tools that replace much at once --------------------------------------------------------------


def test_the_counters_are_read_past_a_fake_file_system(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
from pathlib import Path

@latency_budget(p95=2000)
def test_it(fs, sample):
    fs.create_file("/proc/self/stat", contents="nonsense")
    take(sample)
    assert sample(Path("/proc/self/stat").read_text, name="fake").answer == "nonsense"

@latency_budget(p95=2000)
def test_whole_module(fs_module, sample):
    take(sample)
"""
    )
    assert judged(suite, "-p", "pyfakefs.pytest_plugin", "-p", "cacheprovider") == []


def test_samples_do_not_block_an_event_loop_that_watches_for_it(suite: Suite) -> None:
    suite.write(
        f"""{TAKE}
from blockbuster import blockbuster_ctx

@latency_budget(p95=2000)
async def awaited(sample):
    with blockbuster_ctx():
        await take_awaiting(sample)

@latency_budget(p95=2000)
def test_tasks(sample):
    asyncio.run(awaited(sample))
"""
    )
    assert judged(suite) == []
