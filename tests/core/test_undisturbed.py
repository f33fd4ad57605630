"""Reference speed, and how much slower the machine was around a call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_hancock_latency.core.undisturbed import (
    LEAST_PROBES,
    MARGIN,
    SUFFERS_MORE,
    KnownTest,
    ProbeTimes,
    ReferenceSpeed,
    surroundings,
    usual_slowness,
    waits_by_spinning,
)

REFERENCE = ReferenceSpeed(100.0, 50.0, "earlier sessions")


def times(
    arithmetic: list[int], memory: list[int] | None = None, disturbed: list[bool] | None = None
) -> ProbeTimes:
    count = len(arithmetic)
    return ProbeTimes(
        np.array(arithmetic, dtype=np.int64),
        np.array([50] * count if memory is None else memory, dtype=np.int64),
        np.array([False] * count if disturbed is None else disturbed, dtype=bool),
    )


def slowness(probes: ProbeTimes, *probe_of: int) -> Any:
    """Return by how much slower the slower probe around each call was."""
    found = surroundings(probes, np.array(probe_of), REFERENCE)
    return pytest.approx((found.slowness ** (1 / SUFFERS_MORE)).tolist())


def test_together_is_by_how_much_the_two_probes_explain_more_than_the_slower_one() -> None:
    found = surroundings(times([200, 200], [75, 75]), np.array([0]), REFERENCE)
    assert found.together.tolist() == [pytest.approx(75 / 50)]
    slower_memory = surroundings(times([150, 150], [200, 200]), np.array([0]), REFERENCE)
    expected = 1.5**SUFFERS_MORE * 4 / 4**SUFFERS_MORE
    assert slower_memory.together.tolist() == [pytest.approx(expected)]
    alone = surroundings(times([200, 200], [40, 40]), np.array([0]), REFERENCE)
    assert alone.together.tolist() == [1.0]


def test_of_a_test_of_which_nothing_is_known_the_slower_probe_has_a_power() -> None:
    found = surroundings(times([200, 200], [50, 50]), np.array([0]), REFERENCE)
    assert found.slowness.tolist() == [2.0**SUFFERS_MORE]


def test_slowness_is_that_of_the_slower_probe_before_or_after_the_call() -> None:
    probes = times([100, 150, 100, 100], [50, 50, 100, 50])
    assert slowness(probes, 0, 1, 2) == [1.5, 2.0, 2.0]


def test_a_probe_that_is_faster_than_the_reference_makes_no_call_slower() -> None:
    assert slowness(times([90, 90], [40, 40]), 0) == [1.0]


def test_where_only_the_arithmetic_probe_ran_it_alone_says_how_slow() -> None:
    assert slowness(times([130, 120], [0, 0]), 0) == [1.3]


def test_what_the_test_itself_did_to_a_probe_does_not_excuse_it() -> None:
    assert slowness(times([300, 100, 300], disturbed=[False, True, False]), 0, 1) == [1.0, 1.0]


def test_without_a_reference_from_outside_the_machine_may_be_faster_by_a_margin() -> None:
    own = ReferenceSpeed(100.0, 50.0)
    found = surroundings(times([100, 150]), np.array([0]), own)
    assert found.slowness.tolist() == [1.5**SUFFERS_MORE * MARGIN]


def test_without_probes_only_the_margin_is_known() -> None:
    found = surroundings(times([]), np.array([-1, -1]), REFERENCE)
    assert found.slowness.tolist() == [1.0, 1.0]
    assert not found.undisturbed_before.any()


def test_a_call_is_undisturbed_where_both_probes_ran_at_full_speed() -> None:
    probes = times([100, 130, 100, 100, 120], [50, 50, 75, 50, 65])
    found = surroundings(probes, np.array([0, 1, 2, 3]), REFERENCE)
    assert found.undisturbed_before.tolist() == [True, False, False, True]
    assert found.undisturbed_after.tolist() == [False, False, True, True]


def test_after_the_last_call_a_probe_is_needed_as_well() -> None:
    found = surroundings(times([100]), np.array([0]), REFERENCE)
    assert found.undisturbed_before.tolist() == [True]
    assert found.undisturbed_after.tolist() == [False]


def test_a_call_without_a_memory_probe_is_not_known_to_be_undisturbed() -> None:
    found = surroundings(times([100, 100], [0, 0]), np.array([0]), REFERENCE)
    assert not found.undisturbed_before.any()


@pytest.mark.parametrize(
    ("arithmetic", "memory", "reference", "expected"),
    [
        ([100, 200, 200], [50, 50, 50], REFERENCE, 2**SUFFERS_MORE),
        ([100, 100, 100], [50, 100, 0], REFERENCE, 1.5**SUFFERS_MORE),
        ([120, 120, 120], [60, 60, 60], REFERENCE, 1.0),  # full speed
        ([80, 80, 80], [0, 0, 0], REFERENCE, 1.0),
        ([200, 200, 200], [50, 50, 50], ReferenceSpeed(100, 50), 2**SUFFERS_MORE * MARGIN),
        ([], [], ReferenceSpeed(100, 50), MARGIN),
        ([], [], REFERENCE, 1.0),
        ([100, 100, 100], [50, 50, 50], None, MARGIN),
    ],
)
def test_the_usual_slowness_is_that_of_the_median_probe(
    arithmetic: list[int], memory: list[int], reference: ReferenceSpeed | None, expected: float
) -> None:
    assert usual_slowness(times(arithmetic, memory), reference) == pytest.approx(expected)


def test_the_reference_is_a_low_quantile_and_not_the_minimum() -> None:
    arithmetic = [10, *[100] * 150, *[300] * 100]
    found = ReferenceSpeed.of(times(arithmetic, [1, *[50] * 250]))
    assert found == ReferenceSpeed(100.0, 50.0)


def test_a_reference_needs_two_hundred_probes_of_each_kind() -> None:
    assert ReferenceSpeed.of(times([100] * (LEAST_PROBES - 1))) is None
    assert ReferenceSpeed.of(times([100] * LEAST_PROBES, [0] + [50] * (LEAST_PROBES - 1))) is None
    assert ReferenceSpeed.of(times([100] * LEAST_PROBES)) is not None


def test_a_session_that_was_faster_replaces_the_reference() -> None:
    own = ReferenceSpeed(90.0, 60.0)
    assert REFERENCE.or_faster(own) == ReferenceSpeed(90.0, 50.0, "earlier sessions")
    assert REFERENCE.or_faster(None) is REFERENCE


@given(hnp.arrays(np.int64, (2, 20), elements=st.integers(1, 1000)))
def test_slowness_is_at_least_one(ns: np.ndarray) -> None:
    found = surroundings(times(*ns.tolist()), np.arange(-1, 19), REFERENCE)
    assert (found.slowness >= 1).all()


def test_code_that_computes_takes_the_same_cpu_time_however_long_it_waits() -> None:
    cpu = np.array([1000] * 20 + [1010] * 6)
    assert not waits_by_spinning(cpu, np.array([0] * 20 + [800] * 6))


def test_code_that_polls_takes_less_cpu_time_if_it_waits_for_a_cpu_meanwhile() -> None:
    cpu = np.array([1000] * 20 + [300] * 6)
    assert waits_by_spinning(cpu, np.array([0] * 20 + [700] * 6))


@pytest.mark.parametrize(
    "waited", [[0] * 20, [700] * 20, [0] * 16 + [700] * 4], ids=["none", "all", "too few"]
)
def test_spinning_is_not_known_without_calls_to_compare(waited: list[int]) -> None:
    cpu = np.array([1000 if not ns else 300 for ns in waited])
    assert not waits_by_spinning(cpu, np.array(waited))


def known_slowness(known: KnownTest, probes: ProbeTimes, reference: ReferenceSpeed) -> float:
    (found,) = surroundings(probes, np.array([0]), reference, known).slowness.tolist()
    return float(found)


def test_where_the_powers_of_a_test_are_known_they_say_how_slow() -> None:
    known, probes = KnownTest(powers=(0.5, 0.25)), times([100, 144], [50, 800])
    assert known_slowness(known, probes, REFERENCE) == pytest.approx(1.2 * 2)


def test_the_powers_of_a_test_make_no_call_slower() -> None:
    assert known_slowness(KnownTest(powers=(1.0, 1.0)), times([90, 80], [50, 50]), REFERENCE) == 1.0


def test_powers_need_both_probes_that_the_test_itself_did_not_disturb() -> None:
    known = KnownTest(powers=(0.5, 0.5))
    assert known_slowness(known, times([130, 120], [0, 0]), REFERENCE) == 1.3**SUFFERS_MORE
    disturbed = times([300, 100], disturbed=[True, False])
    assert known_slowness(known, disturbed, REFERENCE) == 1.0


def test_without_a_reference_from_outside_nothing_is_known_about_a_test() -> None:
    known, probes = KnownTest((0.5, 0.5), 60.0), times([100, 144], [50, 75])
    assert known_slowness(known, probes, ReferenceSpeed(100.0, 50.0)) == 1.5**SUFFERS_MORE * MARGIN


@pytest.mark.parametrize(
    ("memory_ns", "expected"),
    [(40.0, 3.0), (60.0, 2.5), (75.0, 2.0), (150.0, 2.0)],
    ids=["faster than the machine", "slower", "half slower", "three times as slow"],
)
def test_after_calls_that_fill_the_caches_the_memory_probe_has_its_own_reference(
    memory_ns: float, expected: float
) -> None:
    probes = times([100, 100], [150, 150])
    known = KnownTest(memory_ns=memory_ns)
    assert known_slowness(known, probes, REFERENCE) == expected**SUFFERS_MORE


def test_a_sample_with_a_faster_memory_probe_is_its_own_reference() -> None:
    probes = times([100] * LEAST_PROBES, [150, *[55] * (LEAST_PROBES - 1)])
    found = surroundings(probes, np.arange(LEAST_PROBES), REFERENCE, KnownTest(memory_ns=60.0))
    assert found.slowness[0] == pytest.approx((150 / 55) ** SUFFERS_MORE)
