"""The plugin is a guest: a suite without a budget does not notice it."""

from __future__ import annotations

import pytest

from .conftest import Suite

WATCHED = """
import sys

HOOKS = ["pytest_runtest_protocol", "pytest_runtest_logstart", "pytest_runtest_setup",
    "pytest_runtest_call", "pytest_runtest_teardown", "pytest_runtest_makereport",
    "pytest_runtest_logreport", "pytest_runtest_logfinish", "pytest_pyfunc_call",
    "pytest_fixture_setup", "pytest_fixture_post_finalizer", "pytest_report_teststatus"]

def pytest_sessionfinish(session):
    manager = session.config.pluginmanager
    ours = [
        name
        for name in HOOKS
        for implementation in getattr(session.config.hook, name).get_hookimpls()
        if "hancock_latency" in implementation.function.__module__
    ]
    heavy = [m for m in ("numpy", "flask", "locust", "gevent", "hancock_app") if m in sys.modules]
    print("per test:", ours, "imported:", heavy)
"""


@pytest.fixture
def plain(suite: Suite) -> Suite:
    """A suite which tells who was called for each test, and what was imported."""
    suite.write(WATCHED, "conftest.py")
    return suite


def test_a_suite_without_a_budget_imports_nothing_heavy_and_has_no_hook_for_each_test(
    plain: Suite,
) -> None:
    plain.write("def test_one(): pass\nclass TestMore:\n    def test_two(self): pass\n")
    result = plain.run("-s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines("*per test: [[]] imported: [[]]")


def test_a_suite_with_a_budget_has_them(plain: Suite) -> None:
    plain.write("@latency_budget(p50=500)\ndef test_one(sample): sample(time.sleep, 0)\n")
    result = plain.run("-s")
    result.stdout.fnmatch_lines(
        "*per test: [[]'pytest_runtest_protocol', 'pytest_runtest_setup', 'pytest_runtest_call', "
        "'pytest_runtest_teardown', *imported: [[]'numpy']"
    )


def test_a_suite_that_switches_the_plugin_off_does_not_know_the_marker(plain: Suite) -> None:
    plain.write("@latency_budget(p50=500)\ndef test_one(): pass\n")
    result = plain.run("--strict-markers", "-p", "no:hancock_latency")
    result.stdout.fnmatch_lines("*'latency_budget' not found in `markers` configuration option*")


def test_the_marker_is_registered_and_the_options_have_their_own_group(plain: Suite) -> None:
    plain.run("--markers").stdout.fnmatch_lines(
        "@pytest.mark.latency_budget(p50, p95, p99, [*], max, percentiles, errors, name, warmup, "
        "samples, max_samples, time_limit, least_time, strict, regression, first, gap, clocks): "
        "latency budget of a test; limits are milliseconds or strings with a unit, or one budget "
        "name"
    )
    plain.run("--help").stdout.fnmatch_lines(
        ["latency budgets:", "*--latency=MODE*gate: measure, judge and fail (default)*"]
    )


def test_collecting_only_measures_nothing(plain: Suite) -> None:
    plain.write("@latency_budget(p50=500)\ndef test_one(sample): open('ran', 'w')\n")
    result = plain.run("--collect-only", "-q")
    result.stdout.fnmatch_lines("test_it.py::test_one")
    result.stdout.no_fnmatch_line("*latency budgets*")
