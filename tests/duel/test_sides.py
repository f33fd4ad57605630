"""The two versions of a duel: where their code and their tests come from, and what is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_hancock_latency.duel.sides import Side, two_sides
from pytest_hancock_latency.errors import DuelError

from .conftest import Commit, git

OLD, NEW = "def f():\n    return 'old'\n", "def f():\n    return 'new'\n"
TEST = "from measured_code import f\n\ndef test_f():\n    assert f()\n"


@pytest.fixture
def two_commits(commit: Commit) -> str:
    """Old code with an old test, then new code with a new test; the first commit."""
    first = commit({"measured_code.py": OLD, "tests/test_f.py": "old test", "pytest.ini": ""})
    commit({"measured_code.py": NEW, "tests/test_f.py": TEST})
    return first


def imported(side: Side) -> str:
    """What the code under test returns in a process of this side."""
    command = [sys.executable, "-c", "from measured_code import f; print(f())"]
    environ = side.environment(os.environ, 1, 5)
    done = subprocess.run(
        command, cwd=side.cwd, env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["HEAD~1", "old-tag", "old-branch", "commit"])
def test_base_is_a_commit_a_tag_or_a_branch(repository: Path, two_commits: str, name: str) -> None:
    git(repository, "tag", "old-tag", two_commits)
    git(repository, "branch", "old-branch", two_commits)
    version = two_commits if name == "commit" else name
    with two_sides(version, ["tests"]) as (base, head):
        assert (imported(base), imported(head)) == ("old", "new")
        assert two_commits[:9] in base.version


def test_base_may_be_a_folder(two_commits: str, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "measured_code.py").write_text("def f():\n    return 'released'\n")
    with two_sides(str(folder), ["tests"]) as (base, head):
        assert (imported(base), imported(head)) == ("released", "new")
        assert (base.root / "tests/test_f.py").read_text() == TEST


def test_head_may_be_a_commit_too(two_commits: str) -> None:
    with two_sides("HEAD", ["tests"], head=two_commits) as (base, head):
        assert (imported(base), imported(head)) == ("new", "old")


def test_head_is_the_working_folder_with_what_is_not_committed(
    repository: Path, two_commits: str
) -> None:
    (repository / "measured_code.py").write_text("from added import f\n")
    (repository / "added.py").write_text("def f():\n    return 'uncommitted'\n")
    (repository / "pytest.ini").unlink()
    with two_sides("HEAD", ["tests"]) as (base, head):
        assert (imported(base), imported(head)) == ("new", "uncommitted")
        assert not (head.root / "pytest.ini").exists()
        assert head.version.endswith("with 3 changed files")


def test_both_sides_run_the_tests_of_head(two_commits: str) -> None:
    with two_sides(two_commits, ["tests/test_f.py::test_f"]) as (base, _head):
        assert (base.root / "tests/test_f.py").read_text() == TEST
        assert (base.root / "measured_code.py").read_text() == OLD


def test_each_side_may_run_its_own_tests(two_commits: str) -> None:
    with two_sides(two_commits, ["tests"], own_tests=True) as (base, _head):
        assert (base.root / "tests/test_f.py").read_text() == "old test"


@pytest.mark.parametrize("argument", ["package/test_g.py", "package", "."])
def test_tests_next_to_the_code_are_copied_without_it(commit: Commit, argument: str) -> None:
    commit({"package/g.py": OLD, "conftest.py": "old"})
    commit({"package/g.py": NEW, "package/test_g.py": TEST, "conftest.py": "new"})
    with two_sides("HEAD~1", [argument]) as (base, _head):
        assert (base.root / "package/g.py").read_text() == OLD
        assert (base.root / "package/test_g.py").read_text() == TEST
        assert (base.root / "conftest.py").read_text() == "new"


def test_code_in_a_src_folder_is_found(commit: Commit) -> None:
    commit({"src/measured_code.py": OLD})
    commit({"src/measured_code.py": NEW})
    with two_sides("HEAD~1", []) as (base, head):
        assert (imported(base), imported(head)) == ("old", "new")


def test_a_duel_below_the_root_runs_there_on_both_sides(
    repository: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit({"service/measured_code.py": OLD})
    commit({"service/measured_code.py": NEW})
    monkeypatch.chdir(repository / "service")
    with two_sides("HEAD~1", []) as (base, head):
        assert (base.cwd.name, head.cwd.name) == ("service", "service")
        assert (imported(base), imported(head)) == ("old", "new")


def test_paths_and_environments_are_of_the_same_size(two_commits: str) -> None:
    with two_sides(two_commits, ["tests"]) as (base, head):
        assert len(str(base.cwd)) == len(str(head.cwd))
        sizes = [
            len(str(side.environment(os.environ, seed, fd)))
            for side, seed, fd in ((base, 7, 8), (head, 7, 11))
        ]
        assert sizes[0] == sizes[1]


def test_both_are_compiled_before_the_first_pass(two_commits: str) -> None:
    with two_sides(two_commits, ["tests"]) as sides:
        assert [len(list(side.root.glob("__pycache__/measured_*.pyc"))) for side in sides] == [1, 1]


def test_both_sides_are_measured_by_the_package_of_the_coordinator(commit: Commit) -> None:
    commit({"pytest_hancock_latency/__init__.py": "raise ImportError", "measured_code.py": OLD})
    code = "import pytest_hancock_latency as p; print(p.latency_budget.__name__)"
    with two_sides("HEAD", []) as sides:
        for side in sides:
            command = [sys.executable, "-c", code]
            environ = side.environment(os.environ, 1, 5)
            done = subprocess.check_output(command, cwd=side.root / "..", env=environ, text=True)
            assert done.strip() == "latency_budget"


def test_the_plugin_is_found_where_only_the_coordinator_has_it(commit: Commit) -> None:
    commit({"measured_code.py": OLD})
    code = (
        "from importlib.metadata import entry_points\n"
        "print([e.value for e in entry_points(group='pytest11') if e.name == 'hancock_latency'])"
    )
    with two_sides("HEAD", []) as (base, _head):
        command = [sys.executable, "-S", "-c", code]  # -S: without what is installed
        environ = base.environment(os.environ, 1, 5)
        found = subprocess.check_output(command, cwd=base.cwd, env=environ, text=True)
    assert found.strip() == "['pytest_hancock_latency.plugin']"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind(
    repository: Path, two_commits: str, own_temporary_folder: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), two_sides(two_commits, ["tests"]):  # noqa: PT012 - is interrupted
        assert len(git(repository, "worktree", "list").splitlines()) == 3
        raise error
    assert list(own_temporary_folder.iterdir()) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_an_unknown_version_is_refused(
    repository: Path, two_commits: str, own_temporary_folder: Path
) -> None:
    with pytest.raises(DuelError) as refused, two_sides("nowhere", []):
        pass
    assert str(refused.value) == (
        f"'nowhere' is not a commit, branch or tag of the repository {repository}, a folder, or a "
        "version such as package==1.4"
    )
    assert list(own_temporary_folder.iterdir()) == []


def test_outside_of_a_repository_only_folders_are_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(DuelError) as refused, two_sides("main", []):
        pass
    assert str(refused.value) == (
        f"'main' is not a folder (and {folder} is not in a git repository), or a version such as "
        "package==1.4"
    )


def test_a_repository_without_a_commit_is_refused(repository: Path) -> None:
    with pytest.raises(DuelError) as refused, two_sides(str(repository), []):
        pass
    assert str(refused.value) == f"the repository {repository} has no commit yet"


def test_base_without_the_folder_of_the_duel_is_refused(
    repository: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit({"measured_code.py": OLD})
    commit({"service/measured_code.py": NEW})
    monkeypatch.chdir(repository / "service")
    with pytest.raises(DuelError) as refused, two_sides("HEAD~1", []):
        pass
    assert str(refused.value).startswith("base (HEAD~1 (")
    assert str(refused.value).endswith(")) has no folder service")
