"""Budgets for tests without a marker: by patterns of the budget file, and by --latency-default."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_hancock_latency.plugin.item_settings import test_of as name_of

from .conftest import Errors, Suite

SOURCE = """
@pytest.mark.parametrize("n", [1, "a*b"])
def test_listed(n): time.sleep(0.0002)

class TestUsers:
    def test_read(self): time.sleep(0.0002)

def test_with_fixture(sample): sample(time.sleep, 0.0002)
"""


def limits(suite: Suite, *arguments: str) -> dict[str, dict[str, float]]:
    """Limits in ms by the name of the test and the label of the limit, of judged samples."""
    return {
        sample["test"].partition("::")[2]: {
            limit["percentile"]: limit["limit_ns"] / 1e6 for limit in sample["verdict"]["limits"]
        }
        for sample in suite.artifact(*arguments)["samples"]
        if sample["verdict"]
    }


def pyproject(suite: Suite, text: str) -> None:
    (suite.path / "pyproject.toml").write_text(text, encoding="utf-8")


def budget(name: str, p50: int, *tests: str) -> str:
    listed = ", ".join(f"'{test}'" for test in tests)
    return f"[tool.hancock-latency.budgets.'{name}']\np50 = {p50}\ntests = [{listed}]\n"


@pytest.mark.parametrize(
    ("pattern", "tests"),
    [
        ("test_it.py", 4),
        ("test_it.py::TestUsers", 1),
        ("test_it.py::test_listed", 2),
        ("test_it.py::test_listed[1]", 1),
        ("test_listed[a*b]", 1),
        ("test_listed", 2),
        ("test_read", 1),
        ("test_it*", 4),
        ("*::test_[lr]*", 0),
        ("test_li", 0),
    ],
)
def test_a_pattern_is_a_test_or_what_has_it(suite: Suite, pattern: str, tests: int) -> None:
    suite.write(SOURCE)
    pyproject(suite, budget("all", 500, pattern))
    result = suite.run("-v")
    result.assert_outcomes(passed=4)
    counted = [line for line in result.outlines if line.startswith(f"{tests} within")]
    assert bool(counted) == bool(tests)


def test_the_pattern_that_says_most_wins_and_a_marker_before_all(suite: Suite) -> None:
    suite.write("@latency_budget(p50=400)\ndef test_marked(): pass\n" + SOURCE)
    pyproject(
        suite,
        budget("file", 500, "test_it.py")
        + budget("read", 300, "test_read")
        + budget("listed", 200, "test_it.py::test_l*"),
    )
    assert limits(suite) == {
        "test_marked": {"p50": 400},
        "test_listed[1]": {"p50": 200},
        "test_listed[a*b]": {"p50": 200},
        "TestUsers::test_read": {"p50": 300},
        "test_with_fixture": {"p50": 500},
    }


def test_two_budgets_that_fit_equally_well_are_one_line(suite: Suite, errors: Errors) -> None:
    suite.write("def test_read(): open('ran', 'w').close()\n")
    pyproject(suite, budget("a", 500, "test_read") + budget("b", 500, "test_read"))
    assert errors() == [
        'ERROR: test_it.py::test_read: budgets "a" and "b" in pyproject.toml '
        "match it equally well: write a longer pattern for one of them"
    ]


@pytest.mark.parametrize("value", ["'test_read'", "[]", "[3]"])
def test_tests_that_are_not_a_list_of_patterns_are_named(
    suite: Suite, errors: Errors, value: str
) -> None:
    suite.write("def test_read(): open('ran', 'w').close()\n")
    pyproject(suite, f"[tool.hancock-latency.budgets.a]\np50 = 5\ntests = {value}\n")
    reason = (
        "tests=3 must be a non-empty string"
        if value == "[3]"
        else f"tests={value} is not a list such as ['tests/api', 'test_health']"
    )
    assert errors() == [f'ERROR: {suite.path / "pyproject.toml"}: budget "a": {reason}']


def test_a_marker_has_no_tests(suite: Suite, errors: Errors) -> None:
    suite.write("@latency_budget(p50=5, tests=['x'])\ndef test_it(): open('ran', 'w').close()\n")
    assert errors() == [
        "ERROR: test_it.py::test_it: latency_budget: tests is only for budget files: the marker "
        "already belongs to a test"
    ]


def test_a_budget_whose_tests_are_not_in_the_run_is_reported(suite: Suite) -> None:
    suite.write(SOURCE)
    pyproject(suite, budget("all", 500, "test_read") + budget("gone", 500, "test_gone"))
    result = suite.run()
    result.stdout.fnmatch_lines('budgets in pyproject.toml that no test in this run uses: "gone"')


def test_a_pattern_that_matches_no_test_is_reported(suite: Suite) -> None:
    suite.write(SOURCE + "@latency_budget(p50=500)\ndef test_marked(): pass\n")
    pyproject(suite, budget("all", 500, "test_read", "test_gone", "test_marked"))
    result = suite.run()
    result.stdout.fnmatch_lines(
        'patterns in pyproject.toml that match no test of this run: "test_gone"'
    )


@pytest.mark.parametrize("p50", ["10", "'x'"], ids=["valid", "invalid"])
def test_budgets_for_locust_alone_are_no_matter_of_tests_with_limits_of_their_own(
    suite: Suite, p50: str
) -> None:
    suite.write("@latency_budget(p50=500)\ndef test_marked(): pass\ndef test_plain(): pass\n")
    pyproject(suite, f"[tool.hancock-latency.budgets.'GET /health']\np50 = {p50}\n")
    result = suite.run()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*GET /health*")


def test_by_default_every_test_without_a_budget_gets_one(suite: Suite) -> None:
    suite.write("@latency_budget(p50=400)\ndef test_marked(): pass\n" + SOURCE)
    assert limits(suite, "--latency-default=p50=300,p95=1s") == {
        "test_marked": {"p50": 400},
        "test_listed[1]": {"p50": 300, "p95": 1000},
        "test_listed[a*b]": {"p50": 300, "p95": 1000},
        "TestUsers::test_read": {"p50": 300, "p95": 1000},
        "test_with_fixture": {"p50": 300, "p95": 1000},
    }


def test_a_default_of_nothing_but_max_times_one_run_of_each_test(suite: Suite) -> None:
    suite.write(
        """
