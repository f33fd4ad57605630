"""The rooms of the packages and the walls between them.

core ← judging ← runs ← reporting ← files ← edges      judging ← measuring ← edges

Who may import whom is checked by import-linter, whose contracts are in pyproject.toml. What it
cannot see is checked here, from the syntax of each file; every such rule finds a planted breach.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_hancock_latency.core.verdict import Outcome

ROOT = Path(__file__).resolve().parents[1]
PLUGIN, APP = "pytest_hancock_latency", "hancock_app"
PURE_ROOMS = ("core", "judging", "runs")
REFUSED_NAMES = {"utils", "misc", "helpers", "common", "manager", "data"}
OUTSIDE_CALLS = {"print", "input", "open", "now", "utcnow", "today"}
DISK_CALLS = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink"}
VERDICT = f"{PLUGIN}/core/verdict.py"
"""The one home of the words for outcomes."""

Rule = Callable[[str, ast.Module], Iterator[str]]


def calls_of(path: str, tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Calls of these functions: ``open(…)`` and ``path.open(…)`` are both ``open``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rsplit(".", 1)[-1]
            if name in names:
                yield f"{path}:{node.lineno} calls {name}()"


def core_reaches_outside(path: str, tree: ast.Module) -> Iterator[str]:
    if path.startswith(tuple(f"{PLUGIN}/{room}/" for room in PURE_ROOMS)):
        yield from calls_of(path, tree, OUTSIDE_CALLS)


def renderer_touches_disk(path: str, tree: ast.Module) -> Iterator[str]:
    # Files of the package itself, such as the style sheet, are read by importlib.resources.
    if path.startswith(f"{PLUGIN}/reporting/") and not path.endswith("/writer.py"):
        yield from (c for c in calls_of(path, tree, DISK_CALLS - {"read_text"}))


def name_says_nothing(path: str, tree: ast.Module) -> Iterator[str]:
    for part in Path(path).with_suffix("").parts:
        if part in REFUSED_NAMES:
            yield f"{path} is named {part}"


def outcome_is_a_literal(path: str, tree: ast.Module) -> Iterator[str]:
    if path == VERDICT or not path.startswith(PLUGIN):
        return
    outcomes = {outcome.value for outcome in Outcome}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in outcomes:
            yield f"{path}:{node.lineno} writes {node.value!r} instead of using Outcome"


RULES = (core_reaches_outside, renderer_touches_disk, name_says_nothing, outcome_is_a_literal)


def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for package in (PLUGIN, APP)
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def test_the_imports_keep_every_contract() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_breaks_a_rule(rule: Rule) -> None:
    assert [breach for path, tree in sources().items() for breach in rule(path, tree)] == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (core_reaches_outside, f"{PLUGIN}/core/budget.py", "print('x')"),
        (core_reaches_outside, f"{PLUGIN}/judging/guide.py", "datetime.now()"),
        (renderer_touches_disk, f"{PLUGIN}/reporting/html/page.py", "path.write_text('x')"),
        (renderer_touches_disk, f"{PLUGIN}/reporting/table.py", "open('x')"),
        (name_says_nothing, f"{APP}/utils.py", ""),
        (name_says_nothing, f"{PLUGIN}/helpers/text.py", ""),
        (outcome_is_a_literal, f"{PLUGIN}/cli/gate.py", "record.outcome == 'exceeded'"),
        (outcome_is_a_literal, f"{PLUGIN}/reporting/table.py", "ORDER = ('not judged',)"),
    ],
)
def test_a_planted_breach_is_found(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(path, ast.parse(text)))) == 1


def test_no_module_imports_numpy_while_it_is_loaded() -> None:
    """Every module but those of the edge to Locust, which imports what it likes."""
    modules = [
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in sources()
        if path.startswith(PLUGIN) and "locust_gate" not in path and "__main__" not in path
    ]
    code = f"""
import sys
from importlib import import_module
for module in {modules!r}:
    import_module(module)
    assert "numpy" not in sys.modules, module
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
