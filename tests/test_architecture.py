"""The rooms of the two packages and the walls between them, read from the source by `ast`.

core ← measuring      core ← reporting      core, measuring, reporting ← plugin, locust_gate, cli

Each rule is a function from one source file to its breaches, and is used twice: on every file that
it is about, where it finds none, and on a planted breach, which it finds.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = "pytest_hancock_latency"
APP = "hancock_app"
EDGES = ("plugin", "locust_gate", "cli")
LONGEST_FILE = 250
LONGEST_FUNCTION = 50
REFUSED_NAMES = {"utils", "misc", "helpers", "common", "manager", "data"}
# What a core without clock, file and environment has no use for.
OUTSIDE_WORLD = {
    *("time", "os", "sys", "io", "pathlib", "subprocess", "tempfile", "shutil", "socket"),
    *("pytest", "_pytest"),
}
DISK_MODULES = {"os", "pathlib", "shutil", "tempfile"}
DISK_CALLS = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink"}


@dataclass(frozen=True)
class Import:
    """One imported name: `from a.b import c` is a.b.c, since c may be a module."""

    target: str
    line: int
    when_loaded: bool  # run by importing the module: neither in a function nor for typing alone
    for_typing: bool

    def is_of(self, package: str) -> bool:
        return self.target == package or self.target.startswith(f"{package}.")


@dataclass(frozen=True)
class Source:
    path: str  # relative to the root of the repository
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @property
    def package(self) -> list[str]:
        return self.path.split("/")[:-1]

    @property
    def room(self) -> str:
        """The folder directly below the package; empty for a module of the package itself."""
        return self.package[1] if len(self.package) > 1 else ""

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._imports_below(self.tree, when_loaded=True, for_typing=False))

    def _imports_below(
        self, node: ast.AST, when_loaded: bool, for_typing: bool
    ) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                for target in self._targets(child):
                    yield Import(target, child.lineno, when_loaded and not for_typing, for_typing)
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from self._imports_below(child, False, for_typing)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for statement in child.body:
                    holder = ast.Module([statement], [])
                    yield from self._imports_below(holder, when_loaded, True)
                for statement in child.orelse:
                    holder = ast.Module([statement], [])
                    yield from self._imports_below(holder, when_loaded, for_typing)
            else:
                yield from self._imports_below(child, when_loaded, for_typing)

    def _targets(self, statement: ast.Import | ast.ImportFrom) -> list[str]:
        if isinstance(statement, ast.Import):
            return [alias.name for alias in statement.names]
        up = self.package[: len(self.package) - statement.level + 1] if statement.level else []
        base = ".".join([*up, *filter(None, [statement.module])])
        return [f"{base}.{alias.name}" for alias in statement.names]

    @cached_property
    def calls(self) -> list[tuple[str, int]]:
        """Name and line of each call: `open(…)` and `path.open(…)` are both `open`."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rsplit(".", 1)[-1]
                found.append((name, node.lineno))
        return found


Rule = Callable[[Source], Iterator[str]]


def imports_of(source: Source, packages: set[str]) -> Iterator[str]:
    for found in source.imports:
        if any(found.is_of(package) for package in packages):
            yield f"{source.path}:{found.line} imports {found.target}"


def calls_of(source: Source, names: set[str]) -> Iterator[str]:
    for name, line in source.calls:
        if name in names:
            yield f"{source.path}:{line} calls {name}()"


def imports_of_ours_beyond(source: Source, allowed: set[str]) -> Iterator[str]:
    """Imports of the plugin's package that are none of the allowed rooms and modules."""
    for found in source.imports:
        permitted = any(found.is_of(f"{PLUGIN}.{room}") for room in allowed)
        if found.is_of(PLUGIN) and not permitted:
            yield f"{source.path}:{found.line} imports {found.target}"


# --- the rules --------------------------------------------------------------------------------


def core_knows_no_other_room(source: Source) -> Iterator[str]:
    if source.room == "core":
        yield from imports_of_ours_beyond(source, {"core", "errors"})


def core_knows_no_outside_world(source: Source) -> Iterator[str]:
    if source.room == "core":
        yield from imports_of(source, OUTSIDE_WORLD)
        yield from calls_of(source, {"print", "input", "open", "now", "utcnow", "today"})


def measuring_and_reporting_know_only_core(source: Source) -> Iterator[str]:
    if source.room in ("measuring", "reporting"):
        yield from imports_of_ours_beyond(source, {"core", "errors", source.room})


def edges_do_not_know_each_other(source: Source) -> Iterator[str]:
    if source.room in EDGES:
        others = {f"{PLUGIN}.{edge}" for edge in EDGES if edge != source.room}
        yield from imports_of(source, others)


