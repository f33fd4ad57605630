"""The schedule of an open loop."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.locust_gate import OpenLoop
from pytest_hancock_latency.locust_gate.open_loop import due_times

MS = 1_000_000


@pytest.mark.parametrize(
    ("message", "attributes"),
    [
        ("Loop: arrival_rate=0 must be greater than 0", {"arrival_rate": 0}),
        (
            "Loop: unknown arrivals 'bursty': must be constant or poisson",
            {"arrivals": "bursty"},
        ),
        (
            "Loop: an open loop does not wait: set arrival_rate, not wait_time",
            {"wait_time": None},
        ),
        ("Loop: the tasks of an open loop must be functions", {"tasks": [int]}),
    ],
)
def test_an_invalid_open_loop_is_refused(message: str, attributes: dict[str, object]) -> None:
    with pytest.raises(LatencyError) as caught:
        type("Loop", (OpenLoop,), attributes)
    assert message == str(caught.value)


def test_constant_arrivals_keep_their_distance() -> None:
    schedule = due_times(50, "constant", 100.0)
    times = [next(schedule) for _ in range(1000)]
    assert 100.0 <= times[0] < 100.02
    assert times[-1] - times[0] == pytest.approx(999 / 50)


def test_poisson_arrivals_keep_their_rate_and_no_distance() -> None:
    schedule = due_times(50, "poisson", 100.0)
    times = [next(schedule) for _ in range(5000)]
    assert times[-1] - 100.0 == pytest.approx(100, rel=0.1)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) < 0.002
    assert max(gaps) > 0.08
