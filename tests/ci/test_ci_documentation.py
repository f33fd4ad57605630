"""Every configuration in docs/ci.md is one that its CI server would take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```yaml\n# (.*?)\n(.*?)```", TEXT, re.DOTALL))
SCHEMAS = {
    ".github/workflows/latency.yml": ("vendor.github-workflows",),
    ".github/workflows/duel.yml": ("vendor.github-workflows",),
    ".github/workflows/latency-comment.yml": ("vendor.github-workflows",),
    ".github/workflows/latency-baseline.yml": ("vendor.github-workflows",),
    ".github/workflows/latency-history.yml": ("vendor.github-workflows",),
    "latency-history.gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "latency-baseline.gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    ".gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "azure-pipelines.yml": ("vendor.azure-pipelines", "--data-transform", "azure-pipelines"),
}
ACTIONS = {
    "OWNER/pytest-hancock-latency@v1": ROOT / "action.yml",
    "OWNER/pytest-hancock-latency/.github/actions/comment@v1": ROOT
    / ".github/actions/comment/action.yml",
}


def test_every_yaml_block_is_checked() -> None:
    assert len(re.findall("```yaml", TEXT)) == len(BLOCKS)
    assert {"three lines", *SCHEMAS} == set(BLOCKS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_configuration_is_valid_by_the_schema_of_its_server(tmp_path: Path, name: str) -> None:
    pytest.importorskip("check_jsonschema")
    file = tmp_path / Path(name).name
    file.write_text(BLOCKS[name], encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[name], file]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.long
def test_a_baseline_is_compared_with_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of the GitHub workflow: a pull request before any baseline, a push, and another."""
    steps = yaml.safe_load(BLOCKS[".github/workflows/latency-baseline.yml"])["jobs"]["gate"][
        "steps"
    ]
    scripts = {step["name"]: step["run"] for step in steps if "name" in step}
    for name in list(os.environ):
        if name.startswith(("HANCOCK_", "GITHUB_", "PYTEST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_hancock_latency.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    (tmp_path / "tests" / "perf").mkdir(parents=True)
    (tmp_path / "tests" / "perf" / "test_it.py").write_text(
        "import time\nfrom pytest_hancock_latency import latency_budget\n"
        "@latency_budget(p50=500, samples=1)\ndef test_it(sample): sample(int)\n"
    )
    reports = []
    for step in ("gate", "keep the baseline", "gate"):
        command = ["bash", "-e", "-c", scripts[step]]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        reports.append((tmp_path / "artifacts" / "latency-report.html").read_text())
    assert ["median before" in report for report in reports] == [False, False, True]


def uses(content: Any) -> list[dict[str, Any]]:
    """Every step that uses one of our actions, wherever it is."""
    if isinstance(content, list):
        return [step for element in content for step in uses(element)]
    if isinstance(content, dict):
        here = [content] if content.get("uses") in ACTIONS else []
        return here + [step for value in content.values() for step in uses(value)]
    return []


@pytest.mark.parametrize("name", [name for name, block in BLOCKS.items() if "OWNER/" in block])
def test_an_action_gets_only_inputs_that_it_has(name: str) -> None:
    (step,) = uses(yaml.safe_load(BLOCKS[name]))
    action = yaml.safe_load(ACTIONS[step["uses"]].read_text(encoding="utf-8"))
    assert set(step.get("with", {})) <= set(action["inputs"])


def test_the_table_of_inputs_is_that_of_the_action() -> None:
    section = TEXT.partition("| input |")[2].partition("\n\n")[0]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert list(action["inputs"]) == re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)


def test_the_workflow_that_comments_waits_for_the_one_that_gates() -> None:
    gating = yaml.safe_load(BLOCKS[".github/workflows/latency.yml"])
    assert f"workflows: [{gating['name']}]" in BLOCKS[".github/workflows/latency-comment.yml"]
