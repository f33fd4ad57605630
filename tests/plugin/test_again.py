"""Gates that the machine kept from a verdict are measured again at the end of the session."""

from __future__ import annotations

import pytest

from .conftest import Suite

# How busy a machine is cannot be chosen. So here, too few calls are what the machine is to blame
# for: p95 takes 72, and each part of a gate has 60 at most.
MACHINE = """
from pytest_hancock_latency.core import verdict

verdict._OF_THE_MACHINE = (verdict.Reason.FEW,)
"""
OPEN = """
@latency_budget(p95=500, samples=1, max_samples=60)
def test_open(sample): sample(time.sleep, 0.0001)
"""
STRICT = r"inconclusive p95: 0 of 60 over 500 ms; .* \(strict\)"
ANNOUNCED = "measuring 1 gate again that the machine kept from a verdict"


@pytest.fixture
def kept_open(suite: Suite) -> Suite:
    """A suite in which gates with too few calls are measured again."""
    suite.path.joinpath("conftest.py").write_text(MACHINE)
    return suite


def outcome_of(suite: Suite, *arguments: str) -> tuple[str, int, int]:
    """Outcome, observations and attempt of the only sample."""
    (sample,) = suite.artifact(*arguments)["samples"]
    return sample["outcome"], sample["n"], sample["attempt"]


def test_both_parts_together_decide(kept_open: Suite) -> None:
    kept_open.write(OPEN)
    result = kept_open.run()
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([ANNOUNCED, r"test_it.py::test_open +72 .* within"])
    assert outcome_of(kept_open) == ("within", 72, 2)


@pytest.mark.parametrize("distribution", ["load", "loadgroup", "each", "no"])
def test_the_workers_of_xdist_measure_again_too(kept_open: Suite, distribution: str) -> None:
    kept_open.write(f"{OPEN}\ndef test_other(): pass\n")
    found = outcome_of(kept_open, "-n", "2", f"--dist={distribution}")
    assert found == ("within", 72, 2)


def test_fixtures_of_the_session_are_set_up_once(kept_open: Suite) -> None:
    kept_open.write(
        """
@pytest.fixture(scope="session")
def server():
    print("session up")
    yield
    print("session down")

@pytest.fixture
def client(server):
    print("test up")
    yield
    print("test down")

@latency_budget(p95=500, samples=1, max_samples=60)
def test_open(sample, client): sample(time.sleep, 0.0001)

def test_other(client): pass
"""
    )
    result = kept_open.run("-s")
    lines = [line.lstrip(".") for line in result.outlines]
    order = [line for line in lines if line.endswith((" up", " down", ANNOUNCED))]
    test = ["test up", "test down"]
    assert [line.removeprefix("test_it.py ") for line in order] == (
        ["session up", *test, *test, ANNOUNCED, *test, "session down"]
    )


def test_what_exceeds_the_budget_in_the_second_part_fails(kept_open: Suite) -> None:
    kept_open.write(
        """
parts = []

@latency_budget(p95=5, samples=1, max_samples=60)
def test_open(sample):
    parts.append(1)
    sample(cpu.use, 0.0001 if len(parts) == 1 else 0.1)
"""
    )
    result = kept_open.run("--junitxml=junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([r"FAILED test_it.py::test_open - p95 \d+.* ms > 5 ms, .* over"])


def test_a_second_part_that_passes_is_no_second_test(kept_open: Suite) -> None:
    kept_open.write(OPEN)
    kept_open.run("--junitxml=junit.xml")
    junit = kept_open.path.joinpath("junit.xml").read_text(encoding="utf-8")
    assert junit.count("<testcase") == 1


FAILS_LATER = """
parts = []

@latency_budget(p95=500, samples=1, max_samples=60)
def test_open(sample):
    parts.append(1)
    assert len(parts) == 1, "the account exists"
    sample(time.sleep, 0.0001)
"""


def test_a_test_that_fails_in_its_second_part_keeps_its_first(kept_open: Suite) -> None:
    kept_open.write(FAILS_LATER)
    result = kept_open.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        "test_it.py::test_open: its first measurement stays, as it then failed: AssertionError: "
        "the account exists"
    )
    assert outcome_of(kept_open) == ("inconclusive", 60, 1)
    assert outcome_of(kept_open, "-n", "2") == ("inconclusive", 60, 1)