def test_once(tmp_path): (tmp_path / "folder").mkdir()
def test_slow():  # by its own CPU time, which no busy machine excuses
    until = time.thread_time() + 0.2
    while time.thread_time() < until: pass
@pytest.fixture
def slow_setup(): time.sleep(0.05)
def test_setup_does_not_count(slow_setup): pass
"""
    )
    result = suite.run("--latency-default=max=40ms")
    result.assert_outcomes(passed=2, failed=1)
    # On a busy machine it may take seconds, and then the limit is in seconds, too.
    result.stdout.re_match_lines(
        r"FAILED test_it.py::test_slow - max \S+ (ms > 40 ms|s > 0\.04 s), 1 of 1 over"
    )


def test_workers_give_the_default_budget_too(suite: Suite) -> None:
    suite.write(SOURCE)
    result = suite.run("--latency-default=p50=300", "--latency-repeat", "-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines("4 within*")


def test_coroutines_of_unittest_get_a_default_budget_too(suite: Suite) -> None:
    suite.write(
        """
import unittest
class TestIt(unittest.IsolatedAsyncioTestCase):
    async def test_it(self): pass
"""
    )
    assert limits(suite, "--latency-default=p50=300") == {"TestIt::test_it": {"p50": 300}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("200ms", "'200ms' is not a limit: write p99=50ms, max=1s or errors=0.1%"),
        ("p95=1,p95=2", "p95 is given twice"),
        (
            "p95=x",
            "p95: 'x' is not a duration: write a number of milliseconds or a string such as "
            "'250us', '10ms' or '1.5s'",
        ),
    ],
)
def test_a_default_that_is_invalid_is_named(
    suite: Suite, errors: Errors, text: str, message: str
) -> None:
    suite.write("def test_it(): open('ran', 'w').close()\n")
    assert errors(f"--latency-default={text}") == [
        f"ERROR: command line option --latency-default: {message}"
    ]


def test_the_scale_multiplies_latency_limits_and_nothing_else(suite: Suite) -> None:
    suite.write("@latency_budget(p50=100, p99='1s', errors='1%')\ndef test_it(): pass\n")
    artifact = suite.artifact("--latency-scale=1.5")
    verdict = artifact["samples"][0]["verdict"]
    assert [limit["limit_ns"] for limit in verdict["limits"]] == [150_000_000, 1_500_000_000]
    assert verdict["failures"]["allowed"] == "1/100"
    assert artifact["settings"]["scale"] == 1.5


def test_the_scale_is_shown_wherever_limits_are(suite: Suite) -> None:
    suite.write("@latency_budget(p50=100)\ndef test_it(): pass\n")
    result = suite.run("--latency-scale=2", "--latency-artifacts=out")
    line = "latency limits are multiplied by 2 (--latency-scale)"
    assert line in result.outlines
    for name in ("benchmark-summary.txt", "benchmark-summary.md", "latency-report.html"):
        assert line in (suite.path / "out" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["0", "x", "-2", "1e3", "1001"])
def test_an_invalid_scale_is_named(suite: Suite, errors: Errors, value: str) -> None:
    suite.write("@latency_budget(p50=100)\ndef test_it(): open('ran', 'w').close()\n")
    assert errors(f"--latency-scale={value}") == [
        f"ERROR: command line option --latency-scale: '{value}' is not a factor: "
        "write a number from 0.001 to 1000"
    ]


def test_a_budget_file_extends_another_limit_by_limit(suite: Suite) -> None:
    suite.write(
        "@latency_budget('a')\ndef test_a(): pass\n@latency_budget('b')\ndef test_b(): pass\n"
    )
    pyproject(
        suite,
        "[tool.hancock-latency.budgets]\na = { p50 = 100, p99 = 400 }\nb = { p50 = 100 }\n",
    )
    slower = 'extends = "pyproject.toml"\n[budgets.a]\np50 = 200\n'
    (suite.path / "slower.toml").write_text(slower, encoding="utf-8")
    assert limits(suite, "--latency-budgets=slower.toml") == {
        "test_a": {"p50": 200, "p99": 400},
        "test_b": {"p50": 100},
    }


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("3", "{here}: extends=3 is not the path of a budget file"),
        ("'a.toml'", "{here}: extends='a.toml' leads back to a file that extends this one"),
        ("'no.toml'", "{folder}/no.toml: No such file or directory"),
    ],
)
def test_what_cannot_be_extended_is_named(
    suite: Suite, errors: Errors, extends: str, message: str
) -> None:
    suite.write("@latency_budget('a')\ndef test_a(): open('ran', 'w').close()\n")
    here = suite.path / "a.toml"
    here.write_text(f"extends = {extends}\n[budgets.a]\np50 = 2\n", encoding="utf-8")
    assert errors("--latency-budgets=a.toml") == [
        "ERROR: " + message.format(here=here, folder=suite.path)
    ]


def test_what_suggest_writes_is_enough_to_gate_unmarked_tests(suite: Suite) -> None:
    suite.write(SOURCE)
    of_all = ("--latency-default=p50=10s", "--latency-repeat")
    suite.run("--latency=report", *of_all, "--latency-artifacts=out")
    suggested = suite.command("suggest", "out/performance-latency.json", "--margin=99%")
    (suite.path / "latency.toml").write_text(suggested, encoding="utf-8")
    result = suite.run("--latency-budgets=latency.toml", "--latency-scale=20")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines("4 within*")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tests",),
        ("-c", "tests/pytest.ini"),
        ("-c", "tests/pytest.ini", "tests/test_it.py"),
        ("--rootdir=tests", "tests"),
        ("--rootdir=elsewhere", "tests"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("pattern", ["tests/test_it.py", "tests/test_it.py::test_slow"])
def test_a_pytest_ini_that_moves_the_root_hides_no_budget(
    suite: Suite, arguments: tuple[str, ...], pattern: str
) -> None:
    """Patterns of the project's file are paths from its folder, wherever pytest's root is."""
    suite.write("def test_slow(): cpu.use(0.002)\n")
    for folder in ("tests", "elsewhere"):
        (suite.path / folder).mkdir()
    (suite.path / "tests" / "pytest.ini").write_text("[pytest]\npythonpath = ..\n")
    (suite.path / "test_it.py").rename(suite.path / "tests" / "test_it.py")
    pyproject(suite, budget("slow", 500, pattern))
    suite.run(*arguments, "--latency-max-samples=60").stdout.fnmatch_lines(["slow *within*"])


def test_what_is_above_a_repository_is_not_part_of_the_project(suite: Suite) -> None:
    pyproject(suite, budget("slow", 500, "test_it"))
    inside = suite.path / "repository"
    (inside / ".git").mkdir(parents=True)
    (inside / "pytest.ini").write_text("[pytest]\n")
    (inside / "test_it.py").write_text("def test_it(): pass\n")
    output = suite.run(f"--rootdir={inside}", str(inside)).stdout.str()
    assert "1 passed" in output


@pytest.mark.parametrize(
    ("node_id", "name", "test"),
    [
        ("test_it.py::test_query", "test_query", "test_it.py::test_query"),
        ("test_it.py::test_query@db", "test_query", "test_it.py::test_query"),
        ("test_it.py::test_query[a@b]", "test_query[a@b]", "test_it.py::test_query[a@b]"),
        ("test_it.py::test_query[a@b]@db", "test_query[a@b]", "test_it.py::test_query[a@b]"),
    ],
)
def test_a_test_has_the_same_name_with_a_group_of_xdist(node_id: str, name: str, test: str) -> None:
    item = SimpleNamespace(nodeid=node_id, name=name)
    assert name_of(item) == test  # type: ignore[arg-type]
