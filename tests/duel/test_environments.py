"""Packages of the sides: installed versions, and environments of their own."""

from __future__ import annotations

import os
import subprocess
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_hancock_latency.duel.environments import Environments
from pytest_hancock_latency.duel.sides import Side, two_sides
from pytest_hancock_latency.errors import DuelError

from .conftest import Commit

TEST = "from measured_code import f\n\ndef test_f(sample):\n    sample(f)\n"


def write_wheel(folder: Path, name: str, number: str, code: str) -> None:
    """Write a wheel with one module."""
    info = f"{name}-{number}.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index that uv and pip use: two versions of a package, and empty numpy and pytest."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number in ("1.0", "2.0"):
        write_wheel(folder, "measured_code", number, f"def f():\n    return {number!r}\n")
    for name in ("numpy", "pytest"):
        write_wheel(folder, name, version(name), "")
    for name in ("PIP_NO_INDEX", "UV_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return folder


def imported(side: Side) -> str:
    """What the code under test returns in a process of this side."""
    command = [str(side.python), "-c", "from measured_code import f; print(f())"]
    environ = side.environment(os.environ, 1, 5)
    done = subprocess.run(
        command, cwd=side.cwd, env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.usefixtures("packages")
def test_base_may_be_an_installed_version(commit: Commit) -> None:
    commit({"measured_code.py": "def f():\n    return 'head'\n", "tests/test_f.py": TEST})
    with two_sides("measured_code==1.0", ["tests"]) as (base, head):
        assert (imported(base), imported(head)) == ("1.0", "head")
        assert base.version == "measured_code==1.0"
        assert (base.root / "tests/test_f.py").read_text() == TEST


@pytest.mark.usefixtures("packages")
def test_both_may_be_installed_versions_with_the_tests_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "test_f.py").write_text(TEST)
    monkeypatch.chdir(folder)
    versions = ("measured_code==1.0", "measured_code==2.0")
    with two_sides(versions[0], [], head=versions[1]) as (base, head):
        assert (imported(base), imported(head)) == ("1.0", "2.0")
        assert [(side.root / "test_f.py").read_text() for side in (base, head)] == [TEST, TEST]


def test_an_installed_version_has_no_tests_of_its_own() -> None:
    with (
        pytest.raises(DuelError) as refused,
        two_sides("measured_code==1.0", [], own_tests=True),
    ):
        pass
    assert str(refused.value) == "measured_code==1.0 has no tests of its own: leave out --tests=own"


@pytest.mark.usefixtures("packages")
def test_a_version_that_does_not_exist_is_one_error(commit: Commit, tmp_path: Path) -> None:
    commit({"test_f.py": TEST})
    with pytest.raises(DuelError) as refused, two_sides("measured_code==9.9", []):
        pass
    assert "measured_code==9.9" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "exit code 1" in str(refused.value)


def test_requirements_that_differ_ask_for_separate_environments(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("base", "head")]
    for root, number in zip(roots, ("1", "2"), strict=True):
        root.mkdir()
        (root / "pyproject.toml").write_text(
            f'[project]\nname = "x"\nversion = "{number}"\ndependencies = ["y>=1"]\n'
        )
    assert not Environments().are_separate(roots)
    (roots[1] / "requirements-dev.txt").write_text("z\n")
    assert Environments().are_separate(roots)
    assert not Environments("shared").are_separate(roots)
    (roots[1] / "requirements-dev.txt").unlink()
    text = (roots[1] / "pyproject.toml").read_text()
    (roots[1] / "pyproject.toml").write_text(text.replace("y>=1", "y>=2"))
    assert Environments().are_separate(roots)
    assert Environments("separate").are_separate([roots[0], roots[0]])


@pytest.mark.long
@pytest.mark.usefixtures("packages")
def test_each_side_may_have_an_environment_of_its_own(commit: Commit) -> None:
    commit({"requirements.txt": "measured_code==1.0\n", "test_f.py": TEST})
    commit({"requirements.txt": "measured_code==2.0\n"})
    with two_sides("HEAD~1", []) as (base, head):
        assert (imported(base), imported(head)) == ("1.0", "2.0")
        assert len(str(base.python)) == len(str(head.python))


@pytest.mark.long
@pytest.mark.usefixtures("packages")
def test_an_installation_that_fails_is_one_error(commit: Commit) -> None:
    commit({"requirements.txt": "measured_code==9.9\n", "test_f.py": TEST})
    environments = Environments("separate")
    with pytest.raises(DuelError) as refused, two_sides("HEAD", [], environments=environments):
        pass
    assert "-r requirements.txt: exit code 1: " in str(refused.value)
    assert "\n" not in str(refused.value)
