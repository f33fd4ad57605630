"""Every script runs on tiny settings, ends with a line of figures, and writes the same as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy")
pytestmark = pytest.mark.long

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(script: str, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def figures(script: str, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The JSON of a script, whose last line has to name its goals."""
    written = tmp_path / "figures.json"
    status, said = run(script, *arguments, "--json", str(written))
    plain = json.loads(written.read_text(encoding="utf-8"))
    last = said.splitlines()[-1]
    assert status == 0
    assert last.startswith(f"{Path(script).stem}: ")
    assert all(goal["name"] in last for goal in plain["goals"])
    return plain["figures"]


def test_operating_characteristics(tmp_path: Path) -> None:
    made = figures("operating_characteristics.py", tmp_path, "--trials", "1", "--groups", "build")
    assert {0.3, 0.5, 0.7, 0.9} == {row["ratio"] for row in made["rows"]}
    assert made["build_alarm"]["ours"] == 0


def test_an_unknown_group_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, str(BENCHMARKS / "operating_characteristics.py"), "--groups", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such group: x; there are iid, clear pass, noise, trace, build" in done.stderr


def test_deciding_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    arguments = ("--latencies", "2", "--runs", "1", "--results", str(results))
    made = figures("deciding.py", tmp_path, *arguments)
    assert [row["side"] for row in made["rows"]] == ["half", "over"]
    assert made == figures("deciding.py", tmp_path, *arguments)


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="needs schedstat")
def test_overhead(tmp_path: Path) -> None:
    made = figures("overhead.py", tmp_path, "--rounds", "1")
    assert 24 <= made["bytes_per_observation"]["ours, attribution"] <= 25


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_busy_machine(tmp_path: Path) -> None:
    made = figures("busy_machine.py", tmp_path, "--runs", "1", "--spinners", "1")
    assert {row["handler"]: row["gates"] for row in made["rows"]} == {
        "unchanged": 5,
        "computing": 1,
        "sleeping": 1,
    }


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_busy_waits_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    options = ["--kinds", "pool", "--machines", "spinners-1", "--results", str(results)]
    first = figures("busy_waits.py", tmp_path, *options)
    again = figures("busy_waits.py", tmp_path, *options)
    assert first == again
    assert {cell: len(rows) for cell, rows in first["rows"].items()} == {
        "pool p95 spinners-1 unchanged-0.5": 1,
        "pool p95 spinners-1 computing-3": 1,
    }


def test_gates_among_other_tests(tmp_path: Path) -> None:
    made = figures("exclusive.py", tmp_path, "--files", "2", "--workers", "2")
    by_way = {session["way"]: session for session in made["sessions"]}
    assert {way: session["gates"] for way, session in by_way.items()} == {
        "exclusive": 4,
        "by hand": 4,
        "off": 4,
    }
    assert (by_way["exclusive"]["alone"], by_way["off"]["alone"]) == (4, 0)
    assert made["killed"]["tests not run"] == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_busy_waits_leaves_out_what_needs_a_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "psycopg.py").write_text("raise ImportError", encoding="ascii")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status, printed = run("busy_waits.py", "--kinds", "postgres", "--machines", "quiet")
    first = printed.splitlines()[0]
    assert status == 0
    assert first == (
        "postgres is left out: psycopg is not installed: pip install 'psycopg[binary]'"
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_neighbours_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    chosen = ["--works", "integers,json", "--states", "spinner", "--cells", "unchanged,slower"]
    options = [*chosen, "--results", str(results)]
    first = figures("neighbours.py", tmp_path, *options)
    again = figures("neighbours.py", tmp_path, *options)
    assert first == again
    assert {cell: [row["work"] for row in rows] for cell, rows in first["rows"].items()} == {
        "spinner unchanged": ["integers", "json"],
        "spinner slower": ["integers", "json"],
    }


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="needs schedstat")
def test_counted_calls(tmp_path: Path) -> None:
    made = figures("counted_calls.py", tmp_path, "--seconds", "0.1", "--works", "json,unpacking")
    assert [row["work"] for row in made["rows"]] == ["json", "unpacking"]
    for row in made["rows"]:
        low, high = row["p50_interval"]
        assert low <= row["p50"] <= high


def test_artifact_cost(tmp_path: Path) -> None:
    made = figures("artifact_cost.py", tmp_path, "--gates", "20")
    rows = made["rows"]
    assert [row["observations"] for row in rows] == [354, 3_550, 20_000]
    assert rows[0]["total"] < 1_000_000
    assert made["session"]["written"] <= 3


