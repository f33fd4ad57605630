"""When a warm-up ends: properties of the rule for "steady", and what users may write."""

from __future__ import annotations

from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency import DurationError
from pytest_hancock_latency.core.warmup import (
    LONGEST_NS,
    MOST_CALLS,
    UNTIL_STEADY,
    WINDOW,
    Warmup,
    WarmupRule,
    calls_to_make,
    is_steady,
    parse_warmup,
)

MS = 1_000_000
TRACES = Path(__file__).resolve().parents[2] / "benchmarks" / "traces"
LATENCIES = st.integers(0, 10**12)
TWO_WINDOWS = st.lists(LATENCIES, min_size=2 * WINDOW, max_size=2 * WINDOW)


def made(warmup: Warmup, latencies_ns: list[int], *, is_untimed: bool = False) -> int:
    """Calls that a warm-up makes of calls that take these times, the last one again and again."""
    endless = chain(latencies_ns, repeat(latencies_ns[-1]))
    done: list[int] = []
    while count := calls_to_make(warmup, done, len(done), 0 if is_untimed else sum(done)):
        done += [next(endless) for _ in range(count)]
    return len(done)


@given(LATENCIES)
def test_what_never_changes_is_steady_after_two_windows(latency_ns: int) -> None:
    assert not is_steady([latency_ns] * (2 * WINDOW - 1))
    assert is_steady([latency_ns] * (2 * WINDOW))


@given(TWO_WINDOWS)
def test_what_only_rises_is_steady(latencies_ns: list[int]) -> None:
    assert is_steady(sorted(latencies_ns))


@given(TWO_WINDOWS, st.integers(1, 10**6))
def test_steady_does_not_depend_on_the_unit(latencies_ns: list[int], factor: int) -> None:
    assert is_steady(latencies_ns) == is_steady([factor * ns for ns in latencies_ns])


@given(st.lists(LATENCIES), TWO_WINDOWS)
def test_steady_is_a_matter_of_the_last_two_windows(
    earlier_ns: list[int], latencies_ns: list[int]
) -> None:
    assert is_steady(latencies_ns) == is_steady(earlier_ns + latencies_ns)


@given(TWO_WINDOWS)
def test_the_order_within_a_window_changes_nothing(latencies_ns: list[int]) -> None:
    before, after = latencies_ns[:WINDOW], latencies_ns[WINDOW:]
    shuffled = sorted(before) + sorted(after)
    assert is_steady(latencies_ns) == is_steady(shuffled)


@given(st.lists(st.tuples(st.integers(0, 2 * WINDOW - 1), LATENCIES), max_size=4))
def test_four_calls_that_anything_hit_change_nothing(hit: list[tuple[int, int]]) -> None:
    latencies_ns, falling_ns = [MS] * (2 * WINDOW), [2 * MS] * WINDOW + [MS] * WINDOW
    for at, ns in hit:
        latencies_ns[at] = falling_ns[at] = ns
    assert is_steady(latencies_ns)
    assert not is_steady(falling_ns)


@pytest.mark.parametrize(("after", "steady"), [(949, False), (950, True), (951, True)])
def test_a_fall_of_more_than_five_percent_is_not_steady(after: int, steady: bool) -> None:
    assert is_steady([1000] * WINDOW + [after] * WINDOW) is steady


@given(st.lists(st.integers(0, 10 * LONGEST_NS), min_size=1))
def test_a_warm_up_until_steady_always_ends(latencies_ns: list[int]) -> None:
    assert WINDOW <= made(UNTIL_STEADY, latencies_ns) <= MOST_CALLS


def test_code_that_becomes_faster_is_warmed_up_until_it_does_no_longer() -> None:
    compiled = [900_000] * 10 + [500_000] * 10 + [300_000] * 10 + [200_000] * 10
    assert made(UNTIL_STEADY, compiled) == 50


def test_code_that_becomes_faster_all_the_time_is_warmed_up_for_the_most_calls() -> None:
    falling = [int(MS * 0.99**call) for call in range(2 * MOST_CALLS)]
    assert made(UNTIL_STEADY, falling) == MOST_CALLS


def test_a_warm_up_until_steady_takes_five_seconds_at_most() -> None:
    assert UNTIL_STEADY.time_ns == 5_000 * MS


def test_no_more_calls_are_made_when_the_longest_time_is_over() -> None:
    assert calls_to_make(UNTIL_STEADY, [MS], 1, LONGEST_NS - 1) == WINDOW
    assert calls_to_make(UNTIL_STEADY, [MS], 1, LONGEST_NS) == 0
    assert calls_to_make(WarmupRule(2 * MS), [MS], 1, 2 * MS - 1) > 0
    assert calls_to_make(WarmupRule(2 * MS), [MS], 1, 2 * MS) == 0


@given(st.integers(0, 10_000))
def test_a_number_is_that_many_calls(calls: int) -> None:
    assert made(calls, [MS]) == calls


@pytest.mark.parametrize(
    ("value", "warmup"),
    [
        (0, 0),
        (5, 5),
        ("5", 5),
        (" 12 ", 12),
        ("2s", WarmupRule(2000 * MS)),
        ("1.5 ms", WarmupRule(1_500_000)),
        ("auto", UNTIL_STEADY),
    ],
)
def test_what_users_write_is_a_number_a_time_or_auto(value: object, warmup: Warmup) -> None:
    assert parse_warmup(value) == warmup


@pytest.mark.parametrize(
    ("value", "message"),
    [
        *(
            (
                value,
                f"{value!r} is not a warm-up: "
                "write a number of calls, a time such as '2s', or 'auto'",
            )
            for value in (-1, True, 2.5, None, "", "-1", "2.5", "many", "²", [5])
        ),
        ("2parsec", "'2parsec' has the unknown unit 'parsec': use ns, us, ms, s or min"),
        ("0s", "'0s' is not a duration: it must be greater than zero"),
    ],
)
def test_invalid_input_is_refused(value: object, message: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_warmup(value)
    assert str(refused.value) == message


def test_a_rule_reads_as_it_is_written() -> None:
    assert [str(UNTIL_STEADY), str(WarmupRule(2000 * MS))] == ["auto", "2 s"]


@pytest.mark.parametrize("trace", sorted(TRACES.glob("*.npz")), ids=lambda path: path.stem)
def test_calls_that_need_no_warm_up_are_steady_within_40_calls_on_any_machine(trace: Path) -> None:
    with np.load(trace) as columns:
        wall_ns = columns["wall"].tolist()
    lengths = sorted(
        made(UNTIL_STEADY, wall_ns[begin : begin + 400], is_untimed=True)
        for begin in range(0, len(wall_ns) - 400, 97)
    )
    assert lengths[len(lengths) // 2] == 20
    assert lengths[len(lengths) * 99 // 100 - 1] <= 40


@pytest.mark.parametrize("trace", sorted(TRACES.glob("*_quiet.npz")), ids=lambda path: path.stem)
def test_nine_of_ten_medians_of_a_quiet_machine_differ_by_at_most_six_percent(trace: Path) -> None:
    with np.load(trace) as columns:
        windows = columns["wall"][: len(columns["wall"]) // WINDOW * WINDOW].reshape(-1, WINDOW)
    medians = np.median(windows, axis=1)
    assert np.quantile(np.abs(medians[1:] / medians[:-1] - 1), 0.9) <= 0.06