def edges_hold_no_statistics(source: Source) -> Iterator[str]:
    if source.room in EDGES:
        yield from imports_of(source, {"numpy", "scipy", "statistics"})


def packages_do_not_know_each_other(source: Source) -> Iterator[str]:
    yield from imports_of(source, {PLUGIN, APP} - {source.package[0]})


def only_the_locust_edge_imports_locust(source: Source) -> Iterator[str]:
    if source.room != "locust_gate":
        yield from imports_of(source, {"locust", "gevent"})


def only_the_application_imports_flask(source: Source) -> Iterator[str]:
    if source.package[0] != APP:
        yield from imports_of(source, {"flask", "werkzeug"})


def numpy_is_imported_where_it_is_used(source: Source) -> Iterator[str]:
    if source.package[0] == PLUGIN:
        for found in source.imports:
            if found.when_loaded and found.is_of("numpy"):
                yield f"{source.path}:{found.line} imports {found.target} while it is loaded"


def only_the_writer_touches_disk(source: Source) -> Iterator[str]:
    if source.room == "reporting" and not source.path.endswith("/writer.py"):
        for found in source.imports:
            if not found.for_typing and any(found.is_of(module) for module in DISK_MODULES):
                yield f"{source.path}:{found.line} imports {found.target}"
        yield from calls_of(source, DISK_CALLS)


def names_say_what_is_inside(source: Source) -> Iterator[str]:
    for name in (*source.package, source.path.split("/")[-1].removesuffix(".py")):
        if name in REFUSED_NAMES:
            yield f"{source.path} is named {name}"


def files_are_short(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > LONGEST_FILE:
        yield f"{source.path} has {lines} lines, more than {LONGEST_FILE}"


def functions_are_short(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                where = f"{source.path}:{node.lineno} {node.name}"
                yield f"{where} has {lines} lines, more than {LONGEST_FUNCTION}"


# --- held by every file -----------------------------------------------------------------------


def sources() -> list[Source]:
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for package in (PLUGIN, APP)
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def breaches(rule: Rule) -> list[str]:
    return [breach for source in sources() for breach in rule(source)]


def planted(rule: Rule, path: str, text: str) -> list[str]:
    return list(rule(Source(path, text)))


def test_both_packages_are_read() -> None:
    assert {PLUGIN, APP} == {source.package[0] for source in sources()}


def test_the_core_knows_no_other_room() -> None:
    assert [] == breaches(core_knows_no_other_room)


def test_the_core_has_no_clock_file_environment_pytest_or_print() -> None:
    assert [] == breaches(core_knows_no_outside_world)


def test_measuring_and_reporting_know_the_core_and_not_each_other() -> None:
    assert [] == breaches(measuring_and_reporting_know_only_core)


def test_the_edges_do_not_know_each_other() -> None:
    assert [] == breaches(edges_do_not_know_each_other)


def test_the_edges_hold_no_statistics() -> None:
    assert [] == breaches(edges_hold_no_statistics)


def test_plugin_and_application_do_not_know_each_other() -> None:
    assert [] == breaches(packages_do_not_know_each_other)


def test_only_the_locust_edge_imports_locust() -> None:
    assert [] == breaches(only_the_locust_edge_imports_locust)


def test_only_the_application_imports_flask() -> None:
    assert [] == breaches(only_the_application_imports_flask)


def test_numpy_is_never_imported_while_the_plugin_loads() -> None:
    assert [] == breaches(numpy_is_imported_where_it_is_used)


def test_in_reporting_only_the_writer_touches_disk() -> None:
    assert [] == breaches(only_the_writer_touches_disk)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [] == breaches(names_say_what_is_inside)


def test_no_file_is_longer_than_a_reader_holds() -> None:
    assert [] == breaches(files_are_short)


def test_no_function_is_longer_than_a_screen() -> None:
    assert [] == breaches(functions_are_short)


# --- each rule finds a planted breach ---------------------------------------------------------

CORE = f"{PLUGIN}/core/budget.py"


@pytest.mark.parametrize(
    "statement",
    [
        "from pytest_hancock_latency.plugin import options",
        "from pytest_hancock_latency import measuring",
        "import pytest_hancock_latency.cli",
        "from ..reporting.rows import row",
        "from .. import locust_gate",
        "def f():\n    from ..measuring import clock",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..plugin import ledger",
    ],
)
def test_a_core_that_knows_another_room_is_found(statement: str) -> None:
    assert 1 == len(planted(core_knows_no_other_room, CORE, statement))


@pytest.mark.parametrize(
    "statement",
    [
        "from .quantile import rank",
        "from ..errors import BudgetError",
        "from pytest_hancock_latency.core import quantile",
        "import math",
    ],
)
def test_a_core_that_knows_itself_and_the_errors_is_fine(statement: str) -> None:
    assert [] == planted(core_knows_no_other_room, CORE, statement)


@pytest.mark.parametrize(
    "statement",
    [
        *(f"import {module}" for module in sorted(OUTSIDE_WORLD)),
        "from time import perf_counter_ns",
        "import os.path",
        "print('x')",
        "open('x')",
        "datetime.now()",
    ],
)
def test_a_core_that_reaches_outside_is_found(statement: str) -> None:
    assert 1 == len(planted(core_knows_no_outside_world, CORE, statement))


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        (f"{PLUGIN}/measuring/plan.py", "from ..reporting import rows"),
        (f"{PLUGIN}/measuring/plan.py", "from pytest_hancock_latency.plugin import options"),
        (f"{PLUGIN}/measuring/plan.py", "from pytest_hancock_latency import latency_budget"),
        (f"{PLUGIN}/reporting/rows.py", "from ..measuring import clock"),
        (f"{PLUGIN}/reporting/rows.py", "from ..cli import main"),
    ],
)
def test_measuring_or_reporting_that_knows_more_than_the_core_is_found(
    path: str, statement: str
) -> None:
    assert 1 == len(planted(measuring_and_reporting_know_only_core, path, statement))


