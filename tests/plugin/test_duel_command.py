"""``pytest --latency-duel``: the same as the command, with real repositories and processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ..duel.conftest import git

if sys.platform == "win32":  # no descriptors are handed down there
    pytest.skip("a duel needs POSIX", allow_module_level=True)

TEST = """
from measured_code import f
from pytest_hancock_latency import latency_budget

def test_f(sample): sample(f)

@latency_budget(p95=9_000)
def test_leaving(tmp_path): (tmp_path / "folder").mkdir()
"""


@pytest.fixture
def slower(pytester: pytest.Pytester) -> pytest.Pytester:
    """Two commits, the second one three times slower."""
    git(pytester.path, "init", "-q", "-b", "main")
    for work in (5_000, 15_000):
        files = {
            "measured_code.py": f"def f():\n    return sum(range({work}))\n",
            "test_it.py": TEST,
        }
        for name, text in files.items():
            Path(pytester.path, name).write_text(text)
        git(pytester.path, "add", "-A")
        git(pytester.path, "commit", "-q", "-m", "x")
    return pytester


@pytest.mark.parametrize(
    ("option", "exit_code"),
    [
        ((), 1),
        pytest.param(("--latency=report",), 0, marks=pytest.mark.long),
    ],
)
def test_a_slower_head_sets_the_exit_code_of_pytest(
    slower: pytest.Pytester, option: tuple[str, ...], exit_code: int
) -> None:
    ran = slower.runpytest_subprocess(
        "-p", "hancock_latency", "--latency-duel=HEAD~1", *option, "-q", "test_it.py"
    )
    assert exit_code == ran.ret
    ran.stdout.fnmatch_lines(
        [
            "1 sample compared: 1 slower",
            "not compared: test_it.py::test_leaving: a test that cannot be repeated: not measured "
            "in turns",
        ]
    )
    ran.stderr.fnmatch_lines(["pass 1: 0 of 1 samples settled, *"])


def test_a_version_that_does_not_exist_is_an_error_of_usage(slower: pytest.Pytester) -> None:
    ran = slower.runpytest_subprocess("-p", "hancock_latency", "--latency-duel", "nowhere")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(
        [
            "ERROR: 'nowhere' is not a commit, branch or tag of the repository "
            f"{slower.path}, a folder, or a version such as package==1.4"
        ]
    )
