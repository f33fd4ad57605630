"""Advice on how a sample was measured."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_hancock_latency.core.attribution import THROTTLED
from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.measuring.diagnosis import advice_on

MS = 1_000_000


@pytest.mark.parametrize(("throttled_ms", "percent"), [(4, [40]), (0.1, [1]), (0.01, [])])
def test_a_container_that_was_throttled_is_told_so(throttled_ms: float, percent: list[int]) -> None:
    wall = np.full(10, 10 * MS)
    excused = {THROTTLED: np.full(10, throttled_ms * MS)}
    measured = Observations(wall, wall, np.arange(10), excused)
    advice = [each for each in advice_on(measured, (1,), ()) if each.kind == "throttled"]
    assert [each.figures["percent"] for each in advice] == percent
