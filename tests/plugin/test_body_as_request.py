"""The body of a test is the request, as far as it can be called again."""

from __future__ import annotations

import json

import pytest

from .conftest import Suite

ASKING = """
@pytest.fixture
def gate(request):
    return lambda *arguments: request.getfixturevalue("sample")(*arguments)

def note(): open("calls", "a").write("x")

@latency_budget(p95=100)
def test_by_request(request):
    note()
    request.getfixturevalue("sample")(time.sleep, 0.001)

@latency_budget(p95=100)
def test_by_name(request):
    note()
    request.getfixturevalue("sample")(time.sleep, 0.001, name="one")

@latency_budget(p95=100)
def test_by_helper(gate):
    note()
    gate(time.sleep, 0.001)
"""


def test_a_body_that_asks_for_the_fixture_is_not_the_request(suite: Suite) -> None:
    suite.write(ASKING)
    samples = suite.artifact()["samples"]
    named = {(sample["test"].rpartition("::")[2], sample["name"]) for sample in samples}
    assert named == {("test_by_request", ""), ("test_by_name", "one"), ("test_by_helper", "")}
    assert all(sample["verdict"]["outcome"] == "within" for sample in samples)
    assert (suite.path / "calls").read_text() == "xxx"


def test_a_body_that_asks_for_the_fixture_in_vain_has_measured_nothing(suite: Suite) -> None:
    suite.write(
        "@latency_budget(p95=100)\ndef test_it(request): request.getfixturevalue('sample')\n"
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "nothing was measured: this test has a latency budget but never called its sample fixture"
    )


ASYNC = """
import asyncio

@latency_budget(p95=100)
async def test_it(request):
    sample = request.getfixturevalue("sample")
    await sample(asyncio.sleep, 0.001)
"""


def test_a_coroutine_may_ask_for_the_fixture_as_well(suite: Suite) -> None:
    suite.write(ASYNC)
    result = suite.run("-p", "asyncio", "--asyncio-mode=auto")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*within*")


FEATURE = """
Feature: search
  Scenario: searching is fast
    Given an index
    Then it is fast
"""
STEPS = """
from pytest_bdd import given, scenario, then

@latency_budget(p95=100)
@scenario("fast.feature", "searching is fast")
def test_fast(): pass

@given("an index", target_fixture="index")
def _(): return ["a", "b"]

@then("it is fast")
def _(index, sample): sample(index.index, "b")
"""


def test_a_step_of_a_scenario_may_measure(suite: Suite) -> None:
    pytest.importorskip("pytest_bdd")
    (suite.path / "fast.feature").write_text(FEATURE)
    suite.write(STEPS)
    result = suite.run("-p", "pytest_bdd.plugin")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("test_it.py::test_fast *within")


SUBTESTS = """
import unittest

@latency_budget(p95=100)
def test_subtests(subtests):
    open("calls", "a").write("x")
    for number in range(3):
        with subtests.test(number=number):
            assert number != 1

class Case(unittest.TestCase):
    @latency_budget(p95=100)
    def test_case(self):
        open("calls", "a").write("x")
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)
"""
SOFT = """
from pytest_check import check

@latency_budget(p95=100)
def test_soft():
    open("calls", "a").write("x")
    check.equal(1, 2)
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has subtests")
def test_a_body_with_a_failed_subtest_is_not_called_again(suite: Suite) -> None:
    suite.write(SUBTESTS)
    result = suite.run()
    assert result.ret == 1
    lines = [line for line in result.outlines if line.startswith("SUBFAILED")]
    assert len(lines) == 2
    assert (suite.path / "calls").read_text() == "xx"
    result.stdout.no_fnmatch_line("*nothing was measured*")


def test_a_body_with_a_failed_soft_check_is_not_called_again(suite: Suite) -> None:
    pytest.importorskip("pytest_check")
    suite.write(SOFT)
    result = suite.run("-p", "pytest_check.plugin")
    result.assert_outcomes(failed=1)
    assert (suite.path / "calls").read_text() == "x"
    result.stdout.no_fnmatch_line("*nothing was measured*")


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has subtests")
def test_subtests_that_pass_are_measured(suite: Suite) -> None:
    suite.write(SUBTESTS.replace("!= 1", "!= 9").replace("number, 1)", "number, 9)"))
    result = suite.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines("2 within*")


ONCE = """
def test_once(tmp_path):
    open("calls", "a").write("x")
    (tmp_path / "folder").mkdir()
