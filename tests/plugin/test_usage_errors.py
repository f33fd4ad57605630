"""Bad input is one clear line that names its place; nothing is measured, and the exit code is 4."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Errors, Suite

KEYWORDS = (
    "valid keywords are p50, p95, p99, any other percentile such as p75 or p99_9, max, "
    "first, gap, clocks, "
    "errors, name, warmup, samples, max_samples, time_limit, least_time, strict, regression, "
    "and rps and tests in a budget file"
)
HOW = "write a number of milliseconds or a string such as '250us', '10ms' or '1.5s'"
MARKERS = [
    ("p9x=3", f"unknown keyword 'p9x' (did you mean \"p99\"?): {KEYWORDS}"),
    ("p50=-1", "p50: -1 is not a duration: it must be greater than zero"),
    ("p50='abc'", f"p50: 'abc' is not a duration: {HOW}"),
    (
        "p50=10, p95=5",
        "p95=5 ms is below p50=10 ms: limits must not decrease as percentiles increase",
    ),
    (
        "p101=5",
        "p101 is not a percentile: it must lie between p0 and p100 (the largest is 'max')",
    ),
    ("", "no limit is given: write latency_budget(p99=50) or a budget name"),
    ("samples=5", f"no limit is given: {KEYWORDS}"),
    (
        "1, 2, 3, 4",
        "4 positional arguments: write at most three (p50, p95, p99), or one budget name",
    ),
    ("10, p50=10", "p50 is given twice, by position and by keyword"),
    ("'GET /nope'", 'unknown budget "GET /nope": pyproject.toml has none'),
    (r"'GET\r\n/nope'", 'unknown budget "GET /nope": pyproject.toml has none'),
    ("p50=[1]", f"p50: [1] is not a duration: {HOW}"),
    ("None", f"no limit is given: {KEYWORDS}"),
    (
        "p50=5, rps='>= 200'",
        "rps is only for Locust runs: write it in the budget file",
    ),
    ("p50=5, errors='x'", "errors='x' is not a share: write a string such as '0.1%'"),
]
TEST = """
@latency_budget({arguments})
def test_health(sample):
    open("ran", "w").close()
    sample(time.sleep, 0.001)
