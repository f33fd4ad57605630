"""The clock that moves by hand."""

from __future__ import annotations

import pytest

from pytest_hancock_latency import ManualClock


def test_it_begins_at_zero() -> None:
    assert ManualClock()() == 0


def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(7)
    assert [clock(), clock()] == [7, 7]
    clock.advance(3)
    assert clock() == 10


def test_it_never_goes_back() -> None:
    with pytest.raises(ValueError, match=r"^cannot move a monotonic clock by -1 ns$"):
        ManualClock().advance(-1)
