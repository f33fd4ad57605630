"""Every configuration in docs/ci.md is one that its CI server would take."""

from __future__ import annotations

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
    ".github/workflows/latency-comment.yml": ("vendor.github-workflows",),
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
    assert 0 == checked.returncode, checked.stdout


def uses(content: Any) -> list[dict[str, Any]]:
    """Every step that uses one of our actions, wherever it is."""
    if isinstance(content, list):
        return [step for element in content for step in uses(element)]
    if isinstance(content, dict):
        here = [content] if content.get("uses") in ACTIONS else []
        return here + [step for value in content.values() for step in uses(value)]
    return []


@pytest.mark.parametrize("name", ["three lines", *list(SCHEMAS)[:2]])
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
