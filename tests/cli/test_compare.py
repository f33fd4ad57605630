"""``hancock-latency compare``: what is said of a saved run, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import Command
from .making import record, written

A_MACHINE = {"machine": {"cpu": "A", "cores": 2, "python": "3.12.1"}}
OTHER = {"machine": {"cpu": "B", "cores": 2, "python": "3.12.1"}}


@pytest.fixture
def artifacts(tmp_path: Path) -> tuple[str, str]:
    """One test became slower, one kept its pace, one went, one came."""
    before = [
        record(*[2] * 300, test="slow"),
        record(*[2] * 300, test="same"),
        record(1, test="old"),
    ]
    after = [
        record(*[2] * 300, test="same"),
        record(*[3] * 300, test="slow"),
        record(1, test="new"),
    ]
    return (
        written(tmp_path / "main.json", before, A_MACHINE),
        written(tmp_path / "branch.json", after, A_MACHINE),
    )


def test_it_says_what_became_slower_and_what_has_no_counterpart(
    command: Command, artifacts: tuple[str, str]
) -> None:
    ended = command("compare", *artifacts)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "compared with the baseline (median of attributed, p99 of raw latency)\n\n"
        "sample  median before  after  change  p99 before  after\n"
        "slow             2 ms   3 ms   +50 %        2 ms   3 ms  slower\n"
        "same             2 ms   2 ms    +0 %        2 ms   2 ms\n\n"
        "1 of 2 slower: median more than 10 % above the baseline's "
        "(judged from 200 observations each)\n"
        "only in the baseline: old\n"
        "only in the new artifact: new\n"
    )


def test_with_strict_slower_sets_the_exit_code(
    command: Command, artifacts: tuple[str, str]
) -> None:
    assert command("compare", *artifacts, "--strict").code == 1
    assert command("compare", *artifacts, "--strict", "--regression", "60%").code == 0
    assert command("compare", artifacts[1], artifacts[0], "--strict").code == 0


def test_another_kind_of_machine_is_shown_and_not_judged(
    command: Command, tmp_path: Path, artifacts: tuple[str, str]
) -> None:
    other = written(tmp_path / "other.json", [record(*[1] * 300, test="slow")], OTHER)
    ended = command("compare", other, artifacts[1], "--strict")
    assert ended.code == 0
    assert ended.out == (
        "compared with the baseline (median of attributed, p99 of raw latency)\n\n"
        "sample  median before  after  change  p99 before  after\n"
        "slow             1 ms   3 ms  +200 %        1 ms   3 ms\n\n"
        "not judged: the baseline was measured on a different kind of machine (B, 2 cores, Python "
        "3.12.1)\n"
        "only in the new artifact: same\n"
        "only in the new artifact: new\n"
    )


def test_few_observations_are_shown_and_not_judged(command: Command, tmp_path: Path) -> None:
    before = written(tmp_path / "a.json", [record(*[1] * 300)], A_MACHINE)
    after = written(tmp_path / "b.json", [record(*[9] * 99)], A_MACHINE)
    ended = command("compare", before, after, "--strict")
    assert ended.code == 0
    assert "not compared: 99 observations, but 200 are needed" in ended.out


def test_artifacts_with_nothing_in_common_are_reported(command: Command, tmp_path: Path) -> None:
    before = written(tmp_path / "a.json", [record(1, test="a")])
    ended = command("compare", before, written(tmp_path / "b.json", [record(1, test="b")]))
    assert "\nthe artifacts have no samples in common\n" in ended.out


@pytest.mark.parametrize("share", ["ten", "-1%", "150%"])
def test_an_invalid_share_is_one_line(
    command: Command, artifacts: tuple[str, str], share: str
) -> None:
    ended = command("compare", *artifacts, f"--regression={share}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"hancock-latency: --regression={share!r} ")


def test_a_test_is_compared_with_a_load_of_the_same_budget(
    command: Command, tmp_path: Path
) -> None:
    load = replace(record(*[2] * 300, test="GET /health"), budget_name="GET /health")
    test = replace(record(*[3] * 300, test="t.py::test_health"), budget_name="GET /health")
    ended = command(
        "compare",
        written(tmp_path / "load.json", [load], A_MACHINE),
        written(tmp_path / "test.json", [test], A_MACHINE),
    )
    assert ended.out.splitlines()[3].split("  ")[0] == "GET /health (t.py::test_health)"
    assert "1 of 1 slower" in ended.out


def test_it_says_when_both_sides_were_measured_and_which_commits(
    command: Command, tmp_path: Path
) -> None:
    main = {"id": "a" * 40, "branch": "main", "dirty": False}
    before = {**A_MACHINE, "started_unix_s": 1.7e9, "commit": main}
    changed = {"id": "b" * 40, "branch": "faster\x1b", "dirty": True}
    after = {**A_MACHINE, "started_unix_s": 1.8e9, "commit": changed}
    paths = [
        written(tmp_path / f"{at}.json", [record(1)], session)
        for at, session in enumerate((before, after))
    ]
    assert command("compare", *paths).out.splitlines()[:4] == [
        "compared with the baseline (median of attributed, p99 of raw latency)",
        "before: 2023-11-14 22:13:20 UTC, aaaaaaaaaaaa on main",
        r"after: 2027-01-15 08:00:00 UTC, bbbbbbbbbbbb on faster\x1b "
        "with uncommitted changes",
        "",
    ]


def test_a_side_without_facts_has_no_line(command: Command, tmp_path: Path) -> None:
    before = written(tmp_path / "a.json", [record(1)], {"started_unix_s": 1.7e9, "commit": None})
    after = written(tmp_path / "b.json", [record(1)], {"commit": {"id": None}})
    lines = command("compare", before, after).out.splitlines()
    assert lines[1:3] == ["before: 2023-11-14 22:13:20 UTC", ""]
