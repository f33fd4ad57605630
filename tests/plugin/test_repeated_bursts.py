"""Repeated bursts in a suite: what the report, the artifacts and the command line say of them."""

from __future__ import annotations

import json

import pytest

from tests.plugin.conftest import Suite

pytestmark = pytest.mark.usefixtures("suite")

FAST = "sample.burst(len, 'abc', requests=10, concurrency=2, repeat={repeat})"


def lines_with(text: str, lines: list[str]) -> list[str]:
    return [line for line in lines if text in line]


def test_as_many_bursts_are_made_as_a_verdict_takes(suite: Suite) -> None:
    suite.write(f"""
@latency_budget(p50=500)
def test_it(sample):
    {FAST.format(repeat='"decided"')}
    burst = sample.samples[-1]
    assert burst.within and len(burst.bursts) == 6
""")
    (record,) = suite.artifact()["samples"]
    (part,) = record["verdict"]["limits"]
    assert (part["bursts"], part["n"], part["outcome"]) == (6, 60, "within")
    assert record["measurement"]["loop"] == "bursts"
    assert record["verdict"]["method"] == "mixture e-process of shares of bursts"


def test_too_few_bursts_for_a_pass_are_announced_and_explained(suite: Suite) -> None:
    suite.write(f"""
@latency_budget(p95=500)
def test_it(sample):
    {FAST.format(repeat=20)}
""")
    result = suite.run()
    advice = (
        "20 bursts cannot show p95 to be within: that takes 72; "
        'use repeat="decided" or repeat=72 (few-bursts)'
    )
    assert lines_with("few-bursts", result.outlines) == [
        f"test_it: {advice}",
        f"advice for test_it.py::test_it: {advice}",
    ]
    assert (
        "test_it.py::test_it: inconclusive p95: 0 of 200 over 500 ms in 20 bursts; "
        "p95 needs 72 bursts" in result.outlines
    )


def test_bursts_over_a_limit_fail_the_test_after_a_few(suite: Suite) -> None:
    suite.write("""
@latency_budget(p95=1)
def test_it(sample):
    sample.burst(cpu.use, 0.003, requests=4, concurrency=1, repeat=20)
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    (line,) = lines_with("exceeded p95: ", result.outlines)
    assert line.startswith("exceeded p95: 28 of 28 over 1 ms in 7 bursts (100 %, allowed 5 %); p95")
    (failed,) = lines_with("FAILED", result.outlines)
    assert failed.endswith("> 1 ms, 28 of 28 over in 7 bursts")


@pytest.mark.parametrize("mode", ["report", "off"])
def test_other_modes_never_fail(suite: Suite, mode: str) -> None:
    suite.write("""
@latency_budget(p95=0.001)
def test_it(sample):
    sample.burst(cpu.use, 0.003, requests=2, repeat="decided")
""")
    suite.run(f"--latency={mode}").assert_outcomes(passed=1)


def test_an_invalid_number_of_bursts_is_the_error_of_the_test(suite: Suite) -> None:
    suite.write("""
def test_it(sample):
    sample.burst(len, "abc", requests=4, repeat="until")
""")
    result = suite.run()
    expected = "burst(repeat='until'): repeat must be a whole number of at least 1, or \"decided\""
    (line,) = lines_with("E   ", result.outlines)
    assert line.strip().endswith(expected)


def test_the_command_line_reads_artifacts_of_repeated_bursts(suite: Suite) -> None:
    suite.write(f"""
@latency_budget(p95=500)
def test_it(sample):
    {FAST.format(repeat=20)}
""")
    artifact, other = str(suite.path / "artifact.json"), str(suite.path / "other.json")
    merged = str(suite.path / "merged.json")
    suite.run(f"--latency-json={other}")
    suite.artifact(f"--latency-history={suite.path / 'history'}")
    suite.command("merge", artifact, other, "-o", merged)
    (record,) = json.loads((suite.path / "merged.json").read_text(encoding="utf-8"))["samples"]
    assert (record["n"], record["verdict"]["limits"][0]["bursts"]) == (400, 20)
    explained = "inconclusive p95: 0 of 200 over 500 ms in 20 bursts; p95 needs 72 bursts"
    for name in (artifact, merged):
        assert explained in suite.command("show", name)
        assert explained in suite.command("report", name)
    assert explained in suite.command("gate", artifact, "--budget", "p95=500ms")
    assert (
        "not judged: only its test can judge a repeated burst by another budget, because the "
        "artifact does not keep its bursts"
    ) in suite.command("gate", artifact, "--budget", "p95=400ms")
    assert "0 of 1 slower" in suite.command("compare", artifact, artifact)
    assert "inconclusive" in suite.command("trend", str(suite.path / "history"))
    assert "# p95 cannot be determined from 200 observations: it needs at least 70 bursts" in (
        suite.command("suggest", artifact)
    )


def test_a_rerun_adds_its_bursts(suite: Suite) -> None:
    pytest.importorskip("pytest_rerunfailures")
    suite.write("""
attempts = []

@latency_budget(p95=500)
def test_it(sample):
    sample.burst(len, "abc", requests=4, concurrency=2, repeat=36)
    attempts.append(1)
    assert len(attempts) == 2
""")
    (record,) = suite.artifact("-p", "rerunfailures", "--reruns=1")["samples"]
    (part,) = record["verdict"]["limits"]
    assert (record["attempt"], part["bursts"], part["outcome"]) == (2, 72, "within")


def test_an_async_test_awaits_its_bursts_and_what_is_between(suite: Suite) -> None:
    suite.write("""
import asyncio
resets = []

async def reset():
    await asyncio.sleep(0)
    resets.append(1)

async def fetch():
    await asyncio.sleep(0)

@latency_budget(p50=500)
def test_it(sample):
    burst = asyncio.run(sample.burst(fetch, requests=10, repeat="decided", before=reset))
    assert burst.within and len(burst.bursts) == len(resets) == 6
""")
    suite.run().assert_outcomes(passed=1)
