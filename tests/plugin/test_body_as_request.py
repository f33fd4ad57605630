"""The body of a test is the request, unless it asks for the fixture or fails without raising."""

from __future__ import annotations

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
    suite.write(SOFT)
    result = suite.run("-p", "pytest_check.plugin")
    result.assert_outcomes(failed=1)
    assert (suite.path / "calls").read_text() == "x"
    result.stdout.no_fnmatch_line("*nothing was measured*")


def test_subtests_that_pass_are_measured(suite: Suite) -> None:
    suite.write(SUBTESTS.replace("!= 1", "!= 9").replace("number, 1)", "number, 9)"))
    result = suite.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines("2 within*")
