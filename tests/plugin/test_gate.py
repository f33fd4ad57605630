"""A budget in a suite: what is measured, what fails, and what is said."""

from __future__ import annotations

import re
import sys

import pytest

from .conftest import Suite

SLOW = """
@latency_budget(p50=1, p95=2, p99=3)
def test_slow(sample):
    sample(cpu.use, 0.05)
"""
FAST = """
@latency_budget(p50=200, p95=300, p99=400, samples=1)
def test_fast(sample):
    sample(time.sleep, 0.0005)
"""


def test_a_budget_that_holds_passes_after_no_more_observations_than_it_needs(suite: Suite) -> None:
    suite.write(FAST)
    sample = suite.artifact()["samples"][0]
    assert (sample["outcome"], sample["n"]) == ("within", 366)


def test_a_broken_budget_fails_its_own_test_with_the_reason_in_the_summary_line(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")  # where pytest does not cut its summary lines
    suite.write(SLOW)
    result = suite.run()
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    summary = next(line for line in result.outlines if line.startswith("FAILED"))
    assert re.fullmatch(
        r"FAILED test_it.py::test_slow - p9[59] \d+(\.\d+)? ms > [23] ms, \d+ of \d+ over", summary
    )


def test_a_broken_budget_is_explained_with_its_table_and_evidence(suite: Suite) -> None:
    suite.write(SLOW)
    result = suite.run()
    result.stdout.re_match_lines(
        [
            r"_+ test_slow _+",
            r"p9[59] \d+(\.\d+)? ms > [23] ms, \d+ of \d+ over",
            r"sample +n +p50 +p95 +p99 +limits \(ms\) +verdict",
            r"test_it.py::test_slow +\d+ +\d\S+ +\d\S+ +\d\S+ +1 / 2 / 3 +exceeded p9[59]",
            r"exceeded p9[59]: \d+ of \d+ over [23] ms \(\d+ %, allowed [51] %\); "
            r"p9[59] ≥ \d+(\.\d+)? ms.*",
            r"(exceeded |inconclusive )?p50: \d+ of \d+ over 1 ms.*",
            r"=+ latency budgets =+",
            r"1 exceeded \(latencies in ms, raw, by nearest rank\)",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_the_marker_works_on_functions_classes_modules_and_parameters(suite: Suite) -> None:
    suite.write(
        """
pytestmark = latency_budget(p99=500, samples=1)

@pytest.mark.latency_budget(p50=100)
class TestOne:
    @latency_budget(p95="300ms")
    def test_nested(self, sample): sample(time.sleep, 0.0001)

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=latency_budget(p99=400))])
def test_parameters(n, sample): sample(time.sleep, 0.0001)
"""
    )
    limits = {
        sample["test"]: [
            (part["percentile"], part["limit_ns"] // 10**6) for part in sample["verdict"]["limits"]
        ]
        for sample in suite.artifact()["samples"]
    }
    assert limits == {
        "test_it.py::TestOne::test_nested": [("p50", 100), ("p95", 300), ("p99", 500)],
        "test_it.py::test_parameters[1]": [("p99", 500)],
        "test_it.py::test_parameters[2]": [("p99", 400)],
    }


def test_a_least_time_of_quick_calls_is_spanned_beyond_the_usual_number(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=100, least_time="0.3s")
def test_it(sample): sample(int)
"""
    )
    sample = suite.artifact()["samples"][0]
    assert sample["outcome"] == "within"
    assert sample["n"] > 20_000
    assert sample["verdict"]["elapsed_ns"] >= 300_000_000


def test_requests_per_second_of_a_shared_budget_are_for_locust_alone(suite: Suite) -> None:
    (suite.path / "pyproject.toml").write_text(
        '[tool.hancock-latency.budgets."GET /a"]\np50 = 500\nrps = ">= 200"\n'
    )
    suite.write(
        """
@latency_budget("GET /a", samples=6)
def test_it(sample): sample(time.sleep, 0.001)
"""
    )
    sample = suite.artifact()["samples"][0]
    assert (sample["outcome"], sample["n"], sample["verdict"]["rps"]) == ("within", 6, None)


def test_a_named_budget_comes_from_pyproject_toml(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        """
        [tool.hancock-latency.budgets."GET /health"]
        p50 = "0.2s"
        samples = 1
        """
    )
    suite.write(
        """
@latency_budget("GET /health", p95=300)
def test_health(sample): sample(time.sleep, 0.0001)
"""
    )
    sample = suite.artifact()["samples"][0]
    assert [part["percentile"] for part in sample["verdict"]["limits"]] == ["p50", "p95"]
    assert sample["n"] == 72


def test_a_marked_test_without_a_sampling_fixture_is_itself_the_request(suite: Suite) -> None:
    suite.write(
        """
@pytest.fixture
def service(): return []

@latency_budget(p50=100, samples=1)
def test_whole(service):
    service.append(1)
    time.sleep(0.0001)
    assert len(service) <= 11
"""
    )
    sample = suite.artifact()["samples"][0]
    assert (sample["outcome"], sample["n"]) == ("within", 6)


def test_report_mode_measures_and_never_fails(suite: Suite) -> None:
    suite.write(SLOW)
    result = suite.run("--latency=report")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"test_it.py::test_slow .* exceeded p9[59]"])


def test_report_mode_says_in_the_heading_that_nothing_can_fail(suite: Suite) -> None:
    suite.write(SLOW)
    suite.run("--latency=report").stdout.fnmatch_lines(
        "*= latency budgets (mode report: budgets never fail tests) =*"
    )


def test_in_off_mode_a_sample_is_within(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=1)
def test_it(sample): assert sample(time.sleep, 0.002).within
"""
    )
    suite.run("--latency=off").assert_outcomes(passed=1)


@pytest.mark.parametrize("autoload", ["", "1"])
def test_the_name_of_the_package_loads_the_plugin_as_well(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, autoload: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", autoload)
    pytester.makepyfile("def test_it(sample): assert sample(int).n == 50")
    arguments = ("-p", "pytest_hancock_latency", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)


def test_without_numpy_a_gated_suite_says_what_to_install(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write("import importlib.util, sys\nsys.modules['numpy'] = None", "conftest.py")
    suite.write(FAST)
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        "ERROR: pytest-hancock-latency measures with numpy, which is not installed: "
        "pip install numpy"
    )


@pytest.mark.parametrize(
    "body",
    [
        "def test_it(sample): sample(broken)",
        "def test_it(sample): sample.burst([broken], check=broken)",
        "def test_it(): broken()",
        "def test_it(sample): sample('no function')",
    ],
    ids=["sample", "burst", "whole test", "misuse"],
)
def test_a_traceback_has_frames_of_the_suite_only(suite: Suite, body: str) -> None:
    suite.write(f"def broken(*_): raise ZeroDivisionError\n\n@latency_budget(p50=1)\n{body}\n")
    result = suite.run()
    result.assert_outcomes(failed=1)
    assert not [line for line in result.outlines if "pytest_hancock_latency/" in line]


def test_off_mode_runs_each_body_once_and_measures_nothing(suite: Suite) -> None:
    suite.write(
        """
calls = []

@latency_budget(p50=1)
def test_sampled(sample):
    sample(calls.append, 1)
    assert calls == [1]

@latency_budget(p50=1)
def test_whole():
    calls.append(2)
    assert calls == [1, 2]
"""
    )
    result = suite.run("--latency=off")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*latency budgets*")


def test_a_test_that_itself_fails_is_left_alone_and_its_sample_is_not_judged(
    suite: Suite,
) -> None:
    suite.write(SLOW + "    assert 1 == 2\n")
    sample = suite.artifact()["samples"][0]
    assert (sample["outcome"], sample["not_judged"]) == ("not judged", "the test itself failed")


def test_a_gate_that_measured_nothing_fails(suite: Suite) -> None:
    suite.write("@latency_budget(p50=1)\ndef test_idle(sample): pass\n")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "nothing was measured: this test has a latency budget but never called its sample fixture"
    )


UNFINISHED = """
import asyncio

@latency_budget(p50=500)
def test_forgotten(sample):
    async def fetch(): pass
    async def test(): {forgotten}
    asyncio.run(test())
"""
NEVER_FINISHED = (
    "sample 'load' was started but never finished: write `await sample(...)` for coroutine "
    "functions, and do not leave sample.rounds() early"
)


@pytest.mark.parametrize(
    "forgotten",
    [
        "sample(fetch, name='load').close()",
        "sample.at_rate(fetch, per_second=5, duration='1s', name='load').close()",
        "next(iter(sample.rounds(name='load')))",
    ],
    ids=["not awaited", "load not awaited", "rounds left"],
)
def test_a_sample_that_is_not_finished_fails_its_test(suite: Suite, forgotten: str) -> None:
    suite.write(UNFINISHED.format(forgotten=forgotten))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(NEVER_FINISHED)


ENDED = """
import asyncio, signal

class Stop(Exception): pass

def fail(): raise ValueError("broken\\nbadly")

def stop(*_): raise Stop

@latency_budget(p50=500)
def test_caught(sample):
    with pytest.raises(ValueError):
        {call}

@latency_budget(p50=500)
def test_cancelled(sample):
    async def test():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sample(asyncio.sleep, 0.01, name="slow"), timeout=0.1)
    asyncio.run(test())

@latency_budget(p50=500)
def test_stopped(sample):
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(Stop):
        sample.at_rate(time.sleep, 0.01, per_second=20, duration="10s", concurrency=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGALRM")
@pytest.mark.parametrize(
    "call",
    [
        "sample(fail, name='first')",
        "sample.pairs(fail, len, names=('first', 'second'))",
    ],
)
def test_what_ended_a_sample_is_said_even_if_the_test_caught_it(suite: Suite, call: str) -> None:
    suite.write(ENDED.format(call=call))
    result = suite.run()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "sample 'first' has no verdict: measuring ended with ValueError: broken*",
            "sample 'slow' has no verdict: measuring ended with CancelledError",
            "sample without a name has no verdict: measuring ended with Stop",
        ]
    )


AT_ONCE = """
import asyncio

async def fetch(): await asyncio.sleep(0.001)

@latency_budget(p50=500)
def test_together(sample):
    async def test():
        await asyncio.gather(sample(fetch, name="a"), {second})
    asyncio.run(test())
"""


@pytest.mark.parametrize(
    "second",
    [
        "sample(fetch, name='b')",
        "sample.burst(fetch, requests=20, name='b')",
        "sample.at_rate(fetch, per_second=20, duration='1s', name='b')",
    ],
)
def test_two_samples_at_once_in_one_event_loop_are_refused(suite: Suite, second: str) -> None:
    suite.write(AT_ONCE.format(second=second))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "E * pytest_hancock_latency.errors.LatencyError: sample 'b' began while 'a' was measured "
        "in the same event loop, where they delay each other: await one after the other, or "
        "measure calls at the same time with sample.burst(…)"
    )


def test_an_inconclusive_test_passes_and_is_explained(suite: Suite) -> None:
    suite.write(FAST.replace("samples=1", "max_samples=60, samples=1"))
    result = suite.run()
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [
            r"1 inconclusive: too few calls .*",
            r"test_it.py::test_fast: inconclusive p99: 0 of 60 over 400 ms; enough for p94.\d, "
            r"p99 needs 366 observations \(\S+ m?s at this pace\)",
        ]
    )


INCONCLUSIVE = FAST.replace("samples=1", "max_samples=60, samples=1")
TOO_FEW = (
    "*test_it.py:*: InconclusiveWarning: test_it.py::test_fast: "
    "inconclusive p99: 0 of 60 over 400 ms; enough for p94.*, p99 needs 366 observations (*"
)


@pytest.mark.parametrize("filters", [(), ("-W", "error"), ("-W", "error::UserWarning")])
def test_a_budget_that_had_too_few_calls_warns_and_fails_under_no_blanket_filter(
    suite: Suite, filters: tuple[str, ...]
) -> None:
    suite.write(INCONCLUSIVE)
    result = suite.run(*filters)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(TOO_FEW)


def test_a_filter_that_names_the_warning_fails_the_test(suite: Suite) -> None:
    suite.write(INCONCLUSIVE)
    named = "error::pytest_hancock_latency.InconclusiveWarning"
    suite.run("-W", named).assert_outcomes(failed=1)


def test_a_budget_that_is_decided_warns_of_nothing(suite: Suite) -> None:
    suite.write(FAST)
    suite.run().assert_outcomes(passed=1, warnings=0)


@pytest.mark.parametrize("how", ["option", "marker", "ini", "environment"])
def test_strict_fails_what_is_inconclusive(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    strict = ", strict=True" if how == "marker" else ""
    suite.write(FAST.replace("samples=1", f"max_samples=60, samples=1{strict}"))
    if how == "ini":
        pytester.makeini("[pytest]\nlatency_strict = true\n")
    if how == "environment":
        monkeypatch.setenv("HANCOCK_LATENCY_STRICT", "1")
    result = suite.run(*(["--latency-strict"] if how == "option" else []))
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"inconclusive p99: 0 of 60 over 400 ms; .* \(strict\)"])


def test_several_named_samples_of_a_test_are_each_judged(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=2, samples=1)
def test_both(sample):
    a = sample(time.sleep, 0.0001, name="read")
    b = sample(cpu.use, 0.04, name="write")
    assert a.p95_ms < b.p95_ms
"""
    )
    result = suite.run("--latency-json=a.json")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"write: p50 \d+(\.\d+)? ms > 2 ms, \d+ of \d+ over",
            r"test_it.py::test_both \[write\] .* exceeded p50",
            r"test_it.py::test_both \[read\] .* within",
        ]
    )


