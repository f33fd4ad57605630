"""Packages of the sides: installed versions, and environments of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pytest_hancock_latency.duel.environments import Environments
from pytest_hancock_latency.duel.sides import Side, two_sides
from pytest_hancock_latency.errors import DuelError

from .conftest import Commit

TEST = "from measured_code import f\n\ndef test_f(sample):\n    sample(f)\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with two versions of a package, which uv and pip use instead of any other."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel = folder / f"measured_code-{version}-py3-none-any.whl"
        info = f"measured_code-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("measured_code.py", f"def f():\n    return {version!r}\n")
            archive.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: measured-code\nVersion: {version}\n",
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
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
    for root, version in zip(roots, ("1", "2"), strict=True):
        root.mkdir()
        (root / "pyproject.toml").write_text(
            f'[project]\nname = "x"\nversion = "{version}"\ndependencies = ["y>=1"]\n'
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
    """The command stands for what a project installs; the packages are those of this process."""
    here = next(path for path in sys.path if path.endswith("site-packages"))
    link = f'echo {here} > "$(python -c "import site; print(site.getsitepackages()[0])")/here.pth"'
    install = "python -m pip install --quiet measured_code==$(cat version) && " + link
    commit({"version": "1.0", "test_f.py": TEST})
    commit({"version": "2.0"})
    environments = Environments("separate", install)
    with two_sides("HEAD~1", [], environments=environments) as (base, head):
        assert (imported(base), imported(head)) == ("1.0", "2.0")
        assert len(str(base.python)) == len(str(head.python))


@pytest.mark.long
def test_an_installation_that_fails_is_one_error(commit: Commit) -> None:
    commit({"test_f.py": TEST})
    environments = Environments("separate", "echo 'error: no such thing' >&2; exit 3")
    with pytest.raises(DuelError) as refused, two_sides("HEAD", [], environments=environments):
        pass
    assert str(refused.value) == (
        "sh -c echo 'error: no such thing' >&2; exit 3: exit code 3: error: no such thing"
    )
