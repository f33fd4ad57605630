"""Tests among which a suite runs under pytest-xdist; they compute for 20 to 300 ms each."""

from __future__ import annotations

import os

import pytest
from subject import spin

WORKERS = os.cpu_count() or 1


def durations_ms(count):
    return [20 + 37 * number % 281 for number in range(count)]


@pytest.mark.parametrize("ms", durations_ms(5 * WORKERS))
def test_before(ms):
    spin(ms)


@pytest.mark.parametrize("ms", durations_ms(25 * WORKERS))
def test_after(ms):
    spin(ms)