def test_a_second_sample_needs_a_name_of_its_own(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=500, samples=1)
def test_both(sample):
    sample(time.sleep, 0.0001)
    sample(time.sleep, 0.0001)
"""
    )
    result = suite.run()
    result.stdout.fnmatch_lines(
        "E *LatencyError: an unnamed sample was already measured in this test: give each sample "
        "its own name=..."
    )


def test_warming_up_by_hand_replaces_the_warm_up(suite: Suite) -> None:
    suite.write(
        """
calls = []

@latency_budget(p50=500, samples=1)
def test_warm(sample, warmup):
    warmup(calls.append, 1, times=3)
    assert len(calls) == 3
    sample(calls.append, 1)
    assert len(calls) == 3 + 6
"""
    )
    assert len(suite.artifact()["samples"][0]["measurement"]["warmup_ns"]) == 3


def test_the_prefixed_fixtures_are_the_same(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=500, samples=1)
def test_twins(sample, latency_sample, warmup, latency_warmup):
    assert sample is latency_sample
    latency_warmup(time.sleep, 0)
    latency_sample(time.sleep, 0.0001)
"""
    )
    suite.run().assert_outcomes(passed=1)


def test_a_users_own_fixture_called_sample_is_left_alone(suite: Suite) -> None:
    suite.write(
        """
@pytest.fixture
def sample(): return "mine"

def test_plain(sample): assert sample == "mine"

@latency_budget(p50=500, samples=1)
def test_gated(sample): assert sample == "mine"
"""
    )
    artifact = suite.artifact()
    assert [(s["test"], s["n"]) for s in artifact["samples"]] == [("test_it.py::test_gated", 6)]


