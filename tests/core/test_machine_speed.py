"""The speed of the machine beside the limits, and what it says of this one."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_hancock_latency.core.machine_speed import (
    SOURCE,
    KnownSpeed,
    MachineKind,
    MachineSpeed,
    fastest,
    parse_machine_speed,
)
from pytest_hancock_latency.core.undisturbed import ReferenceSpeed
from pytest_hancock_latency.errors import BudgetError

HERE = MachineKind("a CPU, 2 cores", "cpython 3.12.1, main, probes 1")
ELSEWHERE = MachineKind("another CPU, 8 cores", "cpython 3.12.1, main, probes 1")
EARLIER = "earlier sessions"


def known(
    of_limits: tuple[float, float],
    *,
    kind: MachineKind = HERE,
    earlier: ReferenceSpeed | None = None,
) -> KnownSpeed:
    return KnownSpeed(earlier, MachineSpeed(kind, ReferenceSpeed(*of_limits)), HERE)


def test_its_table_is_read_as_it_was_written() -> None:
    speed = MachineSpeed(HERE, ReferenceSpeed(66_123.4, 1_044_700.0))
    assert speed.toml() == {
        "cpu": "a CPU, 2 cores",
        "python": "cpython 3.12.1, main, probes 1",
        "arithmetic": "66.1us",
        "memory": "1.0447ms",
    }
    assert parse_machine_speed(speed.toml()) == MachineSpeed(
        HERE, ReferenceSpeed(66_100.0, 1_044_700.0)
    )
    assert MachineSpeed.from_plain(speed.plain()).speed == ReferenceSpeed(66_123, 1_044_700)


TABLE = MachineSpeed(HERE, ReferenceSpeed(66_000.0, 44_000.0)).toml()
HOW = "must be a table of cpu, python, arithmetic and memory, as hancock-latency suggest writes"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (7, HOW),
        ({**TABLE, "memmory": "1us"}, f"unknown key 'memmory' (did you mean \"memory\"?): {HOW}"),
        ({"cpu": "a CPU"}, f"python is missing: {HOW}"),
        ({**TABLE, "memory": 44}, f"memory 44 must be a string: {HOW}"),
        (
            {**TABLE, "arithmetic": "66 parsecs"},
            "arithmetic: '66 parsecs' has the unknown unit 'parsecs': use ns, us, ms, s or min",
        ),
        (
            {**TABLE, "arithmetic": "0us"},
            "arithmetic: '0us' is not a duration: it must be greater than zero",
        ),
    ],
)
def test_what_cannot_be_read_is_said(table: Any, message: str) -> None:
    with pytest.raises(BudgetError) as raised:
        parse_machine_speed(table)
    assert str(raised.value) == message


def test_of_several_runs_on_one_kind_of_machine_the_fastest_counts() -> None:
    speeds = [
        MachineSpeed(HERE, ReferenceSpeed(70.0, 50.0)),
        MachineSpeed(HERE, ReferenceSpeed(80.0, 40.0)),
    ]
    assert fastest(speeds) == MachineSpeed(HERE, ReferenceSpeed(70.0, 40.0))
    assert fastest([]) is None
    assert fastest([speeds[0], MachineSpeed(ELSEWHERE, speeds[0].speed)]) is None


def test_on_the_machine_of_the_limits_it_is_the_reference_from_the_start() -> None:
    assert known((66.0, 44.0)).reference(None) == ReferenceSpeed(66.0, 44.0, SOURCE)


def test_a_session_that_is_faster_is_the_reference_itself() -> None:
    own = ReferenceSpeed(60.0, 50.0)
    assert known((66.0, 44.0)).reference(own) == ReferenceSpeed(60.0, 44.0, SOURCE)


def test_without_any_the_session_is_its_own_reference() -> None:
    own = ReferenceSpeed(60.0, 50.0)
    assert KnownSpeed().reference(own) == own
    assert KnownSpeed().reference(None) is None
    assert KnownSpeed().share_of_limits(own) is None
    assert not KnownSpeed().is_wrong(own)


def test_of_another_kind_of_machine_only_how_fast_it_computes_counts() -> None:
    own = ReferenceSpeed(100.0, 90.0)
    of_limits = known((66.0, 44.0), kind=ELSEWHERE)
    assert of_limits.reference(own) == ReferenceSpeed(66.0, 90.0)
    assert of_limits.reference(None) is None
    slower = known((150.0, 44.0), kind=ELSEWHERE)
    assert slower.reference(own) == own


def test_what_five_sessions_contradict_is_not_used() -> None:
    earlier = ReferenceSpeed(100.0, 50.0, EARLIER)
    wrong = known((79.0, 50.0), earlier=earlier)
    assert wrong.is_wrong(None)
    assert wrong.reference(None) == earlier
    assert known((100.0, 35.0), earlier=earlier).is_wrong(None)
    assert not known((81.0, 36.0), earlier=earlier).is_wrong(None)


def test_one_slow_session_contradicts_only_what_is_out_of_reach() -> None:
    own = ReferenceSpeed(190.0, 300.0)
    assert not known((66.0, 44.0)).is_wrong(own)
    assert known((60.0, 44.0)).is_wrong(own)
    assert known((66.0, 29.0)).is_wrong(own)
    assert known((60.0, 44.0)).reference(own) == own


def test_the_memory_of_another_kind_of_machine_is_never_wrong() -> None:
    own = ReferenceSpeed(190.0, 300.0)
    assert not known((66.0, 1.0), kind=ELSEWHERE).is_wrong(own)
    assert known((60.0, 1.0), kind=ELSEWHERE).is_wrong(own)


def test_a_machine_at_less_than_four_fifths_of_the_speed_is_slower() -> None:
    limits = known((66.0, 44.0), kind=ELSEWHERE)
    assert limits.share_of_limits(ReferenceSpeed(110.0, 44.0)) == pytest.approx(0.6)
    assert limits.share_of_limits(ReferenceSpeed(80.0, 44.0)) is None
    assert limits.share_of_limits(ReferenceSpeed(900.0, 44.0)) is None, "it is wrong"
    assert limits.share_of_limits(None) is None
