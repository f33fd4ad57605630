"""How the code is cut: imports are resolved, names judged, and tests found as the script says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "structure.py"
WITHOUT_GIT = shutil.which("git") is None or not (SCRIPT.parents[1] / ".git").exists()


@pytest.fixture
def structure(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; it finds what it shares next to itself."""
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    import structure

    return structure


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import hancock_app.core.small", "hancock_app.core.small"),
        ("from hancock_app.core import small", "hancock_app.core.small"),
        ("from hancock_app.core.small import name", "hancock_app.core.small"),
        ("from . import small", "hancock_app.core.small"),
        ("from .small import name", "hancock_app.core.small"),
        ("from ..core import small", "hancock_app.core.small"),
        ("from ..core.small import name", "hancock_app.core.small"),
        ("from .. import errors", "hancock_app.errors"),
        ("def f():\n    from .small import name", "hancock_app.core.small"),
    ],
)
def test_imports_are_resolved(structure: ModuleType, statement: str, expected: str) -> None:
    assert expected in set(structure.Module("hancock_app/core/large.py", statement).imports())


def test_a_package_imports_relative_to_itself(structure: ModuleType) -> None:
    module = structure.Module("hancock_app/core/__init__.py", "from .small import name")
    assert module.name == "hancock_app.core"
    assert "hancock_app.core.small" in set(module.imports())


def test_a_sliver_is_small_and_has_at_most_one_importer(structure: ModuleType) -> None:
    texts = {
        "hancock_app/__init__.py": "",
        "hancock_app/alone.py": "x = 1",
        "hancock_app/once.py": "x = 1",
        "hancock_app/twice.py": "x = 1",
        "hancock_app/large.py": "from . import once, twice\n" + "x = 1\n" * 39,
        "hancock_app/larger.py": "from .twice import x\n" + "x = 1\n" * 39,
    }
    modules = structure.modules_of(texts)
    assert structure.slivers(modules) == ["hancock_app/alone.py", "hancock_app/once.py"]


def test_names_that_are_bound_are_counted(structure: ModuleType) -> None:
    text = """
a, *b = call(c=1)
class D:
    e: int
    def __eq__(self, other): ...
    def f(self, g, /, *h, i, **j):
        self.k = m = n[0] = lambda p: (q := p)
        for r in s: ...
        with t as u: ...
        try: ...
        except V as w: ...
        match x:
            case [y, *z]: ...
"""
    bound = [name for name, _ in structure.stored_names(structure.Module("a.py", text))]
    assert [*"abeghijkmpqruwyz", "self"] == sorted(bound, key=lambda name: (len(name), name))


@pytest.mark.parametrize(
    ("expected", "name"),
    [(True, "seen"), (True, "_each"), (False, "seen_ns"), (False, "latencies"), (False, "_")],
)
def test_a_vague_name_is_vague_as_a_whole(structure: ModuleType, expected: bool, name: str) -> None:
    assert expected == structure.is_vague(name)


def test_a_module_is_tested_by_its_name_or_by_that_of_its_folder(structure: ModuleType) -> None:
    texts = {
        "hancock_app/__init__.py": "",
        "hancock_app/charts/axis.py": "",
        "hancock_app/_clock.py": "",
        "hancock_app/ledger.py": "",
        "tests/core/test_charts_in_a_browser.py": "",
        "tests/test_clock.py": "",
        "tests/ledger.py": "",
    }
    assert structure.untested(texts) == ["hancock_app/ledger.py"]


@pytest.mark.skipif(WITHOUT_GIT, reason="needs a git repository")
def test_a_revision_is_compared_with_another() -> None:
    command = [sys.executable, str(SCRIPT), "--at", "HEAD", "--against", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["HEAD", "HEAD"]
    assert rows[1][0] == "files"
    assert rows[1][1] == rows[1][2]
    assert ["changed", "lines,", "anywhere", "+0", "−0"] in rows


@pytest.mark.skipif(WITHOUT_GIT, reason="needs a git repository")
def test_an_unknown_revision_is_one_line() -> None:
    command = [sys.executable, str(SCRIPT), "--at", "no-such-revision"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "structure: fatal: not a valid object name: no-such-revision\n"
