"""Growth classes, their names and their bounds."""

from __future__ import annotations

import pytest

from pytest_hancock_latency.core.growth import BOUNDS, parse_class
from pytest_hancock_latency.errors import LatencyError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((name, name) for name in BOUNDS),
        (1, "1"),
        ("constant", "1"),
        ("O(n)", "n"),
        ("O(N log N)", "n log n"),
        ("n*log(n)", "n log n"),
        ("n · log n", "n log n"),
        ("n**2", "n^2"),
        ("n²", "n^2"),
        ("linear", "n"),
    ],
)
def test_a_class_has_several_spellings(text: object, name: str) -> None:
    assert parse_class(text) == name


@pytest.mark.parametrize(
    ("text", "near"),
    [("n^3", ' (did you mean "n^2"?)'), ("quadratic", ""), ("", ""), (None, ""), (2, "")],
)
def test_an_unknown_class_is_named_with_all_that_there_are(text: object, near: str) -> None:
    with pytest.raises(LatencyError) as raised:
        parse_class(text)
    assert str(raised.value) == (
        f"at_most={text!r} is not a growth class{near}: "
        'write one of "1", "log n", "n", "n log n", "n^1.5", "n^2"'
    )


def test_bounds_rise_from_class_to_class() -> None:
    assert sorted(BOUNDS.values()) == list(BOUNDS.values())
