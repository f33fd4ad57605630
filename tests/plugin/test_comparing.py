"""Columns on demand and groups of parametrised tests, in a session and by the command line."""

from __future__ import annotations

import pytest

from .conftest import Errors, Suite

TEST = """
@pytest.mark.parametrize("ms", [1, 3])
@latency_budget(p50=500, samples=1)
def test_sleep(sample, ms): sample(time.sleep, ms / 1000)
"""
FIGURE = r" +\d\S*"


@pytest.mark.parametrize("place", ["option", "environment", "ini"])
def test_a_session_shows_groups_and_columns(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    options = []
    if place == "option":
        options = ["--latency-group-by=func", "--latency-columns=mean,ops"]
    if place == "environment":
        monkeypatch.setenv("HANCOCK_LATENCY_GROUP_BY", "func")
        monkeypatch.setenv("HANCOCK_LATENCY_COLUMNS", "mean,ops")
    if place == "ini":
        pytester.makeini("[pytest]\nlatency_group_by = func\nlatency_columns = mean,ops\n")
    suite.write(TEST)
    suite.run(*options).stdout.re_match_lines(
        [
            r"sample +n +p50 +p95 +p99 +mean +ops +limits \(ms\) +verdict",
            rf"test_it.py::test_sleep\[1\]{FIGURE * 6} +p50 500 +within",
            r"2 within \(latencies in ms, raw, by nearest rank\)",
            r"mean: from the histogram of raw latency, accurate to 0.05 %",
            r"ops: calls per second: 1 / mean for one caller, observations / elapsed time for a "
            r"load",
            r"",
            r"sample +n +p50 +p95 +p99 +mean +ops +×",
            r"test_it.py::test_sleep",
            rf"  \[1\]{FIGURE * 6} +1",
            rf"  \[3\]{FIGURE * 6} +\d\S*",
            r"group by func: × is p50 divided by the smallest p50 of the group",
        ],
        consecutive=False,
    )


def test_a_session_without_these_options_is_as_before(suite: Suite) -> None:
    suite.write(TEST)
    output = suite.run().stdout.str()
    assert "group by" not in output
    assert "ops" not in output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--latency-group-by=class",
            "unknown group 'class': must be param or func",
        ),
        (
            "--latency-columns=p50",
            "unknown column 'p50': must be any of min, max, mean, stddev, ops",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line_before_any_test(
    suite: Suite, errors: Errors, option: str, message: str
) -> None:
    suite.write(TEST)
    name = option.partition("=")[0]
    assert errors(option) == [f"ERROR: command line option {name}: {message}"]
