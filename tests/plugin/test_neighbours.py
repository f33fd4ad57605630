"""Beside the plugins that suites really have: each of them real, in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from .conftest import Suite

NEIGHBOURS = [
    "pytest-xdist",
    "pytest-rerunfailures",
    "pytest-randomly",
    "pytest-timeout",
    "pytest-cov",
    "coverage",
    "pytest-asyncio",
    "anyio",
    "pytest-benchmark",
    "pytest-codspeed",
    "locust",
    "pytest-html",
]


def _missing() -> list[str]:
    def is_here(name: str) -> bool:
        try:
            return bool(version(name))
        except PackageNotFoundError:
            return False

    return [name for name in NEIGHBOURS if not is_here(name)]


# The environments of tox that go without one of them go without this module.
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(_missing()), reason=f"without {', '.join(_missing())}"),
]

FAST = """
@latency_budget(p50=500, samples=1)
def test_fast(sample): sample(time.sleep, 0.0001)
"""
SLOW = """
@latency_budget(p50=1, p95=2)
def test_slow(sample): sample(cpu.use, 0.05)
"""


@pytest.fixture(autouse=True, scope="module")
def versions(request: pytest.FixtureRequest) -> None:
    """Print which neighbours these were."""
    here = [name for name in NEIGHBOURS if name not in _missing()]
    found = ", ".join(f"{name} {version(name)}" for name in here)
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\nneighbours: pytest {pytest.__version__}, {found}")


def outcomes(suite: Suite, *arguments: str) -> dict[str, str]:
    """Outcome of each sample by the name of its test."""
    samples = suite.artifact(*arguments)["samples"]
    return {sample["test"].partition("::")[2]: sample["outcome"] for sample in samples}


@pytest.mark.parametrize("distribution", ["load", "loadscope", "loadgroup", "worksteal"])
def test_xdist(suite: Suite, distribution: str) -> None:
    suite.write(FAST + SLOW)
    found = outcomes(suite, "-n", "2", f"--dist={distribution}")
    assert found == {"test_fast": "within", "test_slow": "exceeded"}


def test_xdist_with_no_process_of_its_own(suite: Suite) -> None:
    suite.write(FAST)
    assert outcomes(suite, "-p", "xdist", "-n", "0") == {"test_fast": "within"}


def test_a_rerun_combines_samples_and_does_not_hide_an_exceeded_budget(suite: Suite) -> None:
    suite.write(SLOW)
    artifact = suite.artifact("-p", "rerunfailures", "--reruns=2")
    (sample,) = artifact["samples"]
    assert (sample["outcome"], sample["attempt"]) == ("exceeded", 3)
    assert sample["n"] == sample["verdict"]["n"] > 100


def test_a_rerun_of_a_test_that_itself_failed_keeps_its_observations(suite: Suite) -> None:
    suite.write(
        """
attempts = []

@latency_budget(p50=500, samples=50)
def test_flaky(sample):
    sample(time.sleep, 0.0001)
    attempts.append(1)
    assert len(attempts) == 2
"""
    )
    (sample,) = suite.artifact("-p", "rerunfailures", "--reruns=1")["samples"]
    assert (sample["outcome"], sample["n"]) == ("within", 100)


def test_randomly_shuffles_and_reseeds_as_if_we_were_not_there(suite: Suite) -> None:
    suite.write(
        FAST
        + """
import random

@latency_budget(p50=500, samples=1)
def test_random(sample):
    before = random.getstate()
    sample(time.sleep, 0.0001)
    assert random.getstate() == before