def test_with_a_sample(sample): sample(time.sleep, 0.001)
"""


def test_with_the_default_budget_a_body_is_called_once(suite: Suite) -> None:
    suite.write(ONCE)
    result = suite.run("--latency-default=p95=10s,max=20s")
    result.assert_outcomes(passed=2)
    assert (suite.path / "calls").read_text() == "x"
    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_once * inconclusive *",
            "test_it.py::test_with_a_sample * within",
            "advice for test_it.py::test_once: called once, as each test with the budget of "
            "--latency-default: percentiles need more calls, by --latency-repeat, a marker, or a "
            "pattern in the budget file; or merge the artifacts of several runs (called-once)",
        ]
    )
    result.stdout.no_fnmatch_line("*InconclusiveWarning*")
    result.stdout.no_fnmatch_line("*test_once: *needs*")


@pytest.mark.parametrize("limits", ["max=20s", "p95=10s"])
def test_in_report_mode_it_is_called_once_too(suite: Suite, limits: str) -> None:
    suite.write(ONCE)
    suite.run("--latency=report", f"--latency-default={limits}").assert_outcomes(passed=2)
    assert (suite.path / "calls").read_text() == "x"


def test_runs_with_one_call_each_are_pooled_when_they_are_merged(suite: Suite) -> None:
    suite.write("def test_once(): time.sleep(0.001)\n")
    files = [f"{number}.json" for number in range(8)]
    for file in files:
        suite.run("--latency-default=p50=10s", f"--latency-json={file}")
    merged = suite.command("merge", *files)
    assert json.loads(merged)["samples"][0]["n"] == len(files)
    assert "p50 = " in suite.command("suggest", *files)


LEAVING = """
def test_leaving(tmp_path):
    open("calls", "a").write("x")
    (tmp_path / "folder").mkdir()
"""
NOT_REPEATABLE = (
    "advice for test_it.py::test_leaving: call 2 of the test body failed (FileExistsError) "
    "although the first passed: it cannot be repeated with its fixtures set up once, so only the "
    "first call counts, for max; measure only the request, sample(function, …) (not-repeatable)"
)


@pytest.mark.parametrize("mode", ["gate", "report"])
@pytest.mark.parametrize("strict", [(), ("--latency-strict",)], ids=["lenient", "strict"])
def test_a_body_that_cannot_be_called_again_is_listed_and_passes(
    suite: Suite, mode: str, strict: tuple[str, ...]
) -> None:
    suite.write("@latency_budget(p95=100)" + LEAVING)
    result = suite.run(f"--latency={mode}", *strict)
    result.assert_outcomes(passed=1)
    assert (suite.path / "calls").read_text() == "xx"
    result.stdout.fnmatch_lines(["test_it.py::test_leaving * not judged", NOT_REPEATABLE])


AGAIN = """
import unittest
once = []

@latency_budget(p95=100)
def test_subtests(subtests):
    once.append(0)
    with subtests.test(calls=len(once)):
        assert len(once) == 1

class Case(unittest.TestCase):
    once = []
    @latency_budget(p95=100)
    def test_case(self):
        self.once.append(0)
        with self.subTest(calls=len(self.once)):
            self.assertEqual(len(self.once), 1)
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has subtests")
def test_a_subtest_that_fails_in_a_later_call_is_listed_and_passes(suite: Suite) -> None:
    suite.write(AGAIN)
    result = suite.run()
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*SUBFAILED*")
    result.stdout.fnmatch_lines(
        "advice for all 2 samples: call 2 of the test body failed (a subtest or a soft check) *"
    )