def test_structure(tmp_path: Path) -> None:
    here = figures("structure.py", tmp_path)["measured"]
    assert 0 < here["files"] < here["functions"] < here["lines"]
    assert len(here["vague names"]) < here["names"]


def test_a_missed_goal_sets_the_exit_code_if_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from goals import at_most, conclude, parser

    goals = [at_most("held", 1, 2), at_most("missed", 3, 2)]
    by_default, with_check = parser("").parse_args([]), parser("").parse_args(["--check"])
    assert conclude("script", {}, goals, by_default) == 0
    assert conclude("script", {}, goals, with_check) == 1
    assert conclude("script", {}, goals[:1], with_check) == 0


def test_locust_listener(tmp_path: Path) -> None:
    made = figures("locust_listener.py", tmp_path, "--listener", "1", "--pace", "1")
    assert {"ours", "empty", "added"} == set(made["listener"])
    assert made["pace"]["with"] > 0


def test_until_decided(tmp_path: Path) -> None:
    made = figures(
        "until_decided.py", tmp_path, "--runs", "1", "--servers", "waiting", "--seconds", "3"
    )
    assert [sum(row["outcomes"].values()) for row in made["rows"]] == [1] * 4


def test_versus_asserts(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    pytest.importorskip("pytest_fail_slow")
    made = figures("versus_asserts.py", tmp_path, "--runs", "1", "--machines", "quiet")
    slower = {row["rule"]: row["failed"] for row in made["rows"] if row["handler"] == "slower"}
    assert slower == {"assert": 1, "fail-slow": 1, "benchmark": 1, "ours": 1}


def test_duel_characteristics(tmp_path: Path) -> None:
    made = figures("duel_characteristics.py", tmp_path, "--trials", "2")
    identical = [row for row in made["rows"] if row["change"] == "0"]
    assert {0} == {row["slower"] + row["faster"] for row in identical}


@pytest.mark.skipif(sys.platform == "win32", reason="a duel needs POSIX")
def test_dueling_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    asked = ["--only", "+25", "--runs", "1", "--results", str(results)]
    first = figures("dueling.py", tmp_path, *asked)
    again = figures("dueling.py", tmp_path, *asked)
    assert first == again
    ((row),) = first["rows"]
    assert row["outcomes"].keys() == {
        f"test_handlers.py::test_{name}"
        for name in ("health", "json", "lookups", "sort", "compress")
    }


def test_trend_characteristics(tmp_path: Path) -> None:
    made = figures("trend_characteristics.py", tmp_path, "--trials", "2", "--recorded")
    assert [len(rows) for rows in made["rows"]["ours"].values()] == [2, 2, 2, 2, 200]
    assert sum(row["false"] for row in made["rows"]["ours"]["recorded"]) <= 2


def test_importing(tmp_path: Path) -> None:
    made = figures("importing.py", tmp_path, "--lines", "2000")
    assert made["csv"]["error"] <= 0.0005
    assert made["k6"]["error"] <= 0.0005


def test_pooled_characteristics(tmp_path: Path) -> None:
    made = figures("pooled_characteristics.py", tmp_path, "--trials", "2")
    assert sum(row["before"] for row in made["rows"] if row["kind"] == "unchanged, 2") == 0


def test_burst_characteristics(tmp_path: Path) -> None:
    made = figures("burst_characteristics.py", tmp_path, "--trials", "2")
    assert all(row["verdict exceeded"] == 0 for row in made["rows"] if row["rate"] <= 1)


def test_clusters(tmp_path: Path) -> None:
    made = figures("clusters.py", tmp_path, "--trials", "4")
    assert len(made["rows"]) == 12
    assert all(row["within"] >= row["unseen"] for row in made["rows"])


def test_comparing_tools_goes_on_where_it_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    chosen = ("--tools", "ours,by hand", "--tasks", "flask", "--conditions", "twice", "--runs", "1")
    options = (*chosen, "--results", str(results))
    made = figures("versus/compare_tools.py", tmp_path, *options)
    assert {(row["task"], row["tool"]): row["twice fails"] for row in made["rows"]} == {
        ("flask", "ours"): 1,
        ("flask", "by hand"): 1,
    }
    assert made == figures("versus/compare_tools.py", tmp_path, *options)


def test_only_tools_that_judge_under_xdist_are_compared_there(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    chosen = ("--tools", "ours,pytest-benchmark", "--tasks", "function", "--runs", "1")
    options = (*chosen, "--conditions", "xdist,compile", "--results", str(results))
    made = figures("versus/compare_tools.py", tmp_path, *options)
    assert {row["tool"]: (row["xdist"], row["compile"]) for row in made["rows"]} == {
        "ours": (1, 1),
        "pytest-benchmark": (0, 1),
    }
