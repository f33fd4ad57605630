"""Artifacts on disk: the journal of a session that still runs, and what fails to be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.errors import ArtifactError, LatencyError
from pytest_hancock_latency.files.artifact import (
    ArtifactWriter,
    Journal,
    check_artifacts,
    journal_path,
    read_artifact,
)
from pytest_hancock_latency.files.kinds import KINDS
from pytest_hancock_latency.files.options import SHARED, artifact_paths, parse_switch
from pytest_hancock_latency.reporting.json_artifact import journal_header, journal_line, json_text

SESSION = {"started_unix_s": 1.5, "machine": {"cores": 2}}


def record(name: str, n: int = 1) -> Record:
    quantiles_ns = dict.fromkeys(("p50", "p95", "p99", "max"), 5)
    return Record(name, "", n, {}, quantiles_ns, {}, not_judged="no budget")


def header() -> str:
    return journal_header(SESSION)


# --- the journal ------------------------------------------------------------------------------


def test_a_journal_without_its_artifact_is_read_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    journal = Journal(path)
    journal.append([journal_line(record("t::a"))], header)
    journal.append([journal_line(record("t::b"))], header)
    read = read_artifact(path)
    assert read.session == SESSION
    assert [r.test for r in read.records] == ["t::a", "t::b"]
    assert read == read_artifact(journal_path(path))


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Journal(path).append([journal_line(record("t::a")), journal_line(record("t::b"))], header)
    whole = journal_path(path).read_text(encoding="utf-8")
    journal_path(path).write_text(whole[:-20], encoding="utf-8")
    assert [r.test for r in read_artifact(path).records] == ["t::a"]


def test_a_rerun_counts_by_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Journal(path).append([journal_line(record("t::a", 1)), journal_line(record("t::a", 7))], header)
    assert [r.n for r in read_artifact(path).records] == [7]


def test_an_artifact_that_is_newer_than_a_journal_is_read_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Journal(path).append([journal_line(record("t::old"))], header)
    os.utime(journal_path(path), (1, 1))
    path.write_text(json_text([record("t::new")], SESSION), encoding="utf-8")
    assert [r.test for r in read_artifact(path).records] == ["t::new"]


def test_a_journal_that_somebody_removed_is_restarted_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.json"
    journal = Journal(path)
    journal.append([journal_line(record("t::a"))], header)
    journal_path(path).unlink()
    path.parent.rmdir()
    journal.append([journal_line(record("t::b"))], header)
    assert [r.test for r in read_artifact(path).records] == ["t::a", "t::b"]


def test_a_journal_with_a_torn_line_is_restarted_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    journal = Journal(path)
    journal.append([journal_line(record("t::a"))], header)
    with journal_path(path).open("a", encoding="utf-8") as file:
        file.write('{"test": "t::b", "na')
    journal.append([journal_line(record("t::b"))], header)
    assert [r.test for r in read_artifact(path).records] == ["t::a", "t::b"]


def test_a_removed_journal_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    journal = Journal(path)
    journal.append([journal_line(record("t::a"))], header)
    journal.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a latency artifact (performance-latency.json)"),
        ("[]\n", "is not a latency artifact (performance-latency.json)"),
        ('{"format":1}\n{}\n', "is damaged at line 2, test: missing"),
        (
            '{"format":1}\n{\n',
            "is not JSON: Expecting property name enclosed in double quotes (line 2, column 2)",
        ),
        ('{"format":7}\n', "has format 7; this version reads 1"),
    ],
)
def test_what_is_not_a_journal_is_one_error(tmp_path: Path, text: str, why: str) -> None:
    journal = journal_path(tmp_path / "a.json")
    journal.write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        read_artifact(tmp_path / "a.json")
    assert f"{journal} {why}" == str(caught.value)


# --- writing ----------------------------------------------------------------------------------


def test_a_renderer_that_fails_costs_its_own_file_until_it_succeeds(tmp_path: Path) -> None:
    writer = ArtifactWriter()
    broken, whole = tmp_path / "broken.html", tmp_path / "whole.txt"
    writer.write(broken, lambda: str(1 // 0))
    writer.write(whole, lambda: "text")
    assert not broken.exists()
    assert whole.read_text(encoding="utf-8") == "text"
    assert [
        f"ERROR: cannot render {broken}: ZeroDivisionError: integer division or modulo by zero"
    ] == writer.error_lines
    writer.write(broken, lambda: "page")
    assert writer.error_lines == []


def test_a_file_that_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    writer = ArtifactWriter()
    (tmp_path / "folder").mkdir()
    writer.write(tmp_path / "folder", lambda: "text")
    assert [f"ERROR: cannot write {tmp_path / 'folder'}: Is a directory"] == writer.error_lines


def test_an_artifact_that_cannot_be_written_is_known_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    with pytest.raises(LatencyError) as caught:
        check_artifacts({"json": tmp_path})
    assert f"cannot write the latency artifact {tmp_path}: Is a directory" == str(caught.value)


# --- kinds and shared options -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_is_rendered_from_the_same_three_things(kind: object) -> None:
    text = kind.render([], {}, None)  # type: ignore[attr-defined]
    assert text.endswith("\n")


def test_every_kind_that_pytest_writes_has_an_option() -> None:
    options = {option.name for option in SHARED}
    assert {kind.name for kind in KINDS.values() if kind.file_name and kind.of_pytest} <= options


def test_a_path_of_its_own_is_stronger_than_the_folder_and_the_guide(tmp_path: Path) -> None:
    own, guide = tmp_path / "own.json", tmp_path / "guide.json"
    assert {
        "json": own,
        "text": tmp_path / "all" / "benchmark-summary.txt",
        "markdown": tmp_path / "all" / "benchmark-summary.md",
        "html": tmp_path / "all" / "latency-report.html",
    } == artifact_paths({"json": own}, tmp_path / "all", guide, history=None, of_pytest=True)


def test_locust_writes_a_junit_file_as_well(tmp_path: Path) -> None:
    paths = artifact_paths({}, tmp_path, None, history=None, of_pytest=False)
    assert tmp_path / "benchmark-junit.xml" == paths["junit"]


@pytest.mark.parametrize(
    ("value", "expected"), [("on", True), ("No", False), (True, True), ("0", False)]
)
def test_a_switch_is_read_in_all_usual_spellings(value: object, expected: bool) -> None:
    assert expected is parse_switch(value)


def test_a_value_other_than_on_or_off_is_refused() -> None:
    with pytest.raises(LatencyError) as caught:
        parse_switch("maybe")
    assert str(caught.value) == "'maybe' must be on or off"


def test_the_lines_of_a_journal_are_the_samples_of_the_artifact() -> None:
    line = json.loads(journal_line(record("t::a")))
    assert [line] == json.loads(json_text([record("t::a")], SESSION))["samples"]