def test_a_body_that_cannot_be_called_again_is_judged_by_its_maximum(suite: Suite) -> None:
    suite.write("@latency_budget(p95=100, max=20_000)" + LEAVING)
    suite.write("@latency_budget(p95=1, max=2)" + LEAVING + "    cpu.use(0.05)\n", "test_slow.py")
    result = suite.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "test_slow.py",
            "  test_leaving * max 2 * exceeded max",
            "test_it.py",
            "  test_leaving * max 20000 * within",
            "FAILED test_slow.py::test_leaving - max * > 2 ms, 1 of 1 over",
        ]
    )


@pytest.mark.parametrize("warmup", [0, 3, "'auto'"])
def test_a_body_may_fail_in_any_call_after_the_first(suite: Suite, warmup: object) -> None:
    suite.write(
        f"""
numbers = iter(range(8))
@latency_budget(p95=100, warmup={warmup})
def test_eight(): next(numbers)
@latency_budget(p95=100, warmup={warmup})
def test_skipping(first=[]):
    if first: pytest.skip("once")
    first.append(0)
@latency_budget(p95=100, warmup={warmup})
def test_first(): assert 0
"""
    )
    result = suite.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "advice for test_it.py::test_eight: call 9 of the test body failed (StopIteration) *",
            "advice for test_it.py::test_skipping: call 2 of the test body failed (Skipped) *",
        ]
    )


def test_without_a_warm_up_the_first_call_of_a_body_counts(suite: Suite) -> None:
    suite.write(
        """
calls = []
@latency_budget(max=20, warmup=0, samples=50, max_samples=50)
def test_cold():
    calls.append(0)
    if len(calls) == 1: cpu.use(0.05)
"""
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("FAILED test_it.py::test_cold - max * > 20 ms, 1 of * over")


def test_a_coroutine_that_cannot_be_called_again_passes(suite: Suite) -> None:
    suite.write("@latency_budget(p95=100)" + LEAVING.replace("\ndef", "\nasync def"))
    result = suite.run("-p", "asyncio", "--asyncio-mode=auto")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("test_it.py::test_leaving * not judged")


def test_a_later_call_that_takes_too_long_fails(suite: Suite) -> None:
    suite.write(
        """
calls = []
@pytest.mark.timeout(2)
@latency_budget(p50=20)
def test_hanging():
    calls.append(0)
    if len(calls) == 2: time.sleep(9)
"""
    )
    result = suite.run("-p", "pytest_timeout")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*Timeout (>2.0s) from pytest-timeout.")


BENCHMARKS = """
def test_by_fixture(benchmark): benchmark(lambda: None)
@pytest.mark.benchmark
def test_by_marker(tmp_path): time.sleep(0.001)
def test_other(): pass
"""


def test_tests_of_pytest_benchmark_get_no_default_budget(suite: Suite) -> None:
    pytest.importorskip("pytest_benchmark")
    suite.write(BENCHMARKS)
    plugin = ("-p", "pytest_benchmark.plugin")
    result = suite.run(*plugin, "--latency-default=p95=100", "--latency-repeat")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines("1 within*")


def test_tests_of_codspeed_get_no_default_budget(suite: Suite) -> None:
    pytest.importorskip("pytest_codspeed")
    suite.write(BENCHMARKS)
    plugin = ("-p", "pytest_codspeed.plugin", "--codspeed", "--codspeed-mode=walltime")
    result = suite.run(*plugin, "--latency-default=p95=100", "--latency-repeat")
    result.assert_outcomes(passed=2, deselected=1)
    result.stdout.no_fnmatch_line("*latency budgets*")


def test_suggestions_name_the_tests_that_were_called_once(suite: Suite) -> None:
    suite.write(LEAVING)
    report = ("--latency=report", "--latency-default=p95=100", "--latency-json=out.json")
    suite.run(*report)
    assert suite.command("suggest", "out.json").splitlines()[2:4] == [
        "# called once: measure with --latency-repeat, or merge the artifacts of several runs",
        '# [budgets."test_it.py::test_leaving"]',
    ]
    suite.run(*report, "--latency-repeat")
    assert suite.command("suggest", "out.json").splitlines()[2:4] == [
        "# the test cannot be repeated with its fixtures set up once: measure only the request, "
        "sample(function, ...)",
        '# [budgets."test_it.py::test_leaving"]',
    ]
