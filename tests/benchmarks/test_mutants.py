"""Mutants: which are made, which tests are run for them, and what the score counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("cosmic_ray")
pytest.importorskip("resource")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "mutants.py"
WITHOUT_GIT = shutil.which("git") is None
ACCEPTED = ROOT / "tests" / "mutants_accepted.toml"
LIMIT = """
def is_over(latency, limit):
    return latency > limit
"""
PATH = "package/limit.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; it finds what it shares next to itself."""
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    import mutants

    return mutants


def diffs(script: ModuleType, text: str) -> set[tuple[str, str]]:
    """Every change to a text, before and after."""
    source = script.Source(PATH, text)
    made = [source.diff(mutant) for mutant in source.mutants(1)]
    return {(diff.before, diff.after) for diff in made}


def test_a_comparison_is_negated_and_moved_by_one(script: ModuleType) -> None:
    assert {
        ("return latency > limit", "return latency >= limit"),
        ("return latency > limit", "return latency <= limit"),
    } == diffs(script, LIMIT)


def test_a_number_becomes_one_higher_and_one_lower(script: ModuleType) -> None:
    assert {("LIMIT = 5", "LIMIT = 6"), ("LIMIT = 5", "LIMIT = 4")} == {
        (before, after.replace("=  ", "= ")) for before, after in diffs(script, "LIMIT = 5\n")
    }


def test_a_change_over_several_lines_is_shown_in_one(script: ModuleType) -> None:
    text = "@wrapped\ndef f():\n    return g\n"
    assert {("@wrapped def f():", "def f():")} == diffs(script, text)


@pytest.mark.parametrize(
    "text",
    [
        "def f(x: int | None) -> int | None: ...",
        "x: int | None",
        "if TYPE_CHECKING:\n    limit = 5 > 4\n",
        "if TYPE_CHECKING:\n    @property\n    def f(): ...\n",
        "@dataclass(frozen=True)\nclass A: ...\n",
        "@lru_cache(maxsize=None)\ndef f(): ...\n",
        "zip(a, b, strict=True)",
        "def f(a, *, b): ...",
    ],
)
def test_what_no_test_could_notice_is_not_changed(script: ModuleType, text: str) -> None:
    assert {after for _, after in diffs(script, text)} <= {"class A: ..."}


def test_what_runs_without_a_type_checker_is_changed(script: ModuleType) -> None:
    text = "if TYPE_CHECKING:\n    from a import b\nelse:\n    b = not c\n"
    assert {"b = c"} == {" ".join(after.split()) for _, after in diffs(script, text)}


def test_characters_of_several_bytes_before_an_annotation_do_not_matter(
    script: ModuleType,
) -> None:
    assert set() == diffs(script, "def f(é: int | None, ü: int | None): ...\n")


def test_the_sample_stays_the_same_where_the_code_does(script: ModuleType) -> None:
    text = "".join(f"limit_{number} = {number} + x\n" for number in range(10))
    earlier, later = script.Source(PATH, text), script.Source(PATH, "import a\n\n" + text)
    lines = [
        [source.lines[mutant.line - 1] for mutant in script.sample(source.mutants(1), 8)]
        for source in (earlier, later)
    ]
    assert lines[0] == lines[1]


def test_another_seed_takes_another_sample(script: ModuleType) -> None:
    text = "".join(f"limit_{number} = {number} + x\n" for number in range(10))
    source = script.Source(PATH, text)
    assert script.sample(source.mutants(1), 8) != script.sample(source.mutants(2), 8)


def recorded(script: ModuleType, *rows: tuple[str, float, dict[str, list[int]]]) -> Any:
    """Tests with the seconds they take and the lines they run."""
    from mutation.covering import Coverage, Test

    tests = [
        Test(name, seconds, True, {path: frozenset(lines) for path, lines in ran.items()})
        for name, seconds, ran in rows
    ]
    return Coverage(tests, [])


def chosen(script: ModuleType, coverage: Any, line: int, seconds: float = 100) -> list[str]:
    source = script.Source(PATH, LIMIT)
    return [test.name for test in coverage.for_place(source, line, {"package/user.py"}, seconds)]


def test_the_closest_tests_come_first(script: ModuleType) -> None:
    coverage = recorded(
        script,
        ("tests/test_elsewhere.py::test_not", 0.1, {"package/another.py": [3]}),
        ("tests/test_user.py::test_imports", 0.1, {"package/user.py": [1]}),
        ("tests/test_any.py::test_runs_the_line", 0.1, {PATH: [3]}),
        ("tests/test_limit.py::test_runs_another_line", 0.1, {PATH: [9]}),
        ("tests/test_limit.py::test_runs_the_line", 0.2, {PATH: [3]}),
    )
    assert chosen(script, coverage, 3) == [
        "tests/test_limit.py::test_runs_the_line",
        "tests/test_any.py::test_runs_the_line",
        "tests/test_limit.py::test_runs_another_line",
        "tests/test_user.py::test_imports",
    ]


