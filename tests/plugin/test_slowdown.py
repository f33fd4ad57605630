"""``--latency-slowdown``: a test passes if its gate notices that all calls are slower."""

from __future__ import annotations

import json

import pytest

from tests.plugin.conftest import Suite

pytestmark = pytest.mark.usefixtures("suite")

# Limits are far above or far below what the calls take, so that no busy machine matters.
NOTICED = """
@latency_budget(p50=0.5)
def test_noticed(sample):
    sample(cpu.use, 0.01)
"""
UNNOTICED = """
@latency_budget(p50="10s")
def test_unnoticed(sample):
    sample(cpu.use, 0.001)
"""
SHAPES = {
    "sample": "sample(cpu.use, 0.002)",
    "rounds": """
    for _ in sample.rounds():
        with sample.observe():
            cpu.use(0.002)
""",
    "burst": "sample.burst(cpu.use, 0.002, requests=40, concurrency=1)",
    "at_rate": "sample.at_rate(cpu.use, 0.002, per_second=20, duration='2s', concurrency=1)",
    "pairs": "sample.pairs(lambda: cpu.use(0.002), lambda: cpu.use(0.002), pairs=8)",
    "finish": "sample(lambda: iter((0.002,)), finish=lambda times: [cpu.use(s) for s in times])",
    "sleep": "sample(time.sleep, 0.002)",
}


def test_a_gate_that_is_exceeded_passes_and_one_that_is_not_fails(suite: Suite) -> None:
    suite.write(NOTICED + UNNOTICED)
    result = suite.run("--latency-slowdown=50%")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*= latency budgets (all calls 50 % slower: a gate passes by noticing it) =*",
            "FAILED test_it.py::test_unnoticed - did not notice +50 %: within p50: 0 of *",
        ]
    )
    assert result.ret == 1


def test_a_session_names_gates_that_would_not_notice_code_twice_as_slow(suite: Suite) -> None:
    suite.write("""
@latency_budget(p50="60s")
def test_wide(sample):
    sample(cpu.use, 0.0001)

@latency_budget(p50=0.01)
def test_exceeded(sample):
    sample(cpu.use, 0.01)
""")
    suite.run().stdout.re_match_lines(
        [
            r"1 gate would not notice code twice as slow: test_it\.py::test_wide passes at "
            r"\d+ times its latency \(p50 .* limit 60 s; suggested limit: .*s\); "
            r"see hancock-latency sensitivity",
        ]
    )


def test_an_inconclusive_gate_has_not_noticed(suite: Suite) -> None:
    suite.write("""
@latency_budget(p99="10s", max_samples=60)
def test_it(sample):
    sample(cpu.use, 0.001)
""")
    result = suite.run("--latency-slowdown=30%")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["FAILED test_it.py::test_it - did not notice +30 %: inconclusive p99: *"]
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_slowed_down(suite: Suite, shape: str) -> None:
    suite.write(f"""
@latency_budget(p50="10s")
def test_it(sample):
    {SHAPES[shape]}
""")

    def median_ns(*arguments: str) -> int:
        (record, *_) = suite.artifact(*arguments)["samples"]
        return int(record["attributed_quantiles_ns"]["p50"])

    assert median_ns("--latency-slowdown=400%") > 3 * median_ns()


def test_the_body_of_a_test_and_a_coroutine_are_slowed_down(suite: Suite) -> None:
    suite.write("""
import asyncio

@latency_budget(p50="10s")
def test_body():
    cpu.use(0.002)

async def fetch():
    await asyncio.sleep(0.002)

async def measure(sample):
    return await sample(fetch)

@latency_budget(p50="10s")
def test_coroutine(sample):
    asyncio.run(measure(sample))
""")

    def medians(*arguments: str) -> list[int]:
        records = suite.artifact(*arguments)["samples"]
        return [int(record["attributed_quantiles_ns"]["p50"]) for record in records]

    slowed, plain = medians("--latency-slowdown=400%"), medians()
    assert all(slow > 3 * fast for slow, fast in zip(slowed, plain, strict=True))


def test_tests_without_a_gate_and_growth_are_not_asked(suite: Suite) -> None:
    suite.write("""
def test_plain():
    pass

def test_unjudged(sample):
    sample(len, "abc")

def test_growth(sample):
    sample.scaling(lambda n: cpu.use(n * 1e-5), make=int, at_most="n", sizes=[16, 64, 256, 1024])
""")
    suite.run("--latency-slowdown=30%").assert_outcomes(passed=3)


def test_in_report_mode_nothing_fails(suite: Suite) -> None:
    suite.write(UNNOTICED)
    suite.run("--latency-slowdown=30%", "--latency=report").assert_outcomes(passed=1)


def test_workers_of_xdist_slow_their_calls_down(suite: Suite) -> None:
    suite.write(NOTICED + UNNOTICED)
    suite.run("--latency-slowdown=50%", "-n", "2").assert_outcomes(passed=1, failed=1)


def test_nothing_of_such_a_run_is_kept(suite: Suite) -> None:
    suite.write(UNNOTICED)
    suite.artifact("--latency-slowdown=30%", "--latency-history=history", "-p", "cacheprovider")
    assert not suite.path.joinpath("history").exists()
    assert not list(suite.path.glob(".pytest_cache/v/hancock_latency/*"))
    settings = json.loads(suite.path.joinpath("artifact.json").read_text())["settings"]
    assert settings["slowdown"] == 0.3
    for command in (["suggest"], ["compare", "artifact.json"], ["sensitivity"], ["merge"]):
        output = suite.command(*command, "artifact.json")
        assert output == ""


@pytest.mark.parametrize("value", ["0", "-5%", "1000%", "much", "0.001", "30 %%"])
def test_a_slowdown_is_a_share(suite: Suite, value: str) -> None:
    suite.write(UNNOTICED)
    result = suite.run(f"--latency-slowdown={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: command line option --latency-slowdown: {value!r} is not a slowdown: write "
            "30% for calls that take 30 % longer"
        ]
    )


def test_a_duel_is_about_two_versions(suite: Suite) -> None:
    suite.write(UNNOTICED)
    result = suite.run("--latency-slowdown=30%", "--latency-duel=.")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --latency-slowdown is about one version: leave it out, or --latency-duel"]
    )