"""
    )
    assert set(outcomes(suite, "-p", "randomly").values()) == {"within"}


@pytest.mark.parametrize("how", ["option", "marker", "ini", "environment"])
def test_our_time_limit_stays_under_pytest_timeout(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "environment":
        monkeypatch.setenv("PYTEST_TIMEOUT", "2")
    marker = "@pytest.mark.timeout(2)\n" if how == "marker" else ""
    if how == "ini":
        pytester.makeini("[pytest]\ntimeout = 2\n")
    suite.write(
        f"{marker}@latency_budget(p99_9=900, time_limit='60s')\n"
        "def test_long(sample): sample(time.sleep, 0.005)\n"
    )
    options = ["--timeout=2"] if how == "option" else []
    (sample,) = suite.artifact("-p", "timeout", *options)["samples"]
    assert sample["outcome"] == "inconclusive"
    assert sample["measurement"]["elapsed_ns"] < 2_000_000_000


def test_pairs_stay_under_pytest_timeout(suite: Suite) -> None:
    suite.write(
        "def test_pairs(sample):\n"
        "    sample.pairs(lambda: time.sleep(0.02), lambda: time.sleep(0.02), pairs=10_000)\n"
    )
    suite.run("-p", "timeout", "--timeout=4").assert_outcomes(passed=1)


COVERED = """
def work(): return sum(range(500))

@latency_budget(p50=500, samples=1)
def test_covered(sample): sample(work)
"""


@pytest.mark.parametrize(
    "core",
    [
        "ctrace",
        "pytrace",
        pytest.param(
            "sysmon",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12"),
        ),
    ],
)
def test_coverage_is_noticed_and_never_fails_a_test_by_itself(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, core: str
) -> None:
    monkeypatch.setenv("COVERAGE_CORE", core)
    suite.write(COVERED)
    result = suite.run("-p", "pytest_cov", "--cov=.", "--latency-json=artifact.json")
    result.assert_outcomes(passed=1)
    (sample,) = json.loads((suite.path / "artifact.json").read_text())["samples"]
    (advice,) = (a for a in sample["measurement"]["advice"] if a["kind"] == "tracer")
    assert re.fullmatch(
        r"sys\.(settrace|monitoring \(coverage\.py\)) was active: latencies include its overhead; "
        r"measure without coverage, debugger or profiler",
        advice["text"],
    )
    result.stdout.fnmatch_lines("advice for test_it.py::test_covered: *was active*")


GIVEN = """
from hypothesis import HealthCheck, given, settings, strategies as st
TEN = settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])

@latency_budget(p95=20_000)
@TEN
@given(st.lists(st.integers()))
def test_body(numbers): sorted(numbers)

@latency_budget(p95=20_000)
@TEN
@given(st.lists(st.integers()))
def test_sample(sample, numbers): sample(sorted, numbers)
"""


def test_a_body_with_generated_examples_is_one_request(suite: Suite) -> None:
    suite.write(GIVEN)
    result = suite.run("-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *LatencyError: an unnamed sample was already measured in this test: give each "
            "sample its own name=...",
            "E *sample=<sample of test_it.py::test_sample: ''>,",
            "test_it.py::test_body * within",
        ]
    )


TRACED = """
def work():
    for number in range(2000): number += 1

@latency_budget(p50=0.01)
def test_traced(sample): sample(work)

@latency_budget(p50=0.01)
def test_burst(sample): sample.burst(work, requests=60)

@latency_budget(max=0.01)
def test_each(sample): sample(work)
"""


def test_code_that_is_slow_under_coverage_is_not_exceeded(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_CORE", "pytrace")  # no bound is known of it
    suite.write(TRACED)
    result = suite.run("-p", "pytest_cov", "--cov=.")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "3 inconclusive: tracer (*",
            "test_it.py::test_burst: inconclusive p50 (tracer): 60 of 60 over 10 µs, all of them "
            "only because of a tracer, as far as is known; run gates without it",
        ]
    )


ASYNC = """
import asyncio
loops = []

@latency_budget(p50=500, samples=1)
async def test_whole():
    loops.append(asyncio.get_running_loop())
    await asyncio.sleep(0)
    assert len(set(loops)) == 1

@latency_budget(p50=500, samples=1)
async def test_sampled(sample):
    here = asyncio.get_running_loop()

    async def fetch():
        assert asyncio.get_running_loop() is here

    await sample(fetch)
    burst = await sample.burst(fetch, requests=20, name="burst")
    assert burst.n == 20
