"""``hancock-latency gate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.files.artifact import read_artifact

from ..reporting import gold
from .conftest import Command
from .making import FAST, FEW, SLOW, record, unjudged, written


def budgets(folder: Path, **tables: dict[str, Any]) -> Path:
    """A budget file; a test here names each budget by its keyword."""
    return budget_file(folder, dict(tables))


def budget_file(folder: Path, tables: dict[str, dict[str, Any]]) -> Path:
    lines = []
    for name, table in tables.items():
        lines.append(f"[budgets.{json.dumps(name)}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path = folder / "budgets.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "sample",
    [
        unjudged(*SLOW, budget_name="it"),
        unjudged(*SLOW, name="it"),
        unjudged(*SLOW, test="it"),
        unjudged(*SLOW, test="tests/some.py::TestSome::it"),
    ],
    ids=["the budget that it was gated by", "its own name", "its node id", "its function"],
)
def test_a_sample_is_judged_by_the_budget_that_has_its_name(
    command: Command, tmp_path: Path, sample: Record
) -> None:
    artifact = written(tmp_path / "a.json", [sample])
    ended = command("gate", artifact, "--budgets", budgets(tmp_path, it={"p50": 10}))
    assert (ended.code, ended.err) == (1, "")
    assert "exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms" in ended.out


def test_the_nearest_name_wins(command: Command, tmp_path: Path) -> None:
    sample = unjudged(*SLOW, budget_name="near", name="far")
    file = budgets(tmp_path, far={"p50": 10}, near={"p50": 200})
    assert command("gate", written(tmp_path / "a.json", [sample]), "--budgets", file).code == 0


def test_the_table_is_that_of_the_new_budget(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*SLOW), record(*FAST, test="t::other")])
    file = budgets(tmp_path, test_health={"p50": 100, "p99_9": 500, "max": "1s", "errors": "1%"})
    ended = command("gate", artifact, "--budgets", file)
    assert ended.code == 0
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample        n  p50  p95  p99  "
        "limits (ms)                               verdict\n"
        "test_health  60   90   90   90  "
        "p50 100, p99.9 500, max 1000, errors 1 %  inconclusive p99.9\n"
        "t::other      6    1    1    1  "
        "–                                         not judged\n\n"
        "1 inconclusive: too few calls, 1 not judged\n\n"
        "test_health (test_it.py::test_health)\n"
        "  inconclusive p99.9: 0 of 60 over 500 ms; "
        "enough for p94.2, p99.9 needs 3672 observations (367 s at this pace)\n\n"
        "t::other\n"
        "  not judged: no budget with its name\n"
    )


def test_no_name_that_fits_is_one_line_with_both(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*FAST), record(*FAST, test="t::other")])
    file = budget_file(tmp_path, {"GET /a": {"p50": 1}, "GET /b": {"p50": 1}})
    ended = command("gate", artifact, "--budgets", file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f'hancock-latency: {file}: no budget matches a sample: "GET /a", "GET /b"; '
        "the samples are test_it.py::test_health, t::other\n"
    )


def test_an_artifact_without_samples_is_not_a_pass(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [])
    assert command("gate", artifact, "--budget", "p50=1").err == (
        "hancock-latency: nothing was judged\n"
    )


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ("p50=100", 0),
        ("p50=10ms", 1),
        ("p50=100, max = 0.2s", 0),
        ("max=80", 1),
        ("p99.9=1s", 0),
        ("p50=100,errors=50%", 0),
    ],
)
def test_a_budget_on_the_command_line_judges_every_sample(
    command: Command, tmp_path: Path, budget: str, code: int
) -> None:
    artifact = written(tmp_path / "a.json", [record(*SLOW, failures=3, budget={"p50": 1})])
    with_errors = budget if "errors" in budget else f"{budget},errors=20%"
    assert command("gate", artifact, "--budget", with_errors).code == code


def test_failures_are_judged_too(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*FAST, failures=6)])
    ended = command("gate", artifact, "--budget", "p50=10,errors=0.1%")
    assert ended.code == 1
    assert (
        "exceeded errors: 6 of 12 requests failed (50 %, allowed 0.1 %): status 503 ×6" in ended.out
    )


HOW = "is not a limit: write p99=50ms, max=1s or errors=0.1%"
DURATION = "write a number of milliseconds or a string such as '250us', '10ms' or '1.5s'"


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ("", f"'' {HOW}"),
        ("p95", f"'p95' {HOW}"),
        ("p95=5,", f"'' {HOW}"),
        ("strict=true", f"'strict=true' {HOW}"),
        ("p95=5,p95=6", "p95 is given twice"),
        ("p95=", f"p95: '' is not a duration: {DURATION}"),
        ("p95=x", f"p95: 'x' is not a duration: {DURATION}"),
        ("p95=5m", "p95: '5m' has the unknown unit 'm': use ns, us, ms, s or min"),
        (
            "p950=1",
            "p950 is not a percentile: it must lie between p0 and p100 (the largest is 'max')",
        ),
        (
            "p50=1,errors=200%",
            "errors='200%' must be at least 0 % and below 100 %: write '1%' or 0.01 for 1 %",
        ),
        (
            "p50=5,p99=3",
            "p99=3 ms is below p50=5 ms: limits must not decrease as percentiles increase",
        ),
    ],
)
def test_an_invalid_budget_is_one_line(command: Command, budget: str, why: str) -> None:
    ended = command("gate", gold.FORMAT_1, "--budget", budget)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: --budget: {why}\n"


def test_errors_alone_are_not_a_budget(command: Command) -> None:
    ended = command("gate", gold.FORMAT_1, "--budget", "errors=1%")
    assert ended.code == 2
    assert ended.err.startswith(
        "hancock-latency: --budget: no limit is given: valid keywords are p50, "
    )


def test_inconclusive_counts_under_strict(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*FEW)])
    assert command("gate", artifact, "--budget", "p50=10").code == 0
    assert command("gate", artifact, "--budget", "p50=10", "--strict").code == 3


def test_a_budget_of_the_file_may_be_strict_itself(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*FEW)])
    file = budgets(tmp_path, test_health={"p50": 10, "strict": True})
    assert command("gate", artifact, "--budgets", file).code == 3


def test_a_budget_of_the_file_may_ask_for_more_observations(
    command: Command, tmp_path: Path
) -> None:
    artifact = written(tmp_path / "a.json", [record(*FAST)])
    file = budgets(tmp_path, test_health={"p50": 10, "samples": 7})
    ended = command("gate", artifact, "--budgets", file, "--strict")
    assert ended.code == 3
    assert "0 of 6 over 10 ms; enough for p53.8, but a pass needs 7 observations (samples=7)" in (
        ended.out
    )


def test_the_judged_artifact_has_the_new_budget_and_its_name(
    command: Command, tmp_path: Path
) -> None:
    artifact = written(tmp_path / "a.json", [record(*SLOW)], {"machine": {"cores": 2}})
    file = budgets(tmp_path, test_health={"p50": 100, "p99_9": 500})
    ended = command("gate", artifact, "--budgets", file, "-o", tmp_path / "judged.json")
    assert ended.out.startswith("latency budgets (latencies in ms, raw, by nearest rank)\n")
    judged = read_artifact(tmp_path / "judged.json")
    assert judged.session == {"machine": {"cores": 2}}
    assert [(each.budget_name, each.outcome) for each in judged.records] == [
        ("test_health", "inconclusive")
    ]
    assert set(judged.records[0].quantiles_ns) == {"p50", "p95", "p99", "p99.9", "max"}


def test_an_early_artifact_cannot_be_judged_again(command: Command) -> None:
    ended = command("gate", gold.WITHOUT_HISTOGRAMS, "--budget", "p50=1")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: tests/test_demo.py::test_within_near has no histogram: "
        "it was measured by an early version: measure again\n"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, ": No such file or directory"),
        (b"\xfd\xfd", " is damaged at byte 0: it is not utf-8"),
        (b"{}", " is not a latency artifact (performance-latency.json)"),
        (b"HISTFAAA", ": not an HdrHistogram (V2): it has a header of 6 bytes, not 8"),
    ],
    ids=["missing", "no text", "other JSON", "broken"],
)
def test_what_cannot_be_judged_is_one_line(
    command: Command, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "some"
    if content is not None:
        path.write_bytes(content)
    ended = command("gate", path, "--budget", "p50=1")
    assert (ended.code, ended.out, ended.err) == (2, "", f"hancock-latency: {path}{why}\n")


def test_budgets_that_cannot_be_read_are_one_line(command: Command, tmp_path: Path) -> None:
    ended = command("gate", gold.FORMAT_1, "--budgets", tmp_path / "none.toml")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: {tmp_path}/none.toml: No such file or directory\n"


@pytest.mark.parametrize(
    ("unit", "p50", "code"), [("ns", "0.0005", 0), ("us", "0.5", 1), ("ms", "500", 1)]
)
def test_an_hdrhistogram_is_a_sample_named_after_its_file(
    command: Command, tmp_path: Path, unit: str, p50: str, code: int
) -> None:
    library = pytest.importorskip("hdrh.histogram").HdrHistogram
    theirs = library(1, 3_600_000, 3)
    for value in range(1, 1001):
        theirs.record_value(value)
    path = tmp_path / "recorded.hdr"
    path.write_bytes(theirs.encode())
    ended = command("gate", path, "--unit", unit, "--budget", "p50=0.1")
    assert ended.code == code
    assert ended.out.splitlines()[3].split()[:3] == ["recorded", "1000", p50]


def test_counts_show_no_requests_per_second(command: Command, tmp_path: Path) -> None:
    """A budget that limits them and more judges the rest; one with nothing else judges nothing."""
    artifact = written(tmp_path / "a.json", [record(*FAST, test="a"), record(*FAST, test="b")])
    tables = {"a": {"p50": 10, "rps": ">= 200"}, "b": {"rps": ">= 200"}}
    ended = command("gate", artifact, "--budgets", budgets(tmp_path, **tables))
    assert ended.code == 0
    assert "1 within, 1 not judged" in ended.out
    assert (
        'not judged: budget "b" limits only rps, '
        "which only Locust runs can measure: add a limit such as p99"
    ) in ended.out
