"""What a session leaves on disk."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_hancock_latency.files.artifact import read_artifact

from ..faults.killing import INTERRUPTIBLE
from .conftest import ALONE, Suite

TWO = """
@latency_budget(p50=200, samples=1)
def test_fast(sample): sample(time.sleep, 0.0005)

@latency_budget(p50=1, p95=2)
def test_slow(sample): sample(cpu.use, 0.05)
"""


def test_one_folder_gets_every_artifact(suite: Suite) -> None:
    suite.write(TWO)
    suite.run("--latency-artifacts=out/here")
    assert sorted(path.name for path in (suite.path / "out" / "here").iterdir()) == [
        "benchmark-summary.md",
        "benchmark-summary.txt",
        "latency-report.html",
        "performance-latency.json",
    ]


def test_the_guides_variable_names_the_json_file_and_puts_the_text_next_to_it(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANCOCK_PERF_ARTIFACT", "artifacts/performance-latency.json")
    suite.write(TWO)
    suite.run()
    written = suite.path / "artifacts"
    assert json.loads((written / "performance-latency.json").read_text())["format"] == 1
    assert "1 within, 1 exceeded" in (written / "benchmark-summary.txt").read_text()


def test_the_json_says_what_was_judged_how_and_on_which_machine(suite: Suite) -> None:
    suite.write(TWO)
    artifact = suite.artifact()
    assert artifact["counts"] == {"within": 1, "exceeded": 1, "inconclusive": 0, "not judged": 0}
    assert artifact["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    slow = artifact["samples"][1]
    part = next(p for p in slow["verdict"]["limits"] if p["outcome"] == "exceeded")
    assert part["over"] == part["n"] == slow["n"]
    assert slow["verdict"]["method"] == "mixture e-process of exceedance counts"
    assert slow["verdict"]["version"] == 2


def test_junit_is_red_at_that_very_test_and_has_the_numbers(suite: Suite) -> None:
    suite.write(TWO)
    suite.run("--junitxml=junit.xml")
    cases = {case.get("name"): case for case in ET.parse(suite.path / "junit.xml").iter("testcase")}
    slow = {p.get("name"): p.get("value") for p in cases["test_slow"].iter("property")}
    assert cases["test_fast"].find("failure") is None
    failure = cases["test_slow"].find("failure")
    assert failure is not None
    assert re.match(r"p95 \d+(\.\d+)? ms > 2 ms, \d+ of \d+ over", str(failure.get("message")))
    assert slow["latency.verdict"] == "exceeded"
    assert float(slow["latency.p95_ms"] or 0) >= 10
    assert slow["latency.limit_p95_ms"] == "2.000000"


def test_junit_properties_can_be_switched_off(suite: Suite) -> None:
    suite.write(TWO)
    suite.run("--junitxml=junit.xml", "--latency-junit=off")
    assert not list(ET.parse(suite.path / "junit.xml").iter("property"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--collect-only", "-q"),
        ("--fixtures",),
        ("--setup-plan",),
        ("-k", "nothing"),
        ("-k", "test_plain"),
        ("nonexisting.py",),
        ("--latency=off",),
        ("-n", "2", "-k", "test_plain"),
    ],
    ids=" ".join,
)
def test_sessions_in_which_no_gate_runs_keep_the_artifacts_of_earlier_ones(
    suite: Suite, arguments: tuple[str, ...]
) -> None:
    if "-n" in arguments:
        pytest.importorskip("xdist")
    suite.write(f"{TWO}\ndef test_plain(): pass\n")
    for name in ("performance-latency.json", "benchmark-summary.txt"):
        (suite.path / name).write_text("earlier")
    result = suite.run("--latency-artifacts=.", *arguments)
    kept = "performance-latency.json, benchmark-summary.txt"
    assert f"no gate ran, so these are of an earlier session: {kept}" in result.outlines
    assert {path.read_text() for path in suite.path.glob("*-*.*")} == {"earlier"}


def test_a_session_without_gates_says_nothing_about_artifacts_that_are_not_there(
    suite: Suite,
) -> None:
    suite.write("def test_plain(): pass\n")
    output = suite.run("--latency-artifacts=artifacts").stdout.str()
    assert "no gate ran" not in output
    assert not list(suite.path.glob("artifacts/*"))


def test_a_gate_that_fails_before_its_first_sample_leaves_no_stale_artifact(suite: Suite) -> None:
    suite.write("@latency_budget(p95=5)\ndef test_fails(sample): assert False\n")
    (suite.path / "artifact.json").write_text("stale")
    assert suite.artifact()["samples"] == []


def test_workers_of_xdist_send_their_records_to_one_artifact(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.write(TWO)
    artifact = suite.artifact("-n", "2")
    assert sorted(s["test"].split("::")[1] for s in artifact["samples"]) == [
        "test_fast",
        "test_slow",
    ]
    assert {s["workers"] for s in artifact["samples"]} == {2}
    assert {s["worker"] for s in artifact["samples"]} <= {"gw0", "gw1"}


ENDLESS = (
    TWO
    + """
def test_endless():
    open("waiting", "w").close()
    time.sleep(600)
"""
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_session_that_is_killed_keeps_every_finished_record(
    suite: Suite, number: signal.Signals
) -> None:
    suite.write(ENDLESS)
    command = [sys.executable, "-c", INTERRUPTIBLE, *ALONE, "-p", "no:faulthandler"]
    session = subprocess.Popen(
        [*command, "--latency-json=artifact.json"],
        cwd=suite.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for(suite.path / "waiting")
    session.send_signal(number)
    session.wait(timeout=60)
    records = read_artifact(suite.path / "artifact.json").records
    assert [each.test for each in records] == ["test_it.py::test_fast", "test_it.py::test_slow"]


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def test_a_worker_that_dies_loses_nothing_that_it_had_reported(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.write(TWO + "\ndef test_dies():\n    import os\n    os._exit(9)\n")
    samples = suite.artifact("-n", "1")["samples"]
    assert {"test_it.py::test_fast", "test_it.py::test_slow"} == {each["test"] for each in samples}


def test_an_artifact_that_can_no_longer_be_written_is_one_error_and_not_a_pass(
    suite: Suite,
) -> None:
    suite.write(
        """
@latency_budget(p50=200, samples=1)
def test_fast(sample):
    sample(time.sleep, 0)
    import os, shutil
    shutil.rmtree("out")
    open("out", "w").close()
"""
    )
    result = suite.run("--latency-json=out/artifact.json")
    path = suite.path / "out" / "artifact.json"
    result.stdout.fnmatch_lines(f"ERROR: cannot write {path}: *")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_other_plugins_may_add_to_the_artifact(suite: Suite) -> None:
    suite.write(
        """
def pytest_latency_machine_info(config, machine): machine["runner"] = "r-1"
def pytest_latency_recorded(item, record): print("judged", item.name, record.outcome)
def pytest_latency_artifact(config, artifact): artifact["service"] = "1.4"
""",
        "conftest.py",
    )
    suite.write(TWO)
    result = suite.run("--latency-json=a.json", "-s")
    result.stdout.fnmatch_lines(["*judged test_fast within", "*judged test_slow exceeded"])
    artifact = json.loads((suite.path / "a.json").read_text())
    assert (artifact["machine"]["runner"], artifact["service"]) == ("r-1", "1.4")