"""
WHOLE_AND_SAMPLED = {"test_whole": "within", "test_sampled": "within"}


def test_asyncio_in_auto_mode(suite: Suite) -> None:
    suite.write(ASYNC)
    found = outcomes(suite, "-p", "asyncio", "--asyncio-mode=auto")
    assert found == WHOLE_AND_SAMPLED


def test_asyncio_in_strict_mode(suite: Suite) -> None:
    suite.write("pytestmark = pytest.mark.asyncio\n" + ASYNC)
    found = outcomes(suite, "-p", "asyncio", "--asyncio-mode=strict")
    assert found == WHOLE_AND_SAMPLED


def test_anyio(suite: Suite) -> None:
    suite.write(
        "pytestmark = pytest.mark.anyio\n"
        "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n" + ASYNC
    )
    assert outcomes(suite, "-p", "anyio") == WHOLE_AND_SAMPLED


@pytest.mark.parametrize(
    ("neighbour", "fixture"), [("benchmark", "benchmark"), ("codspeed", "codspeed_benchmark")]
)
def test_benchmark_plugins_keep_their_fixture(suite: Suite, neighbour: str, fixture: str) -> None:
    suite.write(FAST + f"\ndef test_theirs({fixture}): assert {fixture}(int) == 0\n")
    result = suite.run("-p", neighbour)
    result.assert_outcomes(passed=2)


def test_locusts_own_pytest_plugin(suite: Suite) -> None:
    suite.write(FAST)
    assert outcomes(suite, "-p", "locust") == {"test_fast": "within"}


def test_the_html_report_shows_the_reason(suite: Suite) -> None:
    suite.write(SLOW)
    suite.run("-p", "metadata", "-p", "html", "--html=report.html", "--self-contained-html")
    written = (suite.path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"p\d+ \d+(\.\d+)? ms .{1,12} [12] ms, \d+ of \d+ over", written)


def test_a_method_of_a_unittest_test_case_is_measured_as_a_whole(suite: Suite) -> None:
    suite.write(
        """
import unittest

class TestCase(unittest.TestCase):
    def setUp(self):
        self.calls = 0

    @latency_budget(p50=500, samples=1)
    def test_method(self):
        self.calls += 1
        assert self.calls <= 11

    @latency_budget(p50=1, p95=2)
    def test_slow(self):
        time.sleep(0.01)
"""
    )
    assert outcomes(suite) == {
        "TestCase::test_method": "within",
        "TestCase::test_slow": "exceeded",
    }


def test_subtests(suite: Suite) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests")
    suite.write(
        """
@latency_budget(p50=500, samples=1)
def test_parts(sample, subtests):
    for name in ("one", "two"):
        with subtests.test(name):
            sample(time.sleep, 0.0001, name=name)
"""
    )
    samples = suite.artifact()["samples"]
    assert [(s["name"], s["outcome"]) for s in samples] == [("one", "within"), ("two", "within")]


def test_doctests(suite: Suite) -> None:
    suite.write(
        FAST + '\ndef double(x):\n    """\n    >>> double(2)\n    4\n    """\n    return 2 * x\n'
    )
    suite.run("--doctest-modules").assert_outcomes(passed=2)


def test_stopping_at_the_first_failure(suite: Suite) -> None:
    suite.write(SLOW + FAST)
    suite.run("-x").assert_outcomes(failed=1)


def test_running_the_last_failures(suite: Suite, pytester: pytest.Pytester) -> None:
    suite.write(SLOW + FAST)
    first = pytester.runpytest_subprocess("-p", "hancock_latency")
    first.assert_outcomes(failed=1, passed=1)
    again = pytester.runpytest_subprocess("-p", "hancock_latency", "--lf")
    again.assert_outcomes(failed=1)


def test_a_broken_budget_under_pdb_ends_by_itself_when_its_input_does(suite: Suite) -> None:
    suite.write(SLOW)
    result = suite.run("--pdb")
    result.stdout.fnmatch_lines("*of * over")
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize("strict", [True, False])
def test_expected_failures(suite: Suite, strict: bool) -> None:
    mark = f"@pytest.mark.xfail(strict={strict})"
    suite.write(f"{mark}{SLOW}{mark}{FAST}".replace(")\n@", ")\n@"))
    expected: dict[str, Any] = (
        {"xfailed": 1, "failed": 1} if strict else {"xfailed": 1, "xpassed": 1}
    )
    suite.run().assert_outcomes(**expected)
