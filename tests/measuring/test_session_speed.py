"""The reference speed of a session, from its own probes and from outside."""

from __future__ import annotations

import numpy as np

from pytest_hancock_latency.core.machine_speed import KnownSpeed
from pytest_hancock_latency.core.undisturbed import LEAST_PROBES, ProbeTimes, ReferenceSpeed
from pytest_hancock_latency.measuring.session_speed import SessionSpeed

OUTSIDE = ReferenceSpeed(100.0, 50.0, "earlier sessions")


def times(arithmetic_ns: int, memory_ns: int, count: int = LEAST_PROBES) -> ProbeTimes:
    return ProbeTimes(
        np.full(count, arithmetic_ns), np.full(count, memory_ns), np.zeros(count, bool)
    )


NONE = times(100, 50, 0)


def test_a_session_without_probes_has_no_speed() -> None:
    speed = SessionSpeed()
    assert (speed.own, speed.reference(NONE), speed.missing) == (None, None, LEAST_PROBES)


def test_eight_samples_show_the_speed_of_the_machine() -> None:
    speed = SessionSpeed()
    for _ in range(7):
        assert speed.wanted == 25
        speed.add(times(100, 50, 25))
    assert speed.own is None
    speed.add(times(100, 50, 25))
    assert speed.own == ReferenceSpeed(100.0, 50.0)
    assert (speed.wanted, speed.missing) == (0, 0)


def test_the_present_sample_counts_as_well() -> None:
    assert SessionSpeed().reference(times(100, 50)) == ReferenceSpeed(100.0, 50.0)


def test_the_speed_from_outside_is_the_reference() -> None:
    speed = SessionSpeed(lambda: KnownSpeed(OUTSIDE))
    speed.add(times(150, 80))
    assert speed.reference(NONE) == OUTSIDE
    assert speed.missing == 0


def test_a_session_that_was_faster_is_the_reference_itself() -> None:
    speed = SessionSpeed(lambda: KnownSpeed(OUTSIDE))
    speed.add(times(90, 60))
    assert speed.reference(NONE) == ReferenceSpeed(90.0, 50.0, "earlier sessions")
    assert speed.reference(times(80, 40)) == ReferenceSpeed(80.0, 40.0, "earlier sessions")
