"""Names that a pattern matches, and which of several patterns comes first."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.pattern import first_match, matches, narrowest_first


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_star_is_any_text_as_in_the_shell(pattern: str, name: str) -> None:
    assert fnmatchcase(name, pattern) is matches(pattern, name)


@pytest.mark.parametrize("pattern", ["GET /[a]", "GET /?", "get /*"])
def test_everything_but_a_star_is_literal(pattern: str) -> None:
    assert not matches(pattern, "GET /a")


@pytest.mark.parametrize(
    ("pattern", "name"), [("ab*ba", "aba"), ("a*", "ba"), ("*a", "ab"), ("a*b*a", "aa")]
)
def test_the_parts_of_a_pattern_do_not_overlap(pattern: str, name: str) -> None:
    assert not matches(pattern, name)


def test_more_letters_come_before_fewer_stars() -> None:
    names = ["*", "GET *", "GET /a", "GET /*", "*GET /*", "GET /*/*"]
    assert narrowest_first(names) == ["GET /*/*", "GET /*", "*GET /*", "GET *", "*"]


def test_the_first_pattern_that_matches_is_taken() -> None:
    assert first_match(["b*", "a*", "*"], "ab") == "a*"
    assert first_match(["b*"], "ab") is None
