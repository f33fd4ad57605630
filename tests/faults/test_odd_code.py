"""Tested code that never returns, recurses, forks, answers too much or turns the clock back.

Each runs in a real session, next to a well-behaved gate whose record must survive.
"""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.files.artifact import read_artifact

from ..plugin.conftest import Suite

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name == "nt", reason="needs the signals and processes of Unix"),
]
ARTIFACT = "--latency-json=artifact.json"
FIRST = """
@latency_budget(p50=1000, samples=5)
def test_before(sample):
    sample(sorted, [2, 1])
"""
LAST = """
@latency_budget(p50=1000, samples=5)
def test_zz_after(sample):
    sample(sorted, [2, 1])
"""


def records(suite: Suite) -> dict[str, Any]:
    artifact = read_artifact(suite.path / "artifact.json")
    return {record.test.rpartition("::")[2]: record for record in artifact.records}


def test_a_call_that_never_returns_ends_with_its_timeout(suite: Suite) -> None:
    suite.write(
        f"""{FIRST}
@latency_budget(p50=1000)
@pytest.mark.timeout(2)
def test_never(sample):
    sample(time.sleep, 1e6)
{LAST}"""
    )
    result = suite.run("-p", "pytest_timeout", ARTIFACT)
    result.assert_outcomes(passed=2, failed=1)
    assert {"test_before", "test_zz_after"} <= set(records(suite))


def test_a_timeout_that_ends_the_process_leaves_what_had_finished(suite: Suite) -> None:
    suite.write(
        f"""{FIRST}
@latency_budget(p50=1000)
@pytest.mark.timeout(2, method="thread")
def test_never(sample):
    sample(time.sleep, 1e6)
{LAST}"""
    )
    suite.run("-p", "pytest_timeout", ARTIFACT)
    assert {"test_before"} == set(records(suite))


def test_endless_recursion_fails_only_its_test(suite: Suite) -> None:
    suite.write(
        f"""{FIRST}
def deeper(n):
    return deeper(n + 1)

@latency_budget(p50=1000)
def test_deep(sample):
    sample(deeper, 0)
{LAST}"""
    )
    result = suite.run(ARTIFACT)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*RecursionError: maximum recursion depth exceeded*"])
    assert {"test_before", "test_zz_after"} <= set(records(suite))


def test_recursion_that_counts_as_a_failed_request_is_counted(suite: Suite) -> None:
    suite.write(
        """
def deeper(n):
    return deeper(n + 1)

@latency_budget(p50=1000, errors="99%", samples=5, max_samples=5)
def test_deep(sample):
    sample(deeper, 0, failures=(RecursionError,))
"""
    )
    suite.run(ARTIFACT)
    assert records(suite)["test_deep"].failures["RecursionError"] >= 5


def test_gigantic_answers_are_not_kept(suite: Suite) -> None:
    suite.write(
        """
import resource

def answer():
    return bytes(100_000_000)

@latency_budget(p50="10s", samples=40)
def test_big(sample):
    measured = sample(answer)
    assert len(measured.answer) == 100_000_000
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak_mb < 600, peak_mb
"""
    )
    suite.run(ARTIFACT).assert_outcomes(passed=1)


def test_code_that_forks_is_measured_once(suite: Suite) -> None:
    suite.write(
        """
import os

def forks():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

@latency_budget(p50="10s", samples=20)
def test_forking(sample):
    sample(forks)

@latency_budget(p50="10s", samples=5)
def test_multiprocessing(sample):
    import multiprocessing
    pool_of = multiprocessing.get_context("fork").Pool
    def call():
        with pool_of(1) as pool:
            return pool.apply(sorted, ([2, 1],))
    assert sample(call).answer == [1, 2]
"""
    )
    result = suite.run(ARTIFACT, "-W", "ignore::DeprecationWarning")
    result.assert_outcomes(passed=2)
    assert {name: record.n for name, record in records(suite).items()} == {
        "test_forking": 20,
        "test_multiprocessing": 6,
    }


