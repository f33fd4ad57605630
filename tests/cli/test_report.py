"""``hancock-latency report``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_hancock_latency.files.artifact import Journal
from pytest_hancock_latency.reporting.json_artifact import journal_header, journal_line

from ..reporting import gold
from .conftest import Command
from .making import FAST, FEW, HEALTH, SLOW, record, unjudged, written


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
    command: Command, tmp_path: Path, latencies: tuple[int, ...], options: list[str], code: int
) -> None:
    artifact = written(tmp_path / "a.json", [record(*latencies)])
    assert command("report", artifact, *options).code == code


def test_a_budget_that_is_strict_needs_no_option_to_be_so(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [replace(record(*FEW), strict=True)])
    assert command("report", artifact).code == 3


@pytest.mark.parametrize("records", [[], [unjudged(*FAST)]], ids=["no sample", "no budget"])
def test_where_nothing_was_judged_there_is_no_pass(
    command: Command, tmp_path: Path, records: list[object]
) -> None:
    ended = command("report", written(tmp_path / "a.json", records))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == (2, "hancock-latency: nothing was judged\n")


def test_several_artifacts_are_one_table(command: Command, tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{len(each)}.json", [record(*each)]) for each in (FAST, SLOW)]
    ended = command("report", *paths)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample                    n  p50  p95  p99  limits (ms)  verdict\n"
        "test_it.py::test_health  60   90   90   90  p50 10       exceeded p50\n"
        "test_it.py::test_health   6    1    1    1  p50 10       within\n\n"
        "1 within, 1 exceeded\n\n"
        "test_it.py::test_health\n"
        "  exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms\n"
    )


def test_odd_percentiles_the_maximum_and_failures_are_told(
    command: Command, tmp_path: Path
) -> None:
    budget = {"p75": 5, "p99_9": 50, "max": "1s", "errors": "1%"}
    artifact = written(tmp_path / "a.json", [record(*[1] * 400, failures=40, budget=budget)])
    ended = command("report", artifact)
    assert ended.code == 1
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample                          n  p50  p95  p99  "
        "limits (ms)                            verdict\n"
        "test_it.py::test_health  400 +40✗    1    1    1  "
        "p75 5, p99.9 50, max 1000, errors 1 %  exceeded errors\n\n"
        "1 exceeded\n\n"
        "test_it.py::test_health\n"
        "  exceeded errors: 40 of 440 requests failed (9.1 %, allowed 1 %): status 503 ×40\n"
        "  p99.9: 0 of 400 over 50 ms, not needed for the verdict\n"
    )


def test_markdown_has_what_exceeded_first(command: Command, tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{len(each)}.json", [record(*each)]) for each in (FAST, SLOW)]
    assert command("report", "--format", "markdown", *paths).out == (
        "### Latency budgets\n\n"
        "1 within, 1 exceeded (latencies in ms, raw, by nearest rank)\n\n"
        "| sample | n | p50 | p95 | p99 | limits (ms) | verdict |\n"
        "| :-- | --: | --: | --: | --: | :-- | :-- |\n"
        "| test\\_it.py::test\\_health | 60 | 90 | 90 | 90 | p50 10 | ❌ exceeded p50 |\n"
        "| test\\_it.py::test\\_health | 6 | 1 | 1 | 1 | p50 10 | ✅ within |\n\n"
        "**test\\_it.py::test\\_health**\n\n"
        "- exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms\n"
    )


def test_html_goes_to_a_file_whole_and_says_nothing_else(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "made" / "report.html"
    ended = command("report", gold.FORMAT_1, "--format", "html", "-o", page)
    assert (ended.code, ended.out, ended.err) == (1, "", "")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")
    assert all(each.title in text for each in gold.artifact().records)


def test_html_shows_a_baseline_as_well(command: Command, tmp_path: Path) -> None:
    before = [record(*[0.777] * 6)]
    baseline = written(tmp_path / "before.json", before)
    artifact = written(tmp_path / "after.json", [record(*FAST)])
    alone = command("report", artifact, "--format", "html").out
    beside = command("report", artifact, "--format", "html", "--baseline", baseline).out
    assert "0.777" not in alone
    assert "0.777" in beside


def test_a_baseline_that_no_format_would_show_is_refused(command: Command) -> None:
    ended = command("report", gold.FORMAT_1, "--baseline", gold.FORMAT_1)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "hancock-latency: --baseline is for HTML only: add --format html\n"


def test_a_baseline_that_cannot_be_read_is_one_line(command: Command, tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    ended = command("report", gold.FORMAT_1, "--format", "html", "--baseline", missing)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: {missing}: No such file or directory\n"


@pytest.mark.parametrize("form", ["text", "markdown", "html", "csv"])
def test_early_artifacts_are_reported_still(command: Command, form: str) -> None:
    ended = command("report", gold.WITHOUT_HISTOGRAMS, "--format", form)
    assert (ended.code, ended.err) == (1, "")
    assert "code" in ended.out


NO_ARTIFACT = "is not a latency artifact (performance-latency.json)"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", NO_ARTIFACT),
        (
            "{\n1",
            "is not JSON: Expecting property name enclosed in double quotes (line 2, column 1)",
        ),
        ("[]", NO_ARTIFACT),
        ("{}", NO_ARTIFACT),
        (json.dumps({"format": 1, "samples": []}), "is damaged at counts: missing"),
        (json.dumps({"format": 9, "samples": []}), "has format 9; this version reads 1"),
    ],
)
@pytest.mark.parametrize("name", ["report", "show", "merge", "suggest"])
def test_a_file_that_is_not_an_artifact_is_one_line(
    command: Command, tmp_path: Path, name: str, content: str, why: str
) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    ended = command(name, path)
    assert (ended.code, ended.out, ended.err) == (2, "", f"hancock-latency: {path} {why}\n")


@pytest.mark.parametrize("name", ["report", "show", "merge", "suggest"])
def test_a_missing_artifact_is_one_line(command: Command, tmp_path: Path, name: str) -> None:
    ended = command(name, tmp_path / "none.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: {tmp_path}/none.json: No such file or directory\n"


def test_several_artifacts_share_what_is_the_same_of_their_sessions(
    command: Command, tmp_path: Path
) -> None:
    same = {"machine": {"cpu": "one CPU", "cores": 2}}
    one = written(tmp_path / "1.json", [record(*FAST)], {**same, "commit": {"id": "a" * 40}})
    two = written(tmp_path / "2.json", [record(*SLOW)], {**same, "commit": {"id": "b" * 40}})
    page = command("report", "--format", "html", one, two).out
    assert "one CPU" in page
    assert "a" * 8 not in page
    assert HEALTH in page


def test_columns_and_groups_come_on_demand(command: Command, tmp_path: Path) -> None:
    records = [record(*[each] * 6, test=f"t.py::test[{each}]") for each in (2, 1)]
    artifact = written(tmp_path / "a.json", records)
    ended = command("report", artifact, "--columns", "mean,ops", "--group-by", "func")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample         n  p50  p95  p99  mean   ops  limits (ms)  verdict\n"
        "t.py::test[1]  6    1    1    1     1  1000  p50 10       within\n"
        "t.py::test[2]  6    2    2    2     2   500  p50 10       within\n\n"
        "2 within\n"
        "mean: from the histogram of raw latency, accurate to 0.05 %\n"
        "ops: calls per second: 1 / mean for one caller, observations / elapsed time for a load\n\n"
        "sample  n  p50  p95  p99  mean   ops  ×\n"
        "t.py::test\n"
        "  [1]   6    1    1    1     1  1000  1\n"
        "  [2]   6    2    2    2     2   500  2\n"
        "group by func: × is p50 divided by the smallest p50 of the group\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--columns=median"],
            "--columns: unknown column 'median' (did you mean \"mean\"?): must be any of min, max, "
            "mean, stddev, ops",
        ),
        (["--group-by=class"], "--group-by: unknown group 'class': must be param or func"),
        (
            ["--group-by=func", "--format=html"],
            "--columns and --group-by are for text only: leave out --format",
        ),
        (
            ["--columns=mean", "--format=json"],
            "--columns and --group-by are for text only: leave out --format",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    command: Command, options: list[str], message: str
) -> None:
    ended = command("report", gold.FORMAT_1, *options)
    assert (ended.code, ended.out, ended.err) == (2, "", f"hancock-latency: {message}\n")


def test_csv_has_a_row_for_each_sample(command: Command) -> None:
    ended = command("report", gold.FORMAT_1, "--format", "csv")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines() == gold.CSV.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "shards", [("b.json", "a.json"), ("b/performance-latency.json", "a/performance-latency.json")]
)
@pytest.mark.parametrize("name", ["report", "merge"])
def test_a_folder_of_shards_means_all_of_them_by_name(
    command: Command, tmp_path: Path, shards: tuple[str, str], name: str
) -> None:
    for at, shard in enumerate(shards):
        written(tmp_path / "shards" / shard, [record(*FAST, test=f"t.py::test_{at}")])
    (tmp_path / "shards" / "notes.txt").write_text("not an artifact")
    (tmp_path / "shards" / "logs").mkdir()
    ordered = [tmp_path / "shards" / shard for shard in sorted(shards)]
    assert command(name, tmp_path / "shards") == command(name, *ordered)


def test_a_folder_with_its_own_artifact_means_nothing_below_it(
    command: Command, tmp_path: Path
) -> None:
    path = written(tmp_path / "performance-latency.json", [record(*FAST)])
    written(tmp_path / "main.json", [record(*SLOW)])
    assert command("report", tmp_path) == command("report", path)


def test_a_shard_that_was_killed_is_read_from_its_journal(command: Command, tmp_path: Path) -> None:
    Journal(tmp_path / "a.json").append([journal_line(record(*FAST))], lambda: journal_header({}))
    assert HEALTH in command("report", tmp_path).out


def test_shards_of_one_name_are_distinguished_by_their_folders(
    command: Command, tmp_path: Path
) -> None:
    for at in (1, 2):
        path = tmp_path / f"shard-{at}" / "performance-latency.json"
        written(path, [record(*FAST, test=f"t.py::test_{at}")], {"started_unix_s": at})
    merged = json.loads(command("merge", tmp_path).out)
    assert [part["file"] for part in merged["merged_from"]] == [
        "shard-1/performance-latency.json",
        "shard-2/performance-latency.json",
    ]


def test_of_many_samples_only_those_near_a_limit_are_shown_unless_all_are_asked_for(
    command: Command, tmp_path: Path
) -> None:
    records = [record(*FAST, test=f"t.py::test[{at}]") for at in range(30)]
    artifact = written(tmp_path / "a.json", records)
    hidden = "and 25 more within their limits: show all with --all"
    assert hidden in command("report", artifact).out.splitlines()
    assert command("report", artifact, "--all").out.count("t.py::test[") == 30