"""


@pytest.mark.parametrize(("arguments", "message"), MARKERS)
def test_an_invalid_marker_is_named_with_its_test(
    suite: Suite, errors: Errors, arguments: str, message: str
) -> None:
    suite.write(TEST.format(arguments=arguments))
    assert errors() == [f"ERROR: test_it.py::test_health: latency_budget: {message}"]


def test_every_bad_marker_of_a_suite_is_named_at_once(suite: Suite, errors: Errors) -> None:
    suite.write(
        TEST.format(arguments="p50=0")
        + TEST.format(arguments="p50=10").replace("health", "good")
        + TEST.format(arguments="p0=1").replace("health", "other")
    )
    assert [line.split("::")[1].split(":")[0] for line in errors()] == ["test_health", "test_other"]


@pytest.mark.parametrize(("arguments", "message"), MARKERS[:2])
def test_workers_of_xdist_tell_it_once_and_without_a_crash(
    suite: Suite, errors: Errors, arguments: str, message: str
) -> None:
    pytest.importorskip("xdist")
    suite.write(TEST.format(arguments=arguments))
    assert errors("-n", "2") == [f"ERROR: test_it.py::test_health: latency_budget: {message}"]


def test_a_parameter_is_named_by_its_id(suite: Suite, errors: Errors) -> None:
    suite.write(
        """
        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=latency_budget(p50="soon"))])
        def test_health(n): pass
        """.replace("\n        ", "\n")
    )
    assert errors() == [
        f"ERROR: test_it.py::test_health[2]: latency_budget: p50: 'soon' is not a duration: {HOW}"
    ]


SETTINGS = [
    ("--latency=loud", "unknown mode 'loud': must be gate, report or off"),
    ("--latency-time-limit=5parsec", None),
    ("--latency-samples=0", "'0' must be a whole number of at least 1"),
    (
        "--latency-warmup=many",
        "'many' is not a warm-up: write a number of calls, a time such as '2s', or 'auto'",
    ),
    ("--latency-attribution=maybe", "'maybe' must be on or off"),
    ("--latency-exclusive=maybe", "'maybe' must be auto, on or off"),
]
PARSEC = "'5parsec' has the unknown unit 'parsec': use ns, us, ms, s or min"


@pytest.mark.parametrize(("option", "message"), SETTINGS)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_an_invalid_option_is_named(
    suite: Suite, errors: Errors, option: str, message: str | None, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    suite.write(TEST.format(arguments="10"))
    name = option.partition("=")[0]
    assert errors(option, *workers) == [f"ERROR: command line option {name}: {message or PARSEC}"]


def test_a_bad_ini_value_is_named_with_its_file(
    pytester: pytest.Pytester, suite: Suite, errors: Errors
) -> None:
    pytester.makeini("[pytest]\nlatency_time_limit = 5parsec\n")
    suite.write(TEST.format(arguments="10"))
    assert errors() == [f"ERROR: tox.ini: latency_time_limit: {PARSEC}"]


def test_a_bad_environment_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, suite: Suite, errors: Errors
) -> None:
    monkeypatch.setenv("HANCOCK_LATENCY_MODE", "loud")
    suite.write(TEST.format(arguments="10"))
    assert errors() == [
        "ERROR: environment variable HANCOCK_LATENCY_MODE: unknown mode 'loud': must be gate, "
        "report or off"
    ]


def test_a_least_number_above_the_greatest_is_named(suite: Suite, errors: Errors) -> None:
    suite.write(TEST.format(arguments="10"))
    assert errors("--latency-samples=9", "--latency-max-samples=5") == [
        "ERROR: command line option --latency-max-samples: samples=9 is above max_samples=5"
    ]


BUDGET_FILES = [
    ("not toml at all [", "not a TOML file: Expected '=' after a key in a key/value pair"),
    ("[other]\nx = 1", None),
    ("budgets = 3", "'budgets' must be a table of budgets by name"),
    ('[budgets]\n"GET /" = 3', 'budget "GET /" must be a table such as p50 = 10'),
    (
        '[budgets."GET /"]\np50 = -1',
        'budget "GET /": p50: -1 is not a duration: it must be greater than zero',
    ),
    (
        '[budgets."GET /"]\np9x = 1',
        f'budget "GET /": unknown keyword \'p9x\' (did you mean "p99"?): {KEYWORDS}',
    ),
    (
        '[tool.hancock-latency.budget."GET /"]\np99 = 1',
        'unknown table [tool.hancock-latency.budget] (did you mean "budgets"?): '
        "must be one of budgets, machine, profiles, extends",
    ),
    (
        '[budgets."GET /"]\np50 = 1\n[machine]\ncpu = "a CPU"',
        "table 'machine': python is missing: must be a table of cpu, python, arithmetic and "
        "memory, as hancock-latency suggest writes",
    ),
    ("[tool]\nhancock-latency = 5", "'tool.hancock-latency' must be a table"),
]
NO_BUDGETS = (
    'no budgets: expected tables such as [budgets."GET /health"] or '
    '[tool.hancock-latency.budgets."GET /health"]'
)


@pytest.mark.parametrize(("content", "message"), BUDGET_FILES)
def test_a_malformed_budget_file_is_named_even_if_no_test_asks_for_it(
    suite: Suite, errors: Errors, content: str, message: str | None
) -> None:
    file = suite.path / "budgets.toml"
    file.write_text(content, encoding="utf-8")
    suite.write(TEST.format(arguments="10"))
    (line,) = errors(f"--latency-budgets={file}")
    assert line.startswith(f"ERROR: {file}: {message or NO_BUDGETS}")


def test_a_budget_file_that_is_missing_is_named(suite: Suite, errors: Errors) -> None:
    suite.write(TEST.format(arguments="10"))
    missing = suite.path / "nowhere.toml"
    assert errors(f"--latency-budgets={missing}") == [
        f"ERROR: {missing}: No such file or directory"
    ]


def test_an_unknown_budget_is_named_with_those_that_exist(suite: Suite, errors: Errors) -> None:
    file = suite.path / "budgets.toml"
    file.write_text('[budgets."GET /health"]\np50 = 1\n[budgets.other]\np50 = 1\n')
    suite.write(TEST.format(arguments='"GET /helth"'))
    assert errors(f"--latency-budgets={file}") == [
        "ERROR: test_it.py::test_health: latency_budget: "
        'unknown budget "GET /helth" (did you mean "GET /health"?): '
        'budgets.toml has "GET /health", "other"'
    ]


def test_an_unknown_table_of_pyproject_toml_is_named_even_if_no_test_names_a_budget(
    suite: Suite, errors: Errors
) -> None:
    file = suite.path / "pyproject.toml"
    file.write_text("[tool.hancock-latency.budgtes.x]\np50 = 1\n")
    suite.write(TEST.format(arguments="10"))
    assert errors() == [
        f"ERROR: {file}: unknown table [tool.hancock-latency.budgtes] "
        '(did you mean "budgets"?): '
        "must be one of budgets, machine, profiles, extends"
    ]


def test_a_budget_with_nothing_but_a_rate_is_no_budget_of_a_test(
    suite: Suite, errors: Errors
) -> None:
    (suite.path / "pyproject.toml").write_text(
        '[tool.hancock-latency.budgets."GET /a"]\nrps = ">= 200"\n'
    )
    suite.write(TEST.format(arguments='"GET /a"'))
    assert errors() == [
        'ERROR: test_it.py::test_health: latency_budget: budget "GET /a" limits only rps, '
        "which only Locust runs can measure: add a limit such as p99"
    ]


IMPORT = "import time\nfrom pytest_hancock_latency import latency_budget\n"
UNUSED = 'budgets in pyproject.toml that no test in this run uses: "GET /b", "GET /c"'


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_budgets_that_a_whole_run_did_not_use_are_one_line(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    table = "[tool.hancock-latency.budgets.'GET /{}']\np50 = 500\n"
    of_locust = "[tool.hancock-latency.budgets.Aggregated]\nrps = '>= 200'\n"
    (suite.path / "pyproject.toml").write_text("".join(map(table.format, "abc")) + of_locust)
    suite.write(TEST.format(arguments='"GET /a"'))
    suite.run(*workers).stdout.fnmatch_lines(UNUSED)


@pytest.mark.parametrize(
    "options",
    [
        ("test_it.py",),
        ("tests",),
        ("-k", "health"),
        ("-m", "latency_budget"),
        ("--deselect", "test_it.py::test_x"),
        ("--ignore", "other"),
        ("--ignore-glob", "other*"),
    ],
)
def test_a_part_of_the_suite_says_nothing_about_budgets_that_it_did_not_use(
    suite: Suite, options: tuple[str, ...]
) -> None:
    table = "[tool.hancock-latency.budgets.'GET /{}']\np50 = 500\n"
    (suite.path / "pyproject.toml").write_text("".join(map(table.format, "ab")))
    suite.write(TEST.format(arguments='"GET /a"'))
    (suite.path / "tests").mkdir()
    (suite.path / "tests" / "test_other.py").write_text(IMPORT + TEST.format(arguments='"GET /a"'))
    result = suite.run(*options)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*that no test in this run uses*")


@pytest.mark.parametrize("asked", [(), ("tests",), (".",)], ids=["testpaths", "named", "all"])
def test_all_test_paths_are_the_whole_suite(suite: Suite, asked: tuple[str, ...]) -> None:
    table = "[tool.hancock-latency.budgets.'GET /{}']\np50 = 500\n"
    options = "[tool.pytest.ini_options]\ntestpaths = ['tests']\n"
    (suite.path / "pyproject.toml").write_text("".join(map(table.format, "ab")) + options)
    (suite.path / "tests").mkdir()
    (suite.path / "tests" / "test_it.py").write_text(IMPORT + TEST.format(arguments='"GET /a"'))
    suite.run(*asked).stdout.fnmatch_lines(
        'budgets in pyproject.toml that no test in this run uses: "GET /b"'
    )


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has the table")
@pytest.mark.parametrize("file", ["pyproject.toml", "pytest.toml"])
def test_native_values_of_toml_are_read(suite: Suite, file: str) -> None:
    table = "[tool.pytest]" if file == "pyproject.toml" else "[pytest]"
    (suite.path / file).write_text(
        f"{table}\nlatency_samples = 60\nlatency_strict = true\nlatency_scale = 2.5\n"
        "latency_columns = ['min', 'max']\nlatency_junit = false\nlatency_time_limit = '2s'\n"
    )
    suite.write(TEST.format(arguments="10"))
    result = suite.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["sample*min*max*limits*", "*p50 25 *within"])


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 has the table")
def test_a_native_value_that_is_invalid_is_named(suite: Suite, errors: Errors) -> None:
    (suite.path / "pyproject.toml").write_text("[tool.pytest]\nlatency_samples = false\n")
    suite.write(TEST.format(arguments="10"))
    (line,) = errors()
    assert line.startswith("ERROR: pyproject.toml: latency_samples: ")


@pytest.mark.skipif(os.name != "posix", reason="needs /proc or a device that is no folder")
def test_an_artifact_that_cannot_be_written_is_named_before_any_test(
    suite: Suite, errors: Errors
) -> None:
    suite.write(TEST.format(arguments="10"))
    assert errors("--latency-json=/dev/null/deeper/artifact.json") == [
        "ERROR: cannot write the latency artifact /dev/null/deeper/artifact.json: Not a directory"
    ]


def test_a_folder_is_no_place_for_an_artifact(suite: Suite, errors: Errors, tmp_path: Path) -> None:
    suite.write(TEST.format(arguments="10"))
    assert errors(f"--latency-json={suite.path}") == [
        f"ERROR: cannot write the latency artifact {suite.path}: Is a directory"
    ]


def test_a_deselected_test_may_have_an_invalid_budget(suite: Suite) -> None:
    suite.write(TEST.format(arguments="p50=0") + "\ndef test_other(): pass\n")
    suite.run("-k", "other").assert_outcomes(passed=1, deselected=1)