def test_a_child_that_goes_on_with_the_test_writes_nothing(suite: Suite) -> None:
    suite.write(
        f"""{FIRST}
import os

@latency_budget(p50="10s", samples=5, warmup=0)
def test_forking(sample):
    calls = []
    def forks():
        calls.append(1)
        if len(calls) == 1 and os.fork() == 0:
            raise SystemExit(0)  # leaves through pytest's own hooks
    sample(forks)
"""
    )
    suite.run(ARTIFACT)
    assert {"test_before", "test_forking"} == set(records(suite))
    assert records(suite)["test_forking"].n == 6


@pytest.mark.parametrize("warmup", [0, 5])
def test_a_child_that_returns_from_the_call_measures_nothing(suite: Suite, warmup: int) -> None:
    suite.write(
        f"""
import os

@latency_budget(p50="10s", samples=5, warmup={warmup})
def test_forking(sample):
    def forks():
        child = os.fork()
        if child == 0:
            return
        os.waitpid(child, 0)
    sample(forks)
"""
    )
    result = suite.run(ARTIFACT, "-p", "no:terminal", "-s")
    assert result.ret == 0
    assert records(suite)["test_forking"].n == 6


def test_a_child_that_returns_from_the_call_says_what_to_do(suite: Suite) -> None:
    suite.write(
        """
import os

@latency_budget(p50="10s", samples=5)
def test_forking(sample):
    calls = []
    def forks():
        calls.append(1)
        child = os.fork() if len(calls) == 3 else 1
        if child > 1:
            os.waitpid(child, 0)
    sample(forks)
"""
    )
    result = suite.run()
    result.stdout.fnmatch_lines(
        [
            "E*LatencyError: the call forked, and its child returned from it: end the child with "
            "os._exit(), or start it with subprocess or multiprocessing"
        ]
    )
    assert result.ret == 0


def test_a_wall_clock_that_jumps_changes_no_latency(suite: Suite) -> None:
    (suite.path / "conftest.py").write_text(
        """
import itertools, time
_true, _jumps = time.time, itertools.cycle([0, 86_400, -86_400])
time.time = lambda: _true() + next(_jumps)
"""
    )
    suite.write(FIRST)
    suite.run(ARTIFACT, "--latency-history=history").assert_outcomes(passed=1)
    record = records(suite)["test_before"]
    assert record.outcome == "within"
    assert record.quantiles_ns["max"] < 10**9
    assert len(list((suite.path / "history").iterdir())) == 1


@pytest.mark.timeout(900)
def test_ten_thousand_gates_in_one_session(suite: Suite) -> None:
    suite.write(
        """
@pytest.mark.parametrize("number", range(10_000))
@latency_budget(max="10s", samples=1, warmup=0)
def test_gate(sample, number):
    sample(sorted, [2, 1])
"""
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    suite.run(ARTIFACT, "-q").assert_outcomes(passed=10_000)
    content = json.loads((suite.path / "artifact.json").read_text())
    assert 10_000 == content["counts"]["within"] == len(content["samples"])
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    assert peak < 1500, f"{peak:.0f} MB"


def test_a_sample_of_ten_million_observations(suite: Suite) -> None:
    suite.write(
        """
def nothing():
    pass

@latency_budget(p50="10s", samples=10_000_000, max_samples=10_000_000, time_limit="2min")
def test_many(sample):
    assert sample(nothing).n == 10_000_000
"""
    )
    suite.run(ARTIFACT, "--latency-time=10min").assert_outcomes(passed=1)
    assert records(suite)["test_many"].histogram.n == 10_000_000
    assert (suite.path / "artifact.json").stat().st_size < 200_000


def test_five_hundred_named_samples_in_one_test(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50="10s", samples=5)
def test_many(sample):
    for number in range(500):
        sample(sorted, [2, 1], name=f"sample {number}")
"""
    )
    suite.run(ARTIFACT).assert_outcomes(passed=1)
    artifact = read_artifact(suite.path / "artifact.json")
    assert [f"sample {number}" for number in range(500)] == [r.name for r in artifact.records]


def test_a_working_directory_that_vanishes_costs_no_record(suite: Suite, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    suite.write(
        f"""
import os, shutil
{FIRST}
@latency_budget(p50="10s", samples=5)
def test_vanishing(sample):
    os.chdir({str(gone)!r})
    shutil.rmtree({str(gone)!r})
    sample(sorted, [2, 1])
"""
    )
    suite.run(f"--latency-json={suite.path / 'artifact.json'}")
    assert {"test_before", "test_vanishing"} == set(records(suite))
