"""``hancock-latency suggest``."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency import latency_budget
from pytest_hancock_latency.core.machine_speed import MachineKind, MachineSpeed
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.sample import Measurement
from pytest_hancock_latency.core.undisturbed import ReferenceSpeed
from pytest_hancock_latency.files.budget import read_budgets, read_machine

from ..reporting import gold
from .conftest import Command
from .making import MS, record, unjudged, written

ODD = 'test_it.py::test_odd[say "no"\\never\x7f\n]'


def test_a_limit_has_its_reason_above_it(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*[4] * 100)])
    ended = command("suggest", artifact)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "# Each limit: the upper bound of its quantile at 95 % confidence, plus 25 %, "
        'rounded up; in pyproject.toml: [tool.hancock-latency.budgets."NAME"]\n\n'
        "# p50 4 ms, at most 4 ms (100 observations)\n"
        "# p95 4 ms, at most 4 ms (100 observations)\n"
        "# p99 cannot be determined from 100 observations: it needs at least 354\n"
        '[budgets."test_it.py::test_health"]\n'
        "p50 = 5\n"
        "p95 = 5\n"
        'tests = ["test_it.py::test_health"]\n'
    )


def test_a_marker_has_its_reason_above_it(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*[4] * 100, failures=2)])
    ended = command("suggest", artifact, "--format", "markers")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "# Each limit: the upper bound of its quantile at 95 % confidence, plus 25 %, "
        "rounded up; numbers are milliseconds\n\n"
        "# test_it.py::test_health\n"
        "# p50 4 ms, at most 4 ms (100 observations)\n"
        "# p95 4 ms, at most 4 ms (100 observations)\n"
        "# p99 cannot be determined from 100 observations: it needs at least 354\n"
        "# 2 of 102 requests failed: set errors= to the share that may fail\n"
        "@latency_budget(p50=5, p95=5)\n"
    )


SPEED = {
    "cpu": "a CPU, 2 cores",
    "python": "cpython 3.12.1, main, probes 1",
    "arithmetic_ns": 66_123,
    "memory_ns": 44_700,
}
TABLE = """
# The speed of this machine: what a slower one explains is not exceeded; \
in pyproject.toml: [tool.hancock-latency.machine]
[machine]
cpu = "a CPU, 2 cores"
python = "cpython 3.12.1, main, probes 1"
arithmetic = "66.1us"
memory = "44.7us"
"""


def bracketed(*latencies_ms: float, **measurement: Any) -> Record:
    measured = record(*latencies_ms)
    return replace(measured, measurement=Measurement(bracket=True, **measurement))


def test_the_speed_of_the_machine_is_written_beside_the_limits(
    command: Command, tmp_path: Path
) -> None:
    artifact = written(tmp_path / "a.json", [bracketed(*[4] * 100)], {"speed": SPEED})
    file = tmp_path / "budgets.toml"
    assert command("suggest", artifact, "-o", file).code == 0
    assert file.read_text(encoding="utf-8").endswith(TABLE)
    assert read_machine(file) == MachineSpeed(
        MachineKind("a CPU, 2 cores", "cpython 3.12.1, main, probes 1"),
        ReferenceSpeed(66_100.0, 44_700.0),
    )
    markers = command("suggest", artifact, "--format", "markers").out
    head, *table = TABLE.strip().splitlines()
    assert markers.endswith("\n".join((head, *(f"# {line}" for line in table))) + "\n")


def test_without_the_speed_of_the_machine_it_is_said_what_that_costs(
    command: Command, tmp_path: Path
) -> None:
    artifact = written(tmp_path / "a.json", [bracketed(*[4] * 100)])
    assert command("suggest", artifact).out.endswith(
        "\n\n# These runs do not say how fast one machine is without neighbours: until the cache "
        "of pytest has five sessions, only code 1.6 times slower than its limit is exceeded\n"
    )


def test_limits_from_a_slow_machine_say_so(command: Command, tmp_path: Path) -> None:
    slow = replace(bracketed(*[4] * 100, probe_ns=132_246), undisturbed_bounds_ns={"p50": 3 * MS})
    artifact = written(tmp_path / "a.json", [slow], {"speed": SPEED})
    assert command("suggest", artifact).out.splitlines()[2:6] == [
        "# p50 4 ms, at most 3 ms (100 observations, by those that nothing disturbed)",
        "# p95 4 ms, at most 4 ms (100 observations)",
        "# the machine was 2.0 times slower than at its best: measure again when it is quiet, or "
        "limits of all observations may be that much too wide",
        "# p99 cannot be determined from 100 observations: it needs at least 354",
    ]


SAMPLES = [
    record(*[4] * 100),
    record(*[4] * 4000, test="t::odd", budget={"p75": 9, "p99_9": 90, "max": "1s"}),
    replace(record(*[9] * 400, test="t::shared[1]"), budget_name="GET /health"),
    replace(record(*[2] * 100, test="t::shared[2]"), budget_name="GET /health"),
    record(*[3] * 400, test="t::two", name="cold"),
    record(*[1] * 400, test="t::two", name="warm"),
    record(*[1] * 400, test=ODD),
    unjudged(1, test="t::few"),
]


def test_the_toml_is_a_budget_file(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", SAMPLES)
    file = tmp_path / "budgets.toml"
    assert command("suggest", artifact, "-o", file).code == 0
    assert tomllib.loads(file.read_text(encoding="utf-8"))["budgets"] == {
        "test_it.py::test_health": {"p50": 5, "p95": 5, "tests": ["test_it.py::test_health"]},
        "t::odd": {"p50": 5, "p75": 5, "p95": 5, "p99": 5, "p99_9": 5, "tests": ["t::odd"]},
        "GET /health": {"p50": 12, "p95": 12},
        "t::two": {"p50": 3.8, "p95": 3.8, "p99": 3.8, "tests": ["t::two"]},
        ODD: {"p50": 1.3, "p95": 1.3, "p99": 1.3, "tests": [ODD]},
    }
    assert len(read_budgets(file)) == 5


def test_samples_that_share_a_budget_stand_above_it(command: Command, tmp_path: Path) -> None:
    out = command("suggest", written(tmp_path / "a.json", SAMPLES[2:4])).out
    assert out.partition("\n\n")[2] == (
        "# t::shared[1]\n"
        "# p50 9 ms, at most 9 ms (400 observations)\n"
        "# p95 9 ms, at most 9 ms (400 observations)\n"
        "# p99 9 ms, at most 9 ms (400 observations)\n"
        "# t::shared[2]\n"
        "# p50 2 ms, at most 2 ms (100 observations)\n"
        "# p95 2 ms, at most 2 ms (100 observations)\n"
        "# p99 cannot be determined from 100 observations: it needs at least 354\n"
        '[budgets."GET /health"]\n'
        "p50 = 12\n"
        "p95 = 12\n"
    )


def test_what_too_little_is_known_of_is_a_comment(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [unjudged(1, test="t::few")])
    assert command("suggest", artifact).out.partition("\n\n")[2] == (
        "# p50 cannot be determined from 1 observations: it needs at least 6\n"
        "# p95 cannot be determined from 1 observations: it needs at least 70\n"
        "# p99 cannot be determined from 1 observations: it needs at least 354\n"
        '# [budgets."t::few"]\n'
    )


def test_the_markers_are_python_that_latency_budget_takes(command: Command, tmp_path: Path) -> None:
    out = command("suggest", written(tmp_path / "a.json", SAMPLES), "--format", "markers").out
    functions = [
        f"{line}\ndef test_{number}(): pass" if line.startswith("@") else line
        for number, line in enumerate(out.splitlines())
    ]
    made: dict[str, object] = {"latency_budget": latency_budget}
    exec("\n".join(functions), made)
    marks = [vars(f)["pytestmark"] for name, f in made.items() if name.startswith("test_")]
    assert [mark.kwargs for (mark,) in marks] == [
        {"p50": 5, "p95": 5},
        {"p50": 5, "p75": 5, "p95": 5, "p99": 5, "p99_9": 5},
        {"p50": 12, "p95": 12, "p99": 12},
        {"p50": 2.5, "p95": 2.5},
        {"p50": 3.8, "p95": 3.8, "p99": 3.8},
        {"p50": 1.3, "p95": 1.3, "p99": 1.3},
    ]


def test_samples_of_one_test_have_one_marker(command: Command, tmp_path: Path) -> None:
    out = command("suggest", written(tmp_path / "a.json", SAMPLES[4:6]), "--format", "markers").out
    assert [line for line in out.splitlines() if "observations" not in line][2:] == [
        "# t::two [cold]",
        "# t::two [warm]",
        "@latency_budget(p50=3.8, p95=3.8, p99=3.8)",
    ]


@pytest.mark.parametrize(
    ("margin", "limit"), [("0", "4"), ("25%", "5"), ("0.5", "6"), ("99%", "8")]
)
def test_the_margin_is_applied_and_shown(
    command: Command, tmp_path: Path, margin: str, limit: str
) -> None:
    artifact = written(tmp_path / "a.json", [record(*[4] * 10)])
    out = command("suggest", artifact, "--margin", margin).out
    percent = {"0": "0", "25%": "25", "0.5": "50", "99%": "99"}[margin]
    assert f"plus {percent} %, rounded up" in out
    assert f"p50 = {limit}\n" in out


@pytest.mark.parametrize(
    ("margin", "why"),
    [
        ("50", "must be at least 0 % and below 100 %: write '1%' or 0.01 for 1 %"),
        ("-5%", "must be at least 0 % and below 100 %: write '1%' or 0.01 for 1 %"),
        ("x", "is not a share: write a string such as '0.1%'"),
    ],
)
def test_an_invalid_margin_is_one_line(command: Command, margin: str, why: str) -> None:
    ended = command("suggest", gold.FORMAT_1, f"--margin={margin}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: --margin='{margin}' {why}\n"


def nothing() -> Record:
    return Record("t::empty", "", 0, {}, {}, {}, not_judged="no budget")


@pytest.mark.parametrize("records", [[], [nothing()]], ids=["no sample", "an empty sample"])
def test_nothing_measured_is_nothing_to_suggest(
    command: Command, tmp_path: Path, records: list[Record]
) -> None:
    ended = command("suggest", written(tmp_path / "a.json", records))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: no measurements in these artifacts: there is nothing to suggest\n"
    )


def test_several_runs_are_one_even_where_budgets_changed_between(
    command: Command, tmp_path: Path
) -> None:
    monday = written(tmp_path / "monday.json", [record(*[4] * 200, budget={"p99": 90})])
    tuesday = written(tmp_path / "tuesday.json", [record(*[4] * 200, budget={"p99_5": 50})])
    ended = command("suggest", monday, tuesday)
    assert (ended.code, ended.err) == (0, "")
    assert "p99 = 5.1\n" in ended.out
    assert "# p99.5 cannot be determined from 400 observations: it needs " in ended.out


def test_an_early_artifact_has_nothing_to_suggest_from(command: Command) -> None:
    ended = command("suggest", gold.WITHOUT_HISTOGRAMS)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: tests/test_demo.py::test_within_near has no bounds: "
        "it was measured by an early version: measure again\n"
    )


def test_code_at_its_suggested_budget_passes(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    command("suggest", gold.FORMAT_1, "-o", file)
    assert command("gate", gold.FORMAT_1, "--budgets", file).code == 0
