"""The table on a terminal: what is shown, in which order, and how wide."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_hancock_latency.core.budget import Limit
from pytest_hancock_latency.core.quantile import P95
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import (
    FailureVerdict,
    LimitVerdict,
    Outcome,
    Reason,
    Verdict,
)
from pytest_hancock_latency.reporting.table import natural
from pytest_hancock_latency.reporting.terminal import (
    MOST_SHOWN,
    NEAREST,
    report_text,
    terminal_lines,
)

MS = 1_000_000
NONE_FAILED = FailureVerdict(Fraction(0), Outcome.WITHIN, 0, 354)


def record(test: str, outcome: Outcome = Outcome.WITHIN, p95_ms: int = 12) -> Record:
    limits = (LimitVerdict(Limit(P95, 25 * MS), outcome, Reason.SHOWN, 354, 0, 0),)
    quantiles = {"p50": 5 * MS, "p95": p95_ms * MS, "p99": 20 * MS, "max": 30 * MS}
    verdict = Verdict(limits, NONE_FAILED, n=354, elapsed_ns=2_000 * MS)
    return Record(test, "", 354, {}, quantiles, dict(quantiles), verdict=verdict)


def texts(*records: Record, width: int = 80, show_all: bool = False) -> list[str]:
    return [line.text for line in terminal_lines(records, width, show_all=show_all)]


def test_a_table_of_one_file_is_as_wide_as_it_has_to_be() -> None:
    assert texts(record("t.py::test_health")) == [
        "sample               n  p50  p95  p99  limits (ms)  verdict",
        "t.py::test_health  354    5   12   20  p95 25       within",
    ]


def test_a_long_name_goes_under_its_file_and_loses_its_middle_where_the_screen_ends() -> None:
    name = "tests/api/test_search.py::test_a_query_of_many_words[a very long parameter]"
    _, file, line = texts(record(name), width=80)
    assert file == "tests/api/test_search.py"
    assert (len(line), line) == (
        79,
        "  test_a_query_of_m…ry long parameter]  354    5   12   20  p95 25       within",
    )


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_screen_unless_names_would_be_lost(width: int) -> None:
    lines = texts(record("tests/api/test_search.py::" + "x" * 200), width=width)
    assert max(map(len, lines)) <= max(width, 60)
    assert len(lines[-1].split()[0]) >= 14


def test_several_files_are_groups_and_the_worst_comes_first() -> None:
    lines = texts(
        record("a.py::test_good"),
        record("b.py::test_good"),
        record("b.py::test_bad", Outcome.EXCEEDED, p95_ms=99),
        record("b.py::test_unsure", Outcome.INCONCLUSIVE),
    )
    assert [line.split()[0] for line in lines] == [
        "sample",
        *("b.py", "test_bad", "test_unsure", "test_good"),
        *("a.py", "test_good"),
    ]


def test_parameters_sort_in_natural_order() -> None:
    lines = texts(*(record(f"t.py::test[{n}]") for n in (10, 9, 1, 2)))
    assert [line.split()[0] for line in lines[1:]] == [f"t.py::test[{n}]" for n in (1, 2, 9, 10)]


@pytest.mark.parametrize(
    ("smaller", "greater"),
    [("test[9]", "test[10]"), ("test[007]", "test[8]"), ("test[0]", "test[1]"), ("7", "8" * 5000)],
)
def test_numbers_in_names_sort_by_their_value(smaller: str, greater: str) -> None:
    assert natural(smaller) < natural(greater)


def test_a_superscript_digit_in_a_name_sorts_as_a_letter() -> None:
    lines = texts(record("t.py::test[5²6]"), record("t.py::test[5²10]"))
    assert [line.split()[0] for line in lines[1:]] == ["t.py::test[5²6]", "t.py::test[5²10]"]


def test_of_many_samples_those_within_are_shown_that_are_nearest_to_a_limit() -> None:
    many = [record(f"t.py::test[{n}]", p95_ms=n) for n in range(1, MOST_SHOWN)]
    bad = record("t.py::bad", Outcome.EXCEEDED, p95_ms=99)
    lines = texts(*many, bad, record("t.py::unsure", Outcome.INCONCLUSIVE))
    assert [line.split()[0] for line in lines] == [
        *("sample", "t.py::bad", "t.py::unsure"),
        *(f"t.py::test[{n}]" for n in range(MOST_SHOWN - NEAREST, MOST_SHOWN)),
        "and",
    ]
    assert lines[-1] == "and 19 more within their limits: show all with -v"


def test_all_of_many_samples_are_shown_on_demand() -> None:
    many = [record(f"t.py::test[{n}]") for n in range(100)]
    assert len(texts(*many, show_all=True)) == 101


def test_the_verdict_of_a_line_can_be_coloured_separately() -> None:
    _, line = terminal_lines([record("t.py::bad", Outcome.EXCEEDED)], 80)
    assert (line.outcome, line.verdict) == (Outcome.EXCEEDED, "exceeded p95")
    assert line.before + line.verdict == line.text


def test_a_sample_has_the_name_of_its_budget_and_its_test_where_there_is_room() -> None:
    health = replace(record("t.py::test_health"), budget_name="GET /health")
    assert texts(health, width=100)[1].startswith("GET /health (t.py::test_health)  354")
    assert texts(health, width=60)[1].startswith("GET /health  354")


def test_tests_that_share_a_budget_are_distinguished() -> None:
    tests = [replace(record(f"t.py::test_{n}"), budget_name="GET /health") for n in "ab"]
    lines = texts(*tests, width=70)
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "GET /health (t.py::test_a)",
        "GET /health (t.py::test_b)",
    ]


def test_in_a_group_the_test_of_a_budget_is_named_without_its_file() -> None:
    health = replace(record("t.py::test_health"), budget_name="GET /health")
    lines = texts(health, record("u.py::test_it"), width=100)
    assert [line.split("  354")[0].rstrip() for line in lines[1:]] == [
        "t.py",
        "  GET /health (test_health)",
        "u.py",
        "  test_it",
    ]


def test_on_a_screen_the_verdict_is_coloured_and_in_a_log_it_is_not() -> None:
    exceeded = record("t.py::test_health", Outcome.EXCEEDED)
    assert "\x1b[1;31mexceeded p95\x1b[0m\n" in report_text([exceeded], {}, colour=True)
    assert "\x1b" not in report_text([exceeded], {})


def test_requests_of_a_load_have_no_file() -> None:
    lines = texts(record("GET /b"), record("GET /a"), record("t.py::test_it"), width=100)
    assert [line.split("  354")[0].rstrip() for line in lines[1:]] == [
        "GET /a",
        "GET /b",
        "t.py",
        "  test_it",
    ]
