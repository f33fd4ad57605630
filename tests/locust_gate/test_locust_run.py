"""The `locust_run` fixture: a load test as a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driving import LOCUSTFILES

ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite with one load test of a profile that imports no gate."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    text = (LOCUSTFILES / "reported.py").read_text(encoding="utf-8")
    plain = "".join(line for line in text.splitlines(keepends=True) if "locust_gate" not in line)
    Path(pytester.path, "load_profile.py").write_text(plain, encoding="utf-8")
    pytester.makepyprojecttoml('[tool.hancock-latency.budgets."GET /it"]\np95 = 10\n')
    pytester.makepyfile(
        """
        def test_load(locust_run):
            load = {"users": 1, "run_time": "1s"}
            run = locust_run("load_profile.py", "Reporter", host="http://unused", **load)
            assert run["GET /it"].n > 50
            assert run.exit_code == (run["GET /it"].outcome == "exceeded")
            print("p99.9", round(run["GET /it"].quantile_ms("p99.9")))
        """
    )
    return pytester


def run(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str, ms: str = "5"
) -> pytest.RunResult:
    monkeypatch.setenv("MS", ms)
    return suite.runpytest_subprocess(*ALONE, *arguments)


def test_a_load_within_its_budget_passes_and_is_a_record(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(suite, monkeypatch, "--latency-json=a.json", "-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*p99.9 5*", "GET /it (*::test_load)*p95 10*within"])
    (sample,) = json.loads(Path(suite.path, "a.json").read_text(encoding="utf-8"))["samples"]
    assert (sample["name"], sample["outcome"]) == ("GET /it", "within")
    assert sample["test"].endswith("::test_load")


def test_a_load_that_exceeds_its_budget_fails_its_test(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(suite, monkeypatch, "--junitxml=junit.xml", ms="20")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["GET /it: p95 20 ms > 10 ms, * over"])
    junit = Path(suite.path, "junit.xml").read_text(encoding="utf-8")
    assert '<property name="latency.GET /it.verdict" value="exceeded"' in junit


@pytest.mark.long
def test_report_mode_never_fails(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite, monkeypatch, "--latency=report", ms="20").assert_outcomes(passed=1)


@pytest.mark.long
def test_the_junit_properties_can_be_switched_off_for_loads_too(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(suite, monkeypatch, "--junitxml=junit.xml", "--latency-junit=off")
    assert "latency." not in Path(suite.path, "junit.xml").read_text(encoding="utf-8")


@pytest.mark.long
def test_the_judged_hook_sees_loads_too(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makeconftest(
        """
        def pytest_latency_recorded(item, record):
            print("judged", item.name, record.name, record.outcome)
        """
    )
    result = run(suite, monkeypatch, "-s")
    result.stdout.fnmatch_lines(["judged test_load GET /it within"])


@pytest.mark.long
def test_in_mode_off_a_load_runs_for_a_second_and_nothing_is_judged(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(
        """
        def test_load(locust_run):
            load = {"users": 50, "run_time": "1h"}
            run = locust_run("load_profile.py", "Reporter", host="http://unused", **load)
            assert run["GET /it"].n
            assert run["GET /it"].outcome == "not judged"
        """
    )
    result = run(suite, monkeypatch, "--latency=off", "--latency-json=a.json", ms="20")
    result.assert_outcomes(passed=1)
    assert json.loads(Path(suite.path, "a.json").read_text(encoding="utf-8"))["samples"] == []


def test_a_load_that_measures_nothing_fails(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(suite, monkeypatch, ms="")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LatencyError: Locust measured nothing and exited with code 2:*"])


def test_a_marker_with_the_fixture_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from pytest_hancock_latency import latency_budget

        @latency_budget(p99=50)
        def test_load(locust_run):
            locust_run("load_profile.py", host="http://unused")
        """
    )
    result = suite.runpytest_subprocess(*ALONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*LatencyError: a test with locust_run takes no latency_budget marker: requests are "
            "judged by the budgets named 'METHOD name' in the budget file"
        ]
    )


def test_an_invalid_run_time_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_load(locust_run):
            locust_run("load_profile.py", host="http://unused", run_time="soon")
        """
    )
    result = suite.runpytest_subprocess(*ALONE)
    result.stdout.fnmatch_lines(
        ["*LatencyError: run_time='soon' is not a time such as '30s' or '1h30m'"]
    )
