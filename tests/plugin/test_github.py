"""What a session leaves on GitHub Actions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Suite

SLOW = """

@latency_budget(p50=1, p95=2)
def test_slow(sample): sample(cpu.use, 0.05)
"""
FAST = """
@latency_budget(p50=500, samples=1)
def test_fast(sample): sample(time.sleep, 0)
"""


@pytest.fixture
def summary(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the job summary, to which somebody has written before."""
    path = suite.path / "summary.md"
    path.write_text("earlier\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


@pytest.fixture
def actions(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite that runs on GitHub Actions, checked out at its own folder."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    return suite


def commands(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("::")]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_table_is_added_to_the_job_summary_once(
    suite: Suite, summary: Path, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    suite.write(SLOW + FAST)
    suite.run(*workers)
    before, heading, rest = summary.read_text(encoding="utf-8").partition("### Latency budgets\n")
    assert (before, heading) == ("earlier\n", "### Latency budgets\n")
    assert "1 within, 1 exceeded" in rest
    assert rest.index("test\\_slow") < rest.index("test\\_fast")
    assert "### Latency budgets" not in rest


def test_a_session_without_samples_adds_nothing_to_the_job_summary(
    suite: Suite, summary: Path
) -> None:
    suite.write("def test_plain(): pass\n")
    suite.run("--latency=gate")
    assert summary.read_text(encoding="utf-8") == "earlier\n"


def test_a_job_summary_that_cannot_be_written_is_one_line_and_fails_nothing(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "nowhere" / "summary.md"))
    suite.write(FAST)
    result = suite.run()
    assert result.ret == pytest.ExitCode.OK
    assert (
        result.outlines.count(
            f"cannot write the job summary {suite.path / 'nowhere' / 'summary.md'}: "
            "No such file or directory"
        )
        == 1
    )


def test_an_exceeded_budget_is_an_error_at_the_line_of_its_test(actions: Suite) -> None:
    actions.write(SLOW + FAST)
    (command,) = commands(actions.run())
    source = (actions.path / "test_it.py").read_text(encoding="utf-8").splitlines()
    line = 1 + source.index("@latency_budget(p50=1, p95=2)")
    assert command.startswith(
        f"::error file=test_it.py,line={line},"
        "title=latency budget exceeded%3A test_it.py%3A%3Atest_slow::p95 "
    )


def test_the_file_is_named_from_the_folder_that_github_checked_out(
    actions: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(actions.path.parent))
    actions.write(SLOW)
    (command,) = commands(actions.run())
    assert command.startswith(f"::error file={actions.path.name}/test_it.py,line=")


def test_workers_of_xdist_annotate_once(actions: Suite) -> None:
    pytest.importorskip("xdist")
    actions.write(SLOW + FAST)
    (command,) = commands(actions.run("-n", "2"))
    assert command.startswith("::error file=test_it.py,line=")


def test_a_session_that_only_reports_warns(actions: Suite) -> None:
    actions.write(SLOW)
    (command,) = commands(actions.run("--latency=report"))
    assert command.startswith("::warning file=test_it.py,line=")


def test_both_can_be_switched_off(actions: Suite, summary: Path) -> None:
    actions.write(SLOW)
    assert commands(actions.run("--latency-github=off")) == []
    assert summary.read_text(encoding="utf-8") == "earlier\n"


def test_elsewhere_there_are_no_annotations(suite: Suite) -> None:
    assert "GITHUB_ACTIONS" not in os.environ
    suite.write(SLOW)
    assert commands(suite.run()) == []
