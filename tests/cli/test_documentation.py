"""What docs/artifacts.md shows is what the commands say, to the letter."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram

from pytest_hancock_latency.core.record_json import to_plain
from pytest_hancock_latency.reporting.artifact_schema import schema_text

from ..reporting import gold
from .conftest import Command

TEXT = (Path(__file__).parents[2] / "docs" / "artifacts.md").read_text(encoding="utf-8")
SHOWN = [
    (command_line, output)
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for command_line, output in re.findall(
        r"^\$ (hancock-latency .*)\n((?:(?!\$ ).*\n)*)", block, re.M
    )
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the artifact that the page is about, and with two shards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts").mkdir()
    shutil.copy(gold.FORMAT_1, tmp_path / "artifacts" / "performance-latency.json")
    shutil.copy(gold.FORMAT_1, tmp_path / "shard-1.json")
    later = {**json.loads(gold.FORMAT_1.read_text(encoding="utf-8")), "started_unix_s": 1.8e9}
    (tmp_path / "shard-2.json").write_text(json.dumps(later), encoding="utf-8")
    return tmp_path


def test_the_page_shows_every_command_that_reads_one_artifact() -> None:
    shown = {shlex.split(command_line)[1] for command_line, _ in SHOWN}
    assert {"report", "show", "merge", "gate", "suggest"} <= shown


def test_every_command_says_what_the_page_shows(command: Command, workplace: Path) -> None:
    for command_line, output in SHOWN:
        ended = command(*shlex.split(command_line)[1:])
        assert ended.err == "", command_line
        assert ended.out == output, command_line


def test_the_line_that_prints_the_schema_does(workplace: Path) -> None:
    (line,) = re.findall(r"^\$ python -c \"(.*)\" > schema.json$", TEXT, re.MULTILINE)
    run = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert json.loads(run.stdout) == json.loads(schema_text())


def test_the_lines_that_decode_a_histogram_do(workplace: Path) -> None:
    code, shown = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", TEXT, re.DOTALL)[0]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout == shown


def test_the_hdrhistogram_library_reads_the_same_counts_as_we_do() -> None:
    for record in gold.artifact().records:
        ours = record.histogram
        assert ours is not None
        theirs = HdrHistogram.decode(to_plain(record)["histogram"])
        counts = {}
        for step in theirs.get_recorded_iterator():
            lowest = theirs.get_lowest_equivalent_value(step.value_iterated_to)
            counts[lowest] = step.count_at_value_iterated_to
        assert counts == {lowest: count for lowest, _, count in ours.buckets}
