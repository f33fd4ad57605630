"""``hancock-latency sensitivity``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Command
from .making import record, unjudged, written

TIGHT = record(*[10] * 400, budget={"p50": 12, "p95": 20})
WIDE = record(*[8] * 400, test="test_it.py::test_wide", budget={"p95": 200})
SLOWED = {"machine": {}, "settings": {"slowdown": 0.3}}


def test_each_limit_says_what_it_would_notice(command: Command, tmp_path: Path) -> None:
    ended = command("sensitivity", written(tmp_path / "a.json", [TIGHT, WIDE]))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "sample                   limit (ms)  in use  notices all calls from  2 % of calls 3 times "
        "slower",
        "test_it.py::test_health  p50 12        83 %                   +20 %  not noticed",
        "                         p95 20        50 %                  +100 %  not noticed",
        "test_it.py::test_wide    p95 200        4 %                25 times  not noticed",
        "",
        "test_it.py::test_wide would pass at 25 times its latency: limit 200 ms, p95 8 ms; "
        "suggested limit: 10 ms",
    ]


def test_what_is_exceeded_is_noticed_already(command: Command, tmp_path: Path) -> None:
    exceeded = record(*[90] * 60)
    ended = command("sensitivity", written(tmp_path / "a.json", [exceeded]))
    assert ended.out.splitlines()[1:] == [
        "test_it.py::test_health  p50 10       900 %                 already  noticed"
    ]


def test_a_sample_without_limits_says_why_nothing_is_known(
    command: Command, tmp_path: Path
) -> None:
    records = [TIGHT, unjudged(*[1] * 10, test="test_it.py::test_free")]
    ended = command("sensitivity", written(tmp_path / "a.json", records))
    assert ended.out.splitlines()[-1] == "test_it.py::test_free: no budget"


def test_artifacts_without_a_gate_are_refused(command: Command, tmp_path: Path) -> None:
    ended = command("sensitivity", written(tmp_path / "a.json", [unjudged(1, 1)]))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: nothing was judged in these artifacts, so no gate could notice anything\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["sensitivity"],
        ["suggest"],
        ["merge"],
        ["gate", "--budget=p50=5"],
        ["compare", "plain.json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_latencies_that_were_slowed_down_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "plain.json", [TIGHT])
    written(tmp_path / "slowed.json", [TIGHT], SLOWED)
    ended = command(*arguments, "slowed.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: slowed.json was measured with --latency-slowdown=30%: its latencies are "
        "not those of the code\n"
    )


def test_the_trend_leaves_out_what_was_slowed_down(command: Command, tmp_path: Path) -> None:
    for at, session in enumerate([{"machine": {}}, {"machine": {}}, SLOWED]):
        written(tmp_path / f"run-2026070{at + 1}T000000Z-0000000{at}.json", [TIGHT], session)
    ended = command("trend", tmp_path)
    assert ended.code == 0
    assert "was measured with --latency-slowdown=30%" in ended.out


def test_the_report_says_that_calls_were_slowed_down(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [TIGHT], SLOWED)
    assert "all calls by 30 %, to find out which gates notice" in (
        command("report", artifact, "--format", "html").out
    )


def test_the_report_has_what_each_gate_would_notice(command: Command, tmp_path: Path) -> None:
    page = command("report", written(tmp_path / "a.json", [TIGHT, WIDE]), "--format", "html").out
    assert "notices from" in page
    for text in ("+20 %", "25 times"):  # in the table of all samples, and in that of its limits
        assert len(re.findall(rf"<td[^>]*>{re.escape(text)}</td>", page)) == 2
