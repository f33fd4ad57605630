"""Options of the gate, from the command line and the environment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.files.kinds import KINDS
from pytest_hancock_latency.locust_gate.settings import read_settings

MS = 1_000_000


def settings(folder: Path, environ: dict[str, str] | None = None, **said: object):
    options = Namespace(**{f"latency_{name}": value for name, value in said.items()})
    return read_settings(options, environ or {}, folder)


def test_without_options_there_are_no_budgets_and_artifacts(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.budgets, found.artifacts, found.strict, found.abort) == ({}, {}, False, False)


def test_the_command_line_is_stronger_than_the_environment(tmp_path: Path) -> None:
    environ = {"HANCOCK_LATENCY_JSON": "one.json", "HANCOCK_LATENCY_STRICT": "on"}
    found = settings(tmp_path, environ, json="other.json")
    assert ({"json": tmp_path / "other.json"}, True) == (found.artifacts, found.strict)


def test_a_folder_gets_every_artifact(tmp_path: Path) -> None:
    found = settings(tmp_path, artifacts="out")
    names = {name: kind.file_name for name, kind in KINDS.items() if kind.file_name}
    assert {kind: tmp_path / "out" / name for kind, name in names.items()} == found.artifacts


def test_the_variable_of_the_guide_asks_for_two_artifacts(tmp_path: Path) -> None:
    found = settings(tmp_path, {"HANCOCK_PERF_ARTIFACT": "out/performance-latency.json"})
    assert {
        "json": tmp_path / "out/performance-latency.json",
        "text": tmp_path / "out/benchmark-summary.txt",
    } == found.artifacts


def test_budgets_come_from_the_working_directory(tmp_path: Path) -> None:
    text = '[tool.hancock-latency.budgets."GET /it"]\np95 = 10\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert list(settings(tmp_path).budgets) == ["GET /it"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("--latency-strict: 'maybe' must be on or off", {"strict": "maybe"}),
        ("{folder}/none.toml: No such file or directory", {"budgets": "none.toml"}),
        (
            "--latency-pool-history adds up the runs of a history: name its folder with "
            "--latency-history=DIR",
            {"pool_history": "on"},
        ),
        ("cannot write the latency artifact {folder}: Is a directory", {"json": "."}),
    ],
)
def test_invalid_input_is_one_message(tmp_path: Path, message: str, said: dict[str, str]) -> None:
    with pytest.raises((LatencyError, OSError)) as caught:
        settings(tmp_path, **said)
    assert message.format(folder=tmp_path).lower() == str(caught.value).lower()