def test_tests_that_take_too_long_together_are_left_out(script: ModuleType) -> None:
    coverage = recorded(
        script,
        ("tests/test_limit.py::test_long", 9, {PATH: [3]}),
        ("tests/test_limit.py::test_fast", 1, {PATH: [3]}),
        ("tests/test_limit.py::test_slow", 5, {PATH: [3]}),
    )
    expected = ["tests/test_limit.py::test_fast", "tests/test_limit.py::test_slow"]
    assert expected == chosen(script, coverage, 3, seconds=7)


def test_a_line_of_a_statement_is_run_by_tests_of_any_of_its_lines(script: ModuleType) -> None:
    source = script.Source(PATH, "if f(\n    x,\n    y,\n):\n    z = (\n        1\n    )\n")
    assert [range(1, 5), range(5, 8)] == [source.statement(3), source.statement(6)]


def result(script: ModuleType, after: str, outcome: str) -> Any:
    return script.Result(PATH, "", "", 0, 3, "return 1", after, outcome, 1, 1.0)


def test_equivalent_mutants_are_left_out_of_the_score_and_accepted_ones_lower_it(
    script: ModuleType,
) -> None:
    results = [
        result(script, "return 2", "killed"),
        result(script, "return 3", "timeout"),
        result(script, "return 4", "survived"),
        result(script, "return 5", "survived"),
        result(script, "return 6", "no tests"),
    ]
    rows = [
        script.Acceptance(PATH, "return 1", "return 4", True, "the same"),
        script.Acceptance(PATH, "return 1", "return 5", False, "nobody cares"),
    ]
    score = script.score_of(results, {row.place: row for row in rows})
    assert script.Score(tried=5, killed=2, equivalent=1, accepted=1) == score
    assert (score.survived, score.percent) == (2, 50.0)


def test_a_result_that_was_cut_off_is_tried_again(script: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    whole = json.dumps(vars(result(script, "return 2", "killed")))
    file.write_text(f"{whole}\n{whole[:20]}", encoding="utf-8")
    assert len(script.read_results(file)) == 1
    assert f"{whole}\n" == file.read_text(encoding="utf-8")


def test_every_survivor_with_a_reason_is_a_change_to_the_code_of_today(script: ModuleType) -> None:
    tables = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))
    listed = {
        (row["path"], row["before"], row["after"])
        for kind in ("equivalent", "accepted")
        for row in tables[kind]
    }
    paths = {path for path, _, _ in listed}
    lines = {path: " ".join((ROOT / path).read_text(encoding="utf-8").split()) for path in paths}
    gone = [place for place in listed if " ".join(place[1].split()) not in lines[place[0]]]
    assert gone == []
    assert all(row["reason"] for rows in tables.values() for row in rows)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of one module, of which one test notices every change to one function."""
    files = {
        "pyproject.toml": (
            '[tool.mutants]\ntargets = ["package/*.py"]\ntests = ["tests"]\nleft_out = []\n'
            "[tool.pytest.ini_options]\n"
            'addopts = ["--import-mode=importlib", "-p", "no:asyncio"]\nmarkers = ["long"]\n'
        ),
        "package/__init__.py": "",
        PATH: f"{LIMIT}\ndef is_under(latency, limit):\n    return latency < limit\n",
        "tests/test_limit.py": (
            "from package.limit import is_over\n\n"
            "def test_over():\n    assert [is_over(n, 2) for n in (1, 2, 3)] == [0, 0, 1]\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.long
@pytest.mark.skipif(WITHOUT_GIT, reason="copies what git lists")
def test_mutants_are_tried_and_survivors_tried_again_after_new_tests(project: Path) -> None:
    def tried(*options: str) -> tuple[str, list[str]]:
        command = [sys.executable, str(SCRIPT), "--root", str(project), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        trials = [line for line in done.stdout.splitlines() if " s): " in line]
        return done.stdout, trials

    text, trials = tried()
    assert len(trials) == 4
    assert "package/limit.py:6: return latency < limit  →  return latency <= limit" in text
    assert text.endswith("mutants: surviving, % 50; 1 of 1 goals missed\n")
    assert tried()[1] == []
    assert [line.startswith("survived") for line in tried("--control", "3")[1]] == [True] * 3
    test_file = project / "tests" / "test_limit.py"
    more = "def test_under():\n    assert [is_under(n, 2) for n in (1, 2, 3)] == [1, 0, 0]\n"
    before = test_file.read_text(encoding="utf-8").replace("is_over\n", "is_over, is_under\n", 1)
    test_file.write_text(before + more, encoding="utf-8")
    text, trials = tried("--again")
    assert len(trials) == 2
    assert text.endswith("mutants: surviving, % 0; 0 of 1 goals missed\n")
