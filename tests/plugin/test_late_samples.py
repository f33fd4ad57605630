"""Samples that are taken after the body of a test has ended, and tests that each worker runs."""

from __future__ import annotations

import pytest

from .conftest import Suite


def test_what_a_finalizer_measures_is_judged(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p95=2, samples=1, max_samples=72)
def test_finalizer(request, sample):
    sample(int, name="body")
    request.addfinalizer(lambda: sample(cpu.use, 0.05, name="late"))
"""
    )
    result = suite.run("--latency-json=a.json")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines(
        [
            r"late: p95 \d+.* ms > 2 ms, \d+ of \d+ over",
            r"test_it.py::test_finalizer \[late\] .* exceeded p95",
            r"test_it.py::test_finalizer \[body\] .* within",
            r"ERROR test_it.py::test_finalizer - late: p95 .*",
        ]
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_what_a_fixture_measures_while_it_is_torn_down_is_in_the_artifact(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    suite.write(
        """
@pytest.fixture
def service(sample):
    yield
    sample(time.sleep, 0.0001, name="shutdown")

@latency_budget(p95=500, samples=1)
def test_it(service, sample): sample(int, name="body")
"""
    )
    samples = suite.artifact(*workers)["samples"]
    found = {sample["name"]: sample["outcome"] for sample in samples}
    assert found == {"body": "within", "shutdown": "within"}


def test_what_is_measured_before_a_finalizer_fails_has_no_verdict(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p95=500, samples=1)
def test_it(request, sample):
    sample(int, name="body")
    def finalizer():
        sample(int, name="late")
        raise OSError("still in use")
    request.addfinalizer(finalizer)
"""
    )
    samples = suite.artifact()["samples"]
    found = {sample["name"]: (sample["outcome"], sample["not_judged"]) for sample in samples}
    assert found == {"body": ("within", None), "late": ("not judged", "the test itself failed")}


def test_a_thread_that_outlives_its_test_measures_nothing_unseen(suite: Suite) -> None:
    suite.write(
        """
import threading

over = threading.Event()
errors = []

@latency_budget(p95=500, samples=1)
def test_thread(sample):
    def later():
        over.wait(10)
        try:
            sample(int, name="late")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    test_thread.thread = threading.Thread(target=later)
    test_thread.thread.start()
    sample(int, name="body")

def test_after():
    over.set()
    test_thread.thread.join(10)
    assert errors == [
        "LatencyError: test_it.py::test_thread is over, so nobody would see what is measured now: "
        "wait in the test for threads and tasks that measure"
    ]
"""
    )
    suite.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("slow_worker", ["gw0", "gw1"])
def test_of_a_test_that_each_worker_runs_the_worst_record_is_kept(
    suite: Suite, slow_worker: str
) -> None:
    suite.write(
        f"""
import os

@latency_budget(p95=2, samples=1)
def test_it(sample):
    is_slow = os.environ["PYTEST_XDIST_WORKER"] == "{slow_worker}"
    sample(cpu.use if is_slow else int, 0.05)
"""
    )
    (sample,) = suite.artifact("-n", "2", "--dist=each")["samples"]
    assert (sample["outcome"], sample["worker"]) == ("exceeded", slow_worker)
