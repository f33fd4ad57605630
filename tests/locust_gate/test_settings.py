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
    assert (found.budgets, found.artifacts) == ({}, {})
    assert (found.strict, found.abort, found.until_decided) == (False, False, False)


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


RUN = {"headless": True, "autostart": False, "run_time": None}
SHAPE = (
    "--latency-until-decided: a LoadTestShape plans the load of the whole run, so the run cannot "
    "end earlier; --latency-abort ends it once a budget is exceeded"
)
NO_END = "--latency-until-decided needs --run-time, when the run ends if it is not decided"


@pytest.mark.parametrize(
    ("message", "options", "shape_class"),
    [
        (NO_END, {}, None),
        (NO_END, {"headless": False, "autostart": True}, None),
        (SHAPE, {"run_time": 60}, object()),
    ],
    ids=["headless", "autostart", "shape"],
)
def test_a_run_without_a_last_moment_cannot_end_with_its_verdict(
    tmp_path: Path, message: str, options: dict[str, object], shape_class: object
) -> None:
    run = Namespace(**RUN | options)
    with pytest.raises(LatencyError) as caught:
        settings(tmp_path, until_decided=True).check_run(run, shape_class)
    assert message == str(caught.value)
    settings(tmp_path).check_run(run, shape_class)


@pytest.mark.parametrize("options", [{"run_time": 60}, {"headless": False}])
def test_a_run_with_a_time_or_one_that_the_page_starts_can_end_with_its_verdict(
    tmp_path: Path, options: dict[str, object]
) -> None:
    environ = {"HANCOCK_LATENCY_UNTIL_DECIDED": "on"}
    settings(tmp_path, environ).check_run(Namespace(**RUN | options), None)