def test_a_test_that_cannot_be_set_up_again_keeps_its_first_part(kept_open: Suite) -> None:
    kept_open.write(
        f"""
parts = []

@pytest.fixture(autouse=True)
def account():
    parts.append(1)
    if len(parts) > 1:
        pytest.skip("only once")
{OPEN}
"""
    )
    result = kept_open.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        "test_it.py::test_open: its first measurement stays, as it then failed: it was skipped"
    )


def test_what_is_torn_down_last_is_reported_if_it_fails(kept_open: Suite) -> None:
    kept_open.write(
        f"""
@pytest.fixture(scope="session", autouse=True)
def server():
    yield
    raise OSError("still in use")
{OPEN}
def test_other(): pass
"""
    )
    kept_open.run().assert_outcomes(passed=2, errors=1)


def test_a_strict_budget_fails_only_after_its_second_part(kept_open: Suite) -> None:
    kept_open.write(OPEN)
    kept_open.run("--latency-strict").assert_outcomes(passed=1)
    kept_open.write(OPEN.replace("=60", "=30"))
    result = kept_open.run("--latency-strict")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([STRICT])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_strict_budget_without_a_second_part_fails(
    kept_open: Suite, workers: tuple[str, ...]
) -> None:
    kept_open.write(FAILS_LATER)
    result = kept_open.run("--latency-strict", *workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([STRICT])


@pytest.mark.parametrize("how", ["option", "ini", "environment", "report", "time"])
def test_nothing_is_measured_again_where_it_is_switched_off(
    kept_open: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    kept_open.write(OPEN)
    if how == "ini":
        pytester.makeini("[pytest]\nlatency_again = off\n")
    if how == "environment":
        monkeypatch.setenv("HANCOCK_LATENCY_AGAIN", "off")
    arguments = {
        "option": ["--latency-again=off"],
        "report": ["--latency=report"],
        "time": ["--latency-time=1ms"],
    }
    assert outcome_of(kept_open, *arguments.get(how, [])) == ("inconclusive", 60, 1)


def test_a_session_that_stops_at_a_failure_has_no_second_parts(kept_open: Suite) -> None:
    kept_open.write(f"{OPEN}\ndef test_wrong(): assert False\n\ndef test_more(): pass\n")
    assert outcome_of(kept_open, "-x") == ("inconclusive", 60, 1)


def test_other_plugins_see_each_test_once(kept_open: Suite) -> None:
    kept_open.path.joinpath("conftest.py").write_text(
        f"{MACHINE}\ndef pytest_sessionfinish(session): print(len(session.items), 'tests')\n"
    )
    kept_open.write(f"{OPEN}\ndef test_other(): pass\n")
    kept_open.run("-s").stdout.fnmatch_lines("2 tests")


def test_a_test_that_pytest_runs_again_has_its_second_part_once(kept_open: Suite) -> None:
    kept_open.write(
        """
parts = []

@latency_budget(p95=500, samples=1, max_samples=20)
def test_open(sample):
    sample(time.sleep, 0.0001)
    parts.append(1)
    assert len(parts) > 1
"""
    )
    found = outcome_of(kept_open, "-p", "rerunfailures", "--reruns=1")
    assert found == ("inconclusive", 60, 3)


def test_a_body_as_request_is_measured_again(kept_open: Suite) -> None:
    kept_open.write(
        """
import unittest

@latency_budget(p95=500, samples=1, max_samples=60)
def test_function(): time.sleep(0.0001)

class TestCase(unittest.TestCase):
    @latency_budget(p95=500, samples=1, max_samples=60)
    def test_method(self): time.sleep(0.0001)
"""
    )
    samples = kept_open.artifact()["samples"]
    assert [(sample["outcome"], sample["n"]) for sample in samples] == [("within", 72)] * 2
