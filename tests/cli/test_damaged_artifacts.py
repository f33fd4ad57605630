"""What a command does with a damaged artifact: one line that says where, and exit code 2."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_hancock_latency import cli
from pytest_hancock_latency.errors import ArtifactError
from pytest_hancock_latency.files import input as input_file
from pytest_hancock_latency.files.input import LARGEST, read_input
from pytest_hancock_latency.reporting.artifact_schema import check_artifact, schema_text
from pytest_hancock_latency.reporting.json_artifact import artifact_in

from ..reporting import gold
from . import damaging
from .conftest import Command
from .damaging import ODD, Runs, bomb, damage_value, endless, in_process, nested
from .making import FAST, record, written
from .test_output import PROGRAM

COMMANDS = (
    ("report",),
    ("show",),
    ("merge",),
    ("gate", "--budget", "p50=1"),
    ("suggest",),
    ("compare", str(gold.FORMAT_1)),
)
Change = Callable[[Any], object]


@pytest.fixture
def artifact() -> Any:
    """An artifact of one sample as JSON says it."""
    whole = json.loads(gold.FORMAT_1.read_text(encoding="utf-8"))
    return {**whole, "samples": whole["samples"][:1]}


def setting(*path: str | int, to: object) -> Change:
    """Set what stands at this path."""

    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


def removing(*path: str | int) -> Change:
    """Remove what stands at this path."""

    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        del value[path[-1]]

    return change


def of_sample(*path: str | int, to: object) -> Change:
    return setting("samples", 0, *path, to=to)


COUNTS = "0 to 9007199254740992"
LIMIT = ("verdict", "limits", 0)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (of_sample("n", to=-1), f"samples[0].n: -1 is not an integer from {COUNTS}"),
        (of_sample("n", to=True), f"samples[0].n: true is not an integer from {COUNTS}"),
        (of_sample("n", to=354.0), f"samples[0].n: 354.0 is not an integer from {COUNTS}"),
        (of_sample("test", to=["a"]), "samples[0].test: an array is not a string"),
        (
            of_sample("failures", to={"status 503": "many"}),
            'samples[0].failures["status 503"]: "many" is not an integer from 1 to '
            "9007199254740992",
        ),
        (removing("samples", 0, "verdict"), "samples[0].verdict: missing"),
        (
            of_sample("measurement", "started_unix_s", to=float("nan")),
            "samples[0].measurement.started_unix_s: NaN is not "
            "a finite number from 0 to 253402300799 or null",
        ),
        (setting("later", to={"a": [float("inf")]}), "later.a[0]: Infinity is not a finite number"),
        (setting("later", to=nested(90)), f"later{'[0]' * 63}: nested deeper than 64 levels"),
        (
            of_sample(*LIMIT, "outcome", to="x" * 60),
            f'samples[0].verdict.limits[0].outcome: "{"x" * 39}… is not one of '
            '"within", "exceeded", "inconclusive"',
        ),
        (
            of_sample(*LIMIT, "percentile", to="p0"),
            "samples[0].verdict.limits[0].percentile: p0 is not a percentile: "
            "it must lie between p0 and p100 (the largest is 'max')",
        ),
        (
            of_sample(*LIMIT, "over", to=10**6),
            "samples[0].verdict.limits[0]: over_attributed 0, over 1000000 and n 354 do not ascend",
        ),
        (
            of_sample(*LIMIT, "limit_ns", to=10**12),
            "samples[0].verdict: p95=30 ms is below p50=1000 s: "
            "limits must not decrease as percentiles increase",
        ),
        (
            of_sample("verdict", "failures", "allowed", to="1/0"),
            'samples[0].verdict.failures.allowed: "1/0" does not match '
            "^[0-9]{1,19}(/[1-9][0-9]{0,18})?$",
        ),
        (
            of_sample("outcome", to="exceeded"),
            "samples[0].outcome: 'exceeded', but its verdict says 'within'",
        ),
        (removing("samples", 0, "quantiles_ns", "p99"), "samples[0].quantiles_ns: p99 is missing"),
        (of_sample("n", to=7), "samples[0].histogram: it has 354 observations, n is 7"),
        (
            of_sample("histogram", to=endless()),
            "samples[0].histogram: not an HdrHistogram (V2): "
            "it decompresses to more than 4194304 bytes",
        ),
        (
            of_sample("timeline", "n", to=[1]),
            "samples[0].timeline: the columns differ in length",
        ),
    ],
)
def test_damage_is_one_line_with_the_path_into_the_file(
    command: Command, tmp_path: Path, artifact: Any, change: Change, where: str
) -> None:
    change(artifact)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(artifact))
    ended = command("report", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: {path} is damaged at {where}\n"


@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
@pytest.mark.parametrize("change", [of_sample("n", to=-1), of_sample("test", to=None)])
def test_every_command_refuses_what_is_damaged(
    command: Command, tmp_path: Path, artifact: Any, options: tuple[str, ...], change: Change
) -> None:
    change(artifact)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(artifact))
    ended = command(*options, path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"hancock-latency: {path} is damaged at samples[0].")
    assert ended.err.count("\n") == 1


def test_small_histograms_that_would_fill_the_memory_are_refused(
    command: Command, tmp_path: Path, artifact: Any
) -> None:
    sample = {**artifact["samples"][0], "n": 50_000, "histogram": bomb(50_000)}
    sample["attributed_histogram"] = None
    path = tmp_path / "bomb.json"
    path.write_text(json.dumps({**artifact, "samples": [sample] * 40}))
    most = 1024 * 1024 + path.stat().st_size
    ended = command("report", path)
    assert (ended.code, ended.err) == (
        2,
        f"hancock-latency: {path} has histograms that decompress to more than {most} bytes\n",
    )


def test_advice_whose_figures_are_not_those_of_its_kind_is_shown_as_it_is(
    command: Command, tmp_path: Path, artifact: Any
) -> None:
    advice = [{"kind": "slower", "figures": {"percent": "much"}}]
    of_sample("measurement", "advice", to=advice)(artifact)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(artifact))
    assert command("show", path).out.endswith("advice: slower: percent=much\n")


def test_fields_of_a_later_version_are_ignored(artifact: Any) -> None:
    sample = artifact["samples"][0]
    parts = [sample, sample["verdict"], sample["verdict"]["failures"], sample["measurement"]]
    parts += [*sample["verdict"]["limits"], *sample["measurement"]["slowest"], sample["timeline"]]
    as_before = artifact_in(json.dumps(artifact).encode())
    for part in parts:
        part["of_later"] = [1]
    assert as_before == artifact_in(json.dumps(artifact).encode())


# --- files of other kinds ---------------------------------------------------------------------


@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
def test_a_folder_means_the_artifact_in_it(
    command: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = written(tmp_path / "performance-latency.json", [record(*FAST)])
    assert command(*options, tmp_path) == command(*options, path)


@pytest.mark.parametrize("name", ["report", "merge"])
def test_a_folder_without_any_artifact_is_one_line(
    command: Command, tmp_path: Path, name: str
) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    ended = command(name, tmp_path)
    assert (ended.code, ended.err) == (
        2,
        f"hancock-latency: {tmp_path}: no artifacts found: expected performance-latency.json, "
        "other JSON files, or folders with performance-latency.json\n",
    )


def test_a_folder_without_an_artifact_is_one_line_where_one_is_needed(
    command: Command, tmp_path: Path
) -> None:
    ended = command("show", tmp_path)
    assert (ended.code, ended.err) == (
        2,
        f"hancock-latency: {tmp_path / 'performance-latency.json'}: No such file or directory\n",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_artifacts_saved_by_editors_and_shells_are_read(
    command: Command, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(gold.FORMAT_1.read_text(encoding="utf-8"), encoding=encoding)
    assert command("report", path) == command("report", gold.FORMAT_1)


def test_a_budget_file_may_begin_with_a_bom(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text('[budgets."test_health"]\np50 = "1s"\n', encoding="utf-8-sig")
    assert command("gate", gold.FORMAT_1, "--budgets", path).code == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"a{'.a' * 30_000} = 1\n", "too many dots in a line"),
        (f"[budgets]\na{'.a' * 30_000} = 1\n", "too many dots in a line"),
        (f"a = {'[' * 5000}", "nested too deeply"),
    ],
    ids=["key of very many parts", "such a key in a table", "nested too deeply"],
)
def test_a_budget_file_that_nobody_can_read_is_one_line(
    command: Command, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(content)
    ended = command("gate", gold.FORMAT_1, "--budgets", path)
    assert (ended.code, ended.err) == (
        2,
        f"hancock-latency: {path}: not a readable TOML file: {why}\n",
    )


def test_a_file_beyond_the_greatest_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "LARGEST", 100)
    path = tmp_path / "large"
    path.write_bytes(bytes(101))
    with pytest.raises(ArtifactError) as caught:
        read_input(path, ArtifactError)
    assert str(caught.value) == f"{path}: larger than 100 bytes, the maximum"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_without_an_end_is_refused(command: Command) -> None:
    ended = command("report", "/dev/zero")
    why = f"larger than {LARGEST} bytes, the maximum"
    assert (ended.code, ended.err) == (2, f"hancock-latency: /dev/zero: {why}\n")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_without_a_writer_is_one_line_after_five_seconds(pipe: Path) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(ArtifactError) as caught:
        read_input(pipe, ArtifactError, now=lambda: clock[0], sleep=sleep)
    assert str(caught.value) == f"{pipe}: no process writes to this named pipe"
    assert 5 <= clock[0] < 5.1


@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
def test_a_pipe_with_a_writer_is_read(
    command: Command, pipe: Path, options: tuple[str, ...]
) -> None:
    writer = threading.Thread(target=lambda: pipe.write_bytes(gold.FORMAT_1.read_bytes()))
    writer.start()
    ended = command(*options, pipe)
    writer.join()
    assert "pipe" not in ended.err or "samples match" in ended.err


# --- the program itself -----------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes descriptors")
@pytest.mark.parametrize(
    ("closed", "errors"),
    [
        (">&-", "hancock-latency: cannot write to standard output: it is closed\n"),
        (">&- 2>&-", ""),
    ],
)
def test_a_closed_output_is_an_error_without_a_traceback(closed: str, errors: str) -> None:
    run = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *PROGRAM, "report", str(gold.FORMAT_1)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (2, errors)


def test_an_internal_error_is_never_mistaken_for_a_verdict(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: object) -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(cli.report, "_run", break_down)
    ended = command("report", gold.FORMAT_1)
    assert ended.code == 2
    assert ended.err.startswith("hancock-latency: internal error; please report it:\n")
    assert "ZeroDivisionError: planted" in ended.err


# --- whatever the damage ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_ends_in_a_traceback(tmp_path: Path, seed: int) -> None:
    runs = Runs(tmp_path, random.Random(seed), Counter())
    assert [fault for _ in range(100) for fault in runs.run(in_process)] == []


def test_the_check_accepts_what_the_published_schema_accepts(artifact: Any) -> None:
    """And no more; it may refuse more: 1.0 for an integer, and numbers that are not finite."""
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    dice = random.Random(5)
    accepted = Counter[tuple[bool, bool]]()
    for _ in range(400):
        changed = json.loads(json.dumps(artifact))
        damage_value(changed, dice)
        text = json.dumps(changed)
        ours = accepts(changed)
        theirs = validator.is_valid(changed)
        accepted[ours, theirs] += 1
        stricter = any(word in text for word in ("NaN", "Infinity", ".0", "e+", "[[[["))
        assert ours == theirs or (theirs and stricter), text
    assert min(accepted[True, True], accepted[False, False]) > 100


def accepts(plain: object) -> bool:
    try:
        check_artifact(plain)
    except ArtifactError:
        return False
    return True


def test_the_odd_values_are_those_of_all_kinds() -> None:
    assert {type(value) for value in ODD} == {type(None), bool, int, float, str, list, dict}


def test_the_script_runs() -> None:
    run = subprocess.run(
        [
            sys.executable,
            Path(damaging.__file__),
            "--runs",
            "30",
            "--programs",
            "10",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert ", 0 faults, slowest " in run.stdout
