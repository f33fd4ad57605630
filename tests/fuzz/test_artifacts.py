"""Artifacts: damaged ones end every command by one line, written ones read back as they were."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.reporting.json_artifact import json_text
from pytest_hancock_latency.reporting.writer import write_whole

from ..cli.damaging import GOLD, Runs, faults_of, in_process
from ..cli.making import record
from .fuzzing import damaged_value, fuzzed, odd_words

COMMANDS = (
    *(("report", "DAMAGED", "--format", form) for form in ("text", "json", "markdown", "html")),
    ("show", "DAMAGED"),
    ("merge", "DAMAGED", "WHOLE"),
    ("gate", "DAMAGED", "--budget", "p50=1ms,p99=5ms,errors=1%"),
    ("suggest", "DAMAGED"),
    ("compare", "DAMAGED", "WHOLE"),
    ("compare", "WHOLE", "DAMAGED", "--strict"),
    *(("trend", "HISTORY", "--format", form) for form in ("text", "json", "markdown", "html")),
)
WHOLE = json.loads((GOLD / "format-1.json").read_bytes())


def faults(content: bytes, command: tuple[str, ...]) -> list[str]:
    """What is wrong with how a command ended on this artifact."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        history = folder / "history"
        history.mkdir()
        for number in range(3):
            whole = (GOLD / "format-1.json").read_bytes()
            (history / f"run-{number}.json").write_bytes(whole)
        (history / "run-9.json").write_bytes(content)
        path = folder / "damaged.json"
        path.write_bytes(content)
        files = {"DAMAGED": path, "WHOLE": GOLD / "format-1.json", "HISTORY": history}
        arguments = [str(files.get(part, part)) for part in command]
        ended = in_process(arguments)
        if command[0] == "trend":  # its JSON is not an artifact
            arguments.remove(command[-1])
        return list(faults_of(ended, arguments, folder / "out"))


@fuzzed("artifacts", st.randoms(use_true_random=False), slower=3)
def test_damage_of_any_kind_ends_by_one_line(tmp_path: Path, dice: random.Random) -> None:
    assert Runs(tmp_path, dice, Counter()).run(in_process) == []


@fuzzed("artifacts", damaged_value(st.just(WHOLE)), st.sampled_from(COMMANDS), slower=3)
def test_damaged_values_end_by_one_line(value: object, command: tuple[str, ...]) -> None:
    assert faults(json.dumps(value).encode(), command) == []


latencies_ms = st.lists(st.floats(0.0001, 1e6), min_size=1, max_size=30)
budgets = st.fixed_dictionaries(
    {"p50": st.integers(1, 1000)}, optional={"errors": st.sampled_from(("1%", "50%"))}
)
records = st.lists(
    st.builds(
        lambda drawn, test, name, failures, budget: record(
            *drawn, test=test, name=name, failures=failures, budget=budget
        ),
        latencies_ms,
        odd_words,
        odd_words,
        st.integers(0, 5),
        budgets,
    ),
    min_size=1,
    max_size=4,
)


def has_surrogates(value: object) -> bool:
    """Whether it has characters that UTF-8 lacks, which are written as an escape."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


@fuzzed("artifacts", records, slower=3)
def test_records_read_back_as_they_were(tmp_path: Path, written: list[Record]) -> None:
    path = tmp_path / "performance-latency.json"
    write_whole(path, json_text(written, {"machine": {}}))
    again = read_artifact(path).records
    assert [each.verdict for each in written] == [each.verdict for each in again]
    assert [each.histogram for each in written] == [each.histogram for each in again]
    assert [each.quantiles_ns for each in written] == [each.quantiles_ns for each in again]
    if not any(has_surrogates([each.test, each.name]) for each in written):
        assert written == list(again)
