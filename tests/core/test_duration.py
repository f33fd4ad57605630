"""Durations: reading and writing them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency import DurationError
from pytest_hancock_latency.core.duration import (
    format_against,
    format_duration,
    format_exactly,
    parse_duration,
    parse_latency,
)

HOW = "write a number of milliseconds or a string such as '250us', '10ms' or '1.5s'"


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        (10, 10_000_000),
        (0.1, 100_000),
        (Decimal("0.25"), 250_000),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("1.5s", 1_500_000_000),
        ("10ms", 10_000_000),
        (" 10 MS ", 10_000_000),
        ("7", 7_000_000),
        ("42ns", 42),
        ("2min", 120_000_000_000),
        ("1e3us", 1_000_000),
        ("0.1ns", 1),
        ("527040min", 366 * 24 * 3600 * 1_000_000_000),
    ],
)
def test_a_latency_becomes_integer_nanoseconds(written: object, ns: int) -> None:
    assert parse_latency(written) == ns


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("1.5s", 1_500_000_000),
        (" 10 MS ", 10_000_000),
        (timedelta(minutes=2), 120_000_000_000),
        (timedelta(microseconds=250), 250_000),
    ],
)
def test_a_duration_has_a_unit(written: object, ns: int) -> None:
    assert parse_duration(written) == ns
    assert parse_latency(written) == ns


@pytest.mark.parametrize("number", [60, 0.5, Decimal(3), "60", " 5 ", "1e3", -1])
def test_a_number_is_no_duration(number: object) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(number)
    plain = str(number).strip()
    assert str(refused.value) == f"{number!r} has no unit: write '{plain}s' or '{plain}ms'"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (-1, "-1 is not a duration: it must be greater than zero"),
        (0, "0 is not a duration: it must be greater than zero"),
        ("-5ms", "'-5ms' is not a duration: it must be greater than zero"),
        (float("nan"), "nan is not a duration: it must be finite"),
        (float("inf"), "inf is not a duration: it must be finite"),
        (True, f"True is not a duration: {HOW}"),
        (None, f"None is not a duration: {HOW}"),
        ("", f"'' is not a duration: {HOW}"),
        ("fast", f"'fast' is not a duration: {HOW}"),
        ("1.2.3ms", f"'1.2.3ms' is not a duration: {HOW}"),
        (
            "5parsec",
            "'5parsec' has the unknown unit 'parsec': use ns, us, ms, s or min",
        ),
        ("1e999999999", "'1e999999999' is not a duration: it is longer than a year"),
        ("31622400.1s", "'31622400.1s' is not a duration: it is longer than a year"),
        ("1e99s", "'1e99s' is not a duration: it is longer than a year"),
    ],
)
def test_an_invalid_duration_is_refused_with_the_reason(written: object, message: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_latency(written)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (0, "0 is not a duration: it must be greater than zero"),
        (
            timedelta(seconds=-1),
            f"{timedelta(seconds=-1)!r} is not a duration: it must be greater than zero",
        ),
        (True, f"True is not a duration: {HOW}"),
        ("5parsec", "'5parsec' has the unknown unit 'parsec': use ns, us, ms, s or min"),
    ],
)
def test_an_invalid_time_is_refused_as_an_invalid_latency_is(written: object, message: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(written)
    assert str(refused.value) == message


@given(st.integers(1, 10**15))
def test_what_is_written_exactly_reads_back_as_the_same(ns: int) -> None:
    assert parse_duration(format_exactly(ns).replace(" ", "")) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (42, "42 ns"),
        (210_499, "210 µs"),
        (31_249_999, "31.2 ms"),
        (400_000_000, "400 ms"),
        (1_500_000_000, "1.5 s"),
        (13_999_000_000, "14 s"),
        (3_000_000_000_000, "3000 s"),
    ],
)
def test_a_duration_is_shown_with_three_digits_in_the_unit_that_fits(ns: int, text: str) -> None:
    assert format_duration(ns) == text


def test_an_observed_latency_just_over_its_limit_is_not_shown_as_equal_to_it() -> None:
    assert format_against(50_040_000, 50_000_000) == ("50.04 ms", "50 ms")


def test_rounding_an_observed_latency_does_not_move_it_below_its_limit() -> None:
    assert format_against(50_040_000, 50_010_000) == ("50.04 ms", "50.01 ms")


def test_both_are_shown_in_the_unit_of_the_larger_one() -> None:
    assert format_against(8_903_000, 500_000) == ("8.9 ms", "0.5 ms")


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_latency_and_its_limit_compare_as_shown_like_they_do_as_values(a: int, b: int) -> None:
    observed, limit = (Decimal(text.split(" ")[0]) for text in format_against(a, b))
    assert (observed > limit, observed == limit) == (a > b, a == b)
