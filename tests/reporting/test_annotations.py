"""Workflow commands of GitHub Actions, to the letter."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_hancock_latency.core.budget import Limit
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import (
    FailureVerdict,
    LimitVerdict,
    Outcome,
    Reason,
    Verdict,
)
from pytest_hancock_latency.reporting.annotations import Place, annotation_lines

MS = 1_000_000
NONE_FAILED = FailureVerdict(Fraction(0), Outcome.WITHIN, 0, 140)


def record(test: str, outcome: Outcome, reason: Reason = Reason.SHOWN, name: str = "") -> Record:
    limit = Limit(Fraction(95, 100), 25 * MS)
    facts = {"n": 140, "over": 31, "over_attributed": 31}
    part = LimitVerdict(
        limit,
        outcome,
        reason,
        **facts,
    )
    verdict = Verdict((part,), NONE_FAILED, n=140, elapsed_ns=140 * MS)
    return Record(
        test,
        name,
        140,
        {},
        quantiles_ns={"p95": 41 * MS},
        attributed_quantiles_ns={},
        verdict=verdict,
        bounds_ns={"p95": (31_200_000, None)},
    )


EXCEEDED = record("tests/t.py::test_slow", Outcome.EXCEEDED)
UNSURE = record("tests/t.py::test_unsure", Outcome.INCONCLUSIVE, Reason.STOPPED)
WITHIN = record("tests/t.py::test_fast", Outcome.WITHIN)
PLACES = {
    EXCEEDED.test: Place("tests/t.py", 7),
    UNSURE.test: Place("tests/t.py", 21),
    WITHIN.test: Place("tests/t.py", 1),
}
ERROR = (
    "::error file=tests/t.py,line=7,title=latency budget exceeded%3A tests/t.py%3A%3Atest_slow::"
    "p95 41 ms > 25 ms, 31 of 140 over%0A"
    "exceeded p95: 31 of 140 over 25 ms (22 %25, allowed 5 %25); p95 ≥ 31.2 ms"
)
WARNING = (
    "::warning file=tests/t.py,line=21,"
    "title=latency budget inconclusive%3A tests/t.py%3A%3Atest_unsure::"
    "p95: 31 of 140 over 25 ms, not needed for the verdict"
)


def test_exceeded_is_an_error_and_inconclusive_a_warning_and_within_is_silent() -> None:
    assert annotation_lines([WITHIN, UNSURE, EXCEEDED], PLACES) == [ERROR, WARNING]


def test_what_fails_no_test_is_no_error() -> None:
    (line,) = annotation_lines([EXCEEDED], PLACES, gating=False)
    assert ERROR.replace("::error", "::warning") == line


def test_inconclusive_is_an_error_where_it_fails_the_test() -> None:
    (line,) = annotation_lines([replace(UNSURE, strict=True)], PLACES)
    assert WARNING.replace("::warning", "::error") == line


def test_what_was_not_judged_is_silent() -> None:
    assert annotation_lines([EXCEEDED.without_verdict("the test itself failed")], PLACES) == []


def test_a_test_whose_place_is_unknown_has_none() -> None:
    (line,) = annotation_lines([EXCEEDED], {})
    assert ERROR.replace("file=tests/t.py,line=7,", "") == line


def test_a_file_without_a_line_is_named_alone() -> None:
    (line,) = annotation_lines([EXCEEDED], {EXCEEDED.test: Place("tests/t.py")})
    assert ERROR.replace("line=7,", "") == line


@pytest.mark.parametrize(
    ("raw", "file", "title"),
    [
        ("100%", "100%25", "100%25"),
        ("%0A", "%250A", "%250A"),
        ("a\nb\rc", "a%0Ab%0Dc", "a b c"),
        ("x::error::y", "x%3A%3Aerror%3A%3Ay", "x%3A%3Aerror%3A%3Ay"),
        ("a,file=/etc/passwd", "a%2Cfile=/etc/passwd", "a%2Cfile=/etc/passwd"),
    ],
)
def test_nothing_in_a_name_ends_the_command_or_begins_another(
    raw: str, file: str, title: str
) -> None:
    named = replace(EXCEEDED, test=f"t.py::test[{raw}]")
    (line,) = annotation_lines([named], {named.test: Place(f"{raw}.py", 1)})
    assert line.startswith(
        f"::error file={file}.py,line=1,title=latency budget exceeded%3A t.py%3A%3Atest[{title}]::"
    )
    assert "\n" not in line
    assert "\r" not in line
