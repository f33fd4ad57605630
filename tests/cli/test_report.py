"""``hancock-latency report``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pytest_hancock_latency.cli import main
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.judge import Judge, Policy
from pytest_hancock_latency.core.record import record_of
from pytest_hancock_latency.core.sample import Observations, Sample
from pytest_hancock_latency.reporting.json_artifact import artifact_of, artifact_text

MS = 1_000_000


def artifact(folder: Path, *latencies_ms: int, judged: bool = True) -> Path:
    """An artifact with one sample: these latencies against p50=10, one every 100 ms."""
    wall = np.array(latencies_ms, dtype=np.int64) * MS
    seen = Observations(wall, wall, np.arange(len(wall)) * 100 * MS)
    judge = Judge(parse_terms({"p50": 10}).budget(), Policy(least=1))
    judge.look(seen)
    verdict = judge.verdict(seen, elapsed_ns=len(wall) * 100 * MS) if judged else None
    record = record_of(Sample("", seen, verdict=verdict), "test_it.py::test_health")
    path = folder / f"{len(list(folder.iterdir()))}.json"
    path.write_text(artifact_text(artifact_of([record], {"machine": {}})), encoding="utf-8")
    return path


FAST, SLOW, FEW = [1] * 6, [90] * 60, [1] * 3


@pytest.mark.parametrize(
    ("latencies", "options", "code"),
    [
        (FAST, [], 0),
        (SLOW, [], 1),
        (FEW, [], 0),
        (FEW, ["--strict"], 3),
        (SLOW, ["--strict"], 1),
    ],
    ids=["within", "exceeded", "inconclusive", "strict", "exceeded before strict"],
)
def test_the_exit_code_is_the_verdict(
    tmp_path: Path, latencies: list[int], options: list[str], code: int
) -> None:
    assert main(["report", str(artifact(tmp_path, *latencies)), *options]) == code


def test_what_was_not_judged_is_never_a_pass(tmp_path: Path) -> None:
    assert main(["report", str(artifact(tmp_path, *FAST, judged=False))]) == 2


def test_several_artifacts_are_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *(str(artifact(tmp_path, *each)) for each in (FAST, SLOW))]) == 1
    assert capsys.readouterr().out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample                    n  p50  p95  p99  limits (ms)  verdict\n"
        "test_it.py::test_health   6    1    1    1  p50 10       within\n"
        "test_it.py::test_health  60   90   90   90  p50 10       exceeded p50\n\n"
        "1 within, 1 exceeded\n\n"
        "test_it.py::test_health\n"
        "  exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms\n"
    )


def test_markdown_has_what_exceeded_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(artifact(tmp_path, *each)) for each in (FAST, SLOW)]
    main(["report", "--format", "markdown", *paths])
    assert capsys.readouterr().out == (
        "### Latency budgets\n\n"
        "1 within, 1 exceeded (latencies in ms, raw, by nearest rank)\n\n"
        "| sample | n | p50 | p95 | p99 | limits (ms) | verdict |\n"
        "| :-- | --: | --: | --: | --: | :-- | :-- |\n"
        "| test\\_it.py::test\\_health | 60 | 90 | 90 | 90 | p50 10 | ❌ exceeded p50 |\n"
        "| test\\_it.py::test\\_health | 6 | 1 | 1 | 1 | p50 10 | ✅ within |\n\n"
        "**test\\_it.py::test\\_health**\n\n"
        "- exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms\n"
    )


NO_ARTIFACT = "is not a latency artifact (performance-latency.json)"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", NO_ARTIFACT),
        ("[]", NO_ARTIFACT),
        ("{}", NO_ARTIFACT),
        (json.dumps({"format": 1, "samples": [{}]}), NO_ARTIFACT),
        (json.dumps({"format": 9, "samples": []}), "has format 9; this version reads 1"),
    ],
)
def test_what_is_no_artifact_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, why: str
) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    assert main(["report", str(path)]) == 2
    assert capsys.readouterr().err == f"hancock-latency: {path} {why}\n"


def test_a_missing_artifact_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err == (
        f"hancock-latency: {tmp_path}/none.json: No such file or directory\n"
    )
