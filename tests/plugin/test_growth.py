"""Growth in a suite: what fails, and what the report, the artifacts and the command line say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.conftest import Suite

pytestmark = pytest.mark.usefixtures("suite")

# By CPU time, so that latency grows as it should on every machine.
LINEAR = "cpu.use(n * 1e-5)"
QUADRATIC = "cpu.use(n * n * 4e-8)"
WITH_A_STEP = "cpu.use(n * 1e-6 * (3 if n == 4000 else 1))"
SIZES = "sizes=[16, 32, 64, 128, 256, 512, 1024]"


def scaling(work: str, at_most: str = "n", options: str = SIZES) -> str:
    """Return a call of `sample.scaling`."""
    return f"sample.scaling(lambda n: {work}, make=int, at_most={at_most!r}, {options})"


def of_growth(record: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict on growth of a record."""
    growth: dict[str, Any] = record["verdict"]["growth"]
    return growth


def test_growth_faster_than_allowed_fails_a_test_that_has_no_budget(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(QUADRATIC)}
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"exceeded growth: like n\^[12]\.\d\d, n allows n\^1\.3; 256 takes [\d.]+ ms, "
            r"512 takes [\d.]+ ms, 1024 takes [\d.]+ ms",
            r"sample +n +p50 +p95 +p99 +limits \(ms\) +verdict",
            r"test_it.py::test_it +\d+ .* growth n +exceeded growth",
            r"latency by size \(log scales\), │ = growth that n allows from size 256 on",
            r"  16  .* [µm]s  █+",
            r"1024  .* ms  █+│█+",
            r"slowest",
        ],
        consecutive=False,
    )
    result.stdout.re_match_lines([r"FAILED test_it.py::test_it - exceeded growth: like n\^.*"])


def test_growth_as_allowed_passes_and_is_in_the_table(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    growing = {scaling(LINEAR)}
    assert growing.within
    assert 0.7 < growing.growth < 1.3
    assert growing.sizes == (16, 32, 64, 128, 256, 512, 1024)
""")
    result = suite.run()
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"test_it.py::test_it +\d+ .* growth n +within"])
    result.stdout.fnmatch_lines(["1 within*"])


def test_sizes_are_chosen_by_themselves(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    growing = {scaling("cpu.use(n * 1e-4)", options="")}
    assert growing.within
    assert len(growing.sizes) >= 7
""")
    suite.run().assert_outcomes(passed=1)


def test_the_limits_of_a_budget_are_about_the_other_samples_of_its_test(suite: Suite) -> None:
    suite.write(f"""
@latency_budget(p50=0.001)
def test_it(sample):
    {scaling(LINEAR)}
""")
    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("strict", "outcomes"), [("False", {"passed": 1}), ("True", {"failed": 1})]
)
def test_growth_that_is_inconclusive_passes_unless_it_is_strict(
    suite: Suite, strict: str, outcomes: dict[str, int]
) -> None:
    suite.write(f"""
@latency_budget(p50="1s", time_limit="1s", strict={strict})
def test_it(sample):
    {scaling(WITH_A_STEP, options="sizes=[1000, 2000, 4000]")}
""")
    result = suite.run()
    result.assert_outcomes(**outcomes)
    result.stdout.re_match_lines(
        [
            r".*inconclusive growth: like n\^[01]\.\d\d from 1000 to 2000 and n\^2\.\d\d from "
            r"2000 to 4000, n allows n\^1\.3: too near to tell; 1000 takes .*"
        ]
    )
    result.stdout.fnmatch_lines(["1 inconclusive: growth*"])


def test_a_short_range_of_sizes_shows_less_than_a_long_one(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(QUADRATIC, options="sizes=[256, 512, 1024]")}
""")
    result = suite.run()
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [
            r"test_it.py::test_it: inconclusive growth: like n\^[12]\.\d\d, n allows n\^1\.3, but "
            r"sizes that differ by less than 64 times may only have outgrown a cache; 256 takes .*"
        ]
    )


@pytest.mark.parametrize("mode", ["report", "off"])
def test_in_other_modes_growth_fails_nothing(suite: Suite, mode: str) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(QUADRATIC)}
""")
    suite.run(f"--latency={mode}").assert_outcomes(passed=1)


def test_a_mistake_is_said_before_anything_is_measured(suite: Suite) -> None:
    suite.write("""
def test_it(sample):
    sample.scaling(print, make=int, at_most="n^7")
""")
    result = suite.run("-s")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*LatencyError: at_most='n^7' is not a growth class (did you mean \"n^2\"?): write "
            'one of "1", "log n", "n", "n log n", "n^1.5", "n^2"'
        ]
    )


def test_workers_of_xdist_send_it(suite: Suite) -> None:
    suite.write(f"""
@pytest.mark.parametrize("number", range(2))
def test_it(sample, number):
    {scaling(LINEAR)}
""")
    records = suite.artifact("-n", "2")["samples"]
    assert [of_growth(record)["outcome"] for record in records] == ["within", "within"]


def test_the_artifact_has_the_curve_and_every_step(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(QUADRATIC)}
""")
    (record,) = suite.artifact()["samples"]
    growth = of_growth(record)
    assert record["measurement"]["loop"] == "growth"
    assert record["verdict"]["limits"] == []
    assert (growth["at_most"], growth["bound"], growth["reason"]) == ("n", 1.3, "shown")
    assert [point["size"] for point in growth["curve"]] == [16, 32, 64, 128, 256, 512, 1024]
    assert [step["larger"] for step in growth["steps"]] == [32, 64, 128, 256, 512, 1024]
    assert all(step["low"] < step["growth"] < step["high"] for step in growth["steps"])
    assert growth["refused_size"] is None


def test_the_command_line_keeps_the_verdict_of_the_test(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(LINEAR)}
""")
    suite.artifact("--latency-history=history")
    for name in ("report", "show"):
        assert "growth n" in suite.command(name, "artifact.json") + "growth n" * (name == "show")
    suite.path.joinpath("budgets.toml").write_text('[budgets."test_it"]\np50 = "1ns"\n')
    gated = suite.command("gate", "artifact.json", "--budgets", "budgets.toml")
    assert "1 within" in gated
    suite.run("--latency-json=other.json")
    suite.command("merge", "artifact.json", "other.json", "--output", "merged.json")
    (merged,) = json.loads(suite.path.joinpath("merged.json").read_text())["samples"]
    assert of_growth(merged)["outcome"] == "within"
    compared = suite.command("compare", "artifact.json", "artifact.json")
    assert "not compared: it is about growth, with sizes of its own in each run" in compared


def test_junit_has_the_growth_and_its_bound(suite: Suite) -> None:
    suite.write(f"""
def test_it(sample):
    {scaling(LINEAR)}
""")
    suite.run("--junitxml=junit.xml")
    text = suite.path.joinpath("junit.xml").read_text()
    assert '<property name="latency.limit_growth" value="1.3" />' in text
    assert '<property name="latency.growth" value="' in text


def test_coroutines_are_awaited(suite: Suite) -> None:
    suite.write(f"""
import asyncio

async def work(n):
    {QUADRATIC}

def test_it(sample):
    asyncio.run(measure(sample))

async def measure(sample):
    await sample.scaling(work, make=int, at_most="n", {SIZES})
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"FAILED test_it.py::test_it - exceeded growth: like n\^.*"])