def test_a_sample_without_a_budget_is_measured_and_not_judged(suite: Suite) -> None:
    suite.write("def test_it(sample): assert sample(time.sleep, 0.0001).n == 50\n")
    sample = suite.artifact()["samples"][0]
    assert (sample["outcome"], sample["not_judged"]) == ("not judged", "no budget")


def test_failing_answers_fail_the_test_by_themselves(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=500)
def test_errors(sample):
    sample(lambda: 503, check=lambda status: status == 200)
"""
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "exceeded errors: 1 of 1 requests failed (100 %, allowed 0 %): check: returned False ×1"
    )


def test_expected_failure_and_skip_are_respected(suite: Suite) -> None:
    suite.write(
        f"""
@pytest.mark.xfail(strict=True)
{SLOW.strip()}

@pytest.mark.skip
@latency_budget(p50=1)
def test_skipped(sample): sample(time.sleep, 0)
"""
    )
    suite.run().assert_outcomes(xfailed=1, skipped=1)


@pytest.mark.parametrize("autoload", [True, False])
def test_it_is_loaded_by_name_with_and_without_autoload(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester, autoload: bool
) -> None:
    if autoload:
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    suite.write(FAST)
    alone = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:benchmark")
    result = pytester.runpytest_subprocess("-p", "hancock_latency", *(alone if autoload else ()))
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines([r"test_it.py::test_fast .* within"])


PRECEDENCE = [("default", 50), ("ini", 60), ("environment", 70), ("option", 80), ("marker", 90)]


@pytest.mark.parametrize("places", range(1, 6))
def test_the_nearer_place_wins(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    said = [place for place, _ in PRECEDENCE[:places]]
    if "ini" in said:
        pytester.makeini("[pytest]\nlatency_samples = 60\n")
    if "environment" in said:
        monkeypatch.setenv("HANCOCK_LATENCY_SAMPLES", "70")
    marker = ", samples=90" if "marker" in said else ""
    suite.write(
        f"@latency_budget(p50=500{marker})\ndef test_it(sample): sample(time.sleep, 0.0001)\n"
    )
    options = ["--latency-samples=80"] if "option" in said else []
    assert suite.artifact(*options)["samples"][0]["n"] == PRECEDENCE[places - 1][1]