def test_an_edge_that_knows_another_is_found() -> None:
    path = f"{PLUGIN}/cli/__init__.py"
    assert 1 == len(planted(edges_do_not_know_each_other, path, "from ..plugin import options"))


def test_an_edge_that_does_statistics_is_found() -> None:
    path = f"{PLUGIN}/plugin/ledger.py"
    assert 1 == len(planted(edges_hold_no_statistics, path, "def f():\n    import numpy as np"))


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        (f"{APP}/health.py", "from pytest_hancock_latency.core import quantile"),
        (f"{PLUGIN}/cli/gate.py", "import hancock_app"),
    ],
)
def test_packages_that_know_each_other_are_found(path: str, statement: str) -> None:
    assert 1 == len(planted(packages_do_not_know_each_other, path, statement))


@pytest.mark.parametrize("statement", ["import locust", "from gevent import monkey"])
def test_locust_outside_its_edge_is_found(statement: str) -> None:
    path = f"{PLUGIN}/cli/gate.py"
    assert 1 == len(planted(only_the_locust_edge_imports_locust, path, statement))


def test_flask_outside_the_application_is_found() -> None:
    path = f"{PLUGIN}/plugin/fixtures.py"
    assert 1 == len(planted(only_the_application_imports_flask, path, "from flask import Flask"))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (1, "import numpy as np"),
        (1, "class A:\n    from numpy import sort"),
        (1, "try:\n    import numpy\nexcept ImportError:\n    pass"),
        (1, "if TYPE_CHECKING:\n    pass\nelse:\n    import numpy"),
        (0, "if TYPE_CHECKING:\n    import numpy as np"),
        (0, "def f():\n    import numpy as np"),
    ],
)
def test_numpy_that_is_imported_while_loading_is_found(expected: int, text: str) -> None:
    assert expected == len(planted(numpy_is_imported_where_it_is_used, CORE, text))


@pytest.mark.parametrize(
    "statement",
    ["import tempfile", "from pathlib import Path", "path.write_text('x')", "path.open()"],
)
def test_a_renderer_that_touches_disk_is_found(statement: str) -> None:
    path = f"{PLUGIN}/reporting/html.py"
    assert 1 == len(planted(only_the_writer_touches_disk, path, statement))


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        (f"{PLUGIN}/reporting/writer.py", "import os"),
        (f"{PLUGIN}/reporting/html.py", "if TYPE_CHECKING:\n    from pathlib import Path"),
    ],
)
def test_the_writer_may_touch_disk_and_a_renderer_may_name_a_path(
    path: str, statement: str
) -> None:
    assert [] == planted(only_the_writer_touches_disk, path, statement)


@pytest.mark.parametrize("path", [f"{APP}/utils.py", f"{PLUGIN}/helpers/text.py"])
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    assert 1 == len(planted(names_say_what_is_inside, path, ""))


@pytest.mark.parametrize(("expected", "lines"), [(0, LONGEST_FILE), (1, LONGEST_FILE + 1)])
def test_a_long_file_is_found(expected: int, lines: int) -> None:
    assert expected == len(planted(files_are_short, CORE, "x = 1\n" * lines))


@pytest.mark.parametrize(("expected", "lines"), [(0, LONGEST_FUNCTION), (1, LONGEST_FUNCTION + 1)])
def test_a_long_function_is_found(expected: int, lines: int) -> None:
    text = "async def f():\n" + "    x = 1\n" * (lines - 1)
    assert expected == len(planted(functions_are_short, CORE, text))
