"""Growth: which sizes are tried, which are measured in turns, and what is said of them.

On a manual clock that the function advances, so that latencies are what they should be.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pytest_hancock_latency import GrowthSample, LatencyError, ManualClock, Sampler
from pytest_hancock_latency.core.record import TestRun, record_of
from pytest_hancock_latency.core.record_json import from_plain, to_plain
from pytest_hancock_latency.core.verdict import Outcome, Reason
from pytest_hancock_latency.measuring.plan import Plan, SharedTime
from pytest_hancock_latency.measuring.shapes import growing
from pytest_hancock_latency.measuring.shapes.growing import (
    LARGEST,
    LONG_NS,
    LONGEST_GIVEN_NS,
    LONGEST_NS,
    MOST_BYTES,
    Growing,
    Scaling,
    Sized,
    forecast_ns,
    memory_in_use,
)
from pytest_hancock_latency.plugin.item_settings import RUN_ONCE, ItemSettings
from pytest_hancock_latency.plugin.settings import Mode
from tests.measuring.shapes.listening import Duel, Watcher

MS = 1_000_000
S = 1_000 * MS
MEGABYTE = 1_000_000
BARE = Plan(attribution=False)
Latency = Callable[[int], float]


class Work:
    """A function on a manual clock, whose latency depends on the size of its input."""

    def __init__(self, latency_ns: Latency, noise: float = 0.0) -> None:
        self.clock = ManualClock()
        self.latency_ns, self.noise = latency_ns, noise
        self.draw = Random(1)
        self.sizes: list[int] = []
        """Sizes of all calls."""
        self.made: list[int] = []
        self.longest_ns = 0

    def make(self, size: int) -> int:
        self.made.append(size)
        return size

    def __call__(self, size: int) -> int:
        self.sizes.append(size)
        ns = round(self.latency_ns(size) * (1 + abs(self.draw.gauss(0, self.noise))))
        self.longest_ns = max(self.longest_ns, ns)
        self.clock.advance(ns)
        return size

    async def awaited(self, size: int) -> int:
        return self(size)

    def sampler(self, plan: Plan = BARE, mode: Mode = Mode.GATE, gates: int = 1) -> Sampler:
        plan = RUN_ONCE if mode is Mode.OFF else plan
        settings = ItemSettings("test_it.py::test", mode, plan, None, strict=False, gates=gates)
        return Sampler(settings, self.clock, watcher=Watcher())

    def scaling(self, at_most: str = "n", plan: Plan = BARE, **options: Any) -> GrowthSample[Any]:
        options = {"make": self.make, **options}
        return self.sampler(plan).scaling(self.__call__, at_most=at_most, **options)


def linear(size: int) -> float:
    return 1000 + 100 * size


def quadratic(size: int) -> float:
    return 1000 + size**2


def exponential(size: int) -> float:
    return 1000 + 2.0**size


def outcome_of(sample: GrowthSample[Any]) -> Outcome:
    assert sample.verdict is not None
    return sample.verdict.outcome


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    ("latency_ns", "at_most", "outcome", "growth"),
    [
        (linear, "n", Outcome.WITHIN, 1.0),
        (linear, "n log n", Outcome.WITHIN, 1.0),
        (linear, "n^2", Outcome.WITHIN, 1.0),
        (linear, "1", Outcome.EXCEEDED, 1.0),
        (linear, "log n", Outcome.EXCEEDED, 1.0),
        (quadratic, "n", Outcome.EXCEEDED, 2.0),
        (quadratic, "n log n", Outcome.EXCEEDED, 2.0),
        (quadratic, "n^1.5", Outcome.EXCEEDED, 2.0),
        (quadratic, "n^2", Outcome.WITHIN, 2.0),
        (lambda size: 10 * size**1.5, "n", Outcome.EXCEEDED, 1.5),
        (lambda size: 10 * size**1.5, "n^1.5", Outcome.WITHIN, 1.5),
        (lambda size: 10 * size**3, "n^2", Outcome.EXCEEDED, 3.0),
        (lambda size: 5e5, "1", Outcome.WITHIN, 0.0),
        (lambda size: 1e5 * (5 + size.bit_length()), "log n", Outcome.WITHIN, 0.04),
    ],
)
def test_latency_that_grows_faster_than_allowed_is_exceeded(
    latency_ns: Latency, at_most: str, outcome: Outcome, growth: float, noise: float
) -> None:
    sample = Work(latency_ns, noise).scaling(at_most)
    assert outcome_of(sample) is outcome
    assert sample.growth == pytest.approx(growth, abs=0.1)
    assert sample.within == (outcome is Outcome.WITHIN)


@pytest.mark.parametrize("at_most", ["1", "log n", "n", "n log n", "n^1.5", "n^2"])
def test_an_exponential_function_is_exceeded_and_no_call_of_it_takes_long(at_most: str) -> None:
    work = Work(exponential)
    sample = work.scaling(at_most)
    assert outcome_of(sample) is Outcome.EXCEEDED
    assert sample.growth is not None
    assert sample.growth > 5
    assert work.longest_ns <= LONGEST_NS


@pytest.mark.parametrize("base", [1.05, 1.2, 1.5, 3.0, 10.0])
def test_no_exponential_function_makes_the_test_hang(base: float) -> None:
    work = Work(lambda size: 1000 + min(10.0 * base**size, 1e30))
    sample = work.scaling("n^2")
    assert work.longest_ns <= 4 * LONGEST_NS
    assert outcome_of(sample) is Outcome.EXCEEDED


@pytest.mark.parametrize(
    ("cliffs", "outcome", "reason"),
    [
        ((), Outcome.WITHIN, Reason.SHOWN),
        ((2**15,), Outcome.WITHIN, Reason.SHOWN),
        ((2**17,), Outcome.INCONCLUSIVE, Reason.NEAR),
        ((2**17, 2**16), Outcome.INCONCLUSIVE, Reason.SPAN),
        ((2**17, 2**16, 2**15, 2**14), Outcome.INCONCLUSIVE, Reason.SPAN),
    ],
)
def test_caches_do_not_make_a_linear_function_exceeded(
    cliffs: tuple[int, ...], outcome: Outcome, reason: Reason
) -> None:
    def with_cliffs(size: int) -> float:
        return 100.0 * size * 1.5 ** sum(size > cliff for cliff in cliffs)

    sample = Work(with_cliffs).scaling("n", sizes=[2**power for power in range(12, 19)])
    assert sample.verdict is not None
    assert sample.verdict.growth is not None
    assert (outcome_of(sample), sample.verdict.growth.reason) == (outcome, reason)


def test_more_gates_need_more_evidence() -> None:
    def turns(gates: int) -> int:
        work = Work(quadratic, noise=0.3)
        sample = work.sampler(gates=gates).scaling(work.__call__, make=work.make, at_most="n")
        assert outcome_of(sample) is Outcome.EXCEEDED
        return len(sample.log_ratios[0])

    assert turns(1) < turns(10_000)


# --- sizes -------------------------------------------------------------------------------------


def test_sizes_double_until_a_call_takes_long_enough_and_those_over_64_times_are_measured() -> None:
    work = Work(linear)
    sample = work.scaling("n")
    assert work.made == [2**power for power in range(19)]
    assert sample.sizes == tuple(2**power for power in range(12, 19))
    assert linear(2**17) < LONG_NS <= linear(2**18)
    assert sample.p50_ns == linear(2**18)
    assert sample.answer == 2**18


def test_each_input_is_made_once() -> None:
    work = Work(linear)
    work.scaling("n")
    assert len(work.made) == len(set(work.made))


def test_sizes_that_were_given_are_measured_instead() -> None:
    work = Work(linear)
    sample = work.scaling("n", sizes=[1000, 3000, 9000, 27000])
    assert work.made == [1000, 3000, 9000, 27000]
    assert sample.sizes == (1000, 3000, 9000, 27000)
    assert outcome_of(sample) is Outcome.WITHIN


def test_sizes_may_come_from_a_generator() -> None:
    assert Work(linear).scaling("n", sizes=(10**k for k in range(3, 6))).sizes == (
        10**3,
        10**4,
        10**5,
    )


def test_sizes_far_from_each_other_are_not_refused() -> None:
    sample = Work(linear).scaling("n", sizes=[100, 10_000, 1_000_000])
    assert sample.sizes == (100, 10_000, 1_000_000)


def test_a_given_size_that_could_take_too_long_is_replaced_by_smaller_ones() -> None:
    work = Work(exponential)
    sample = work.scaling("n", sizes=[10, 20, 40])
    assert work.longest_ns <= LONGEST_GIVEN_NS
    assert sample.sizes[:2] == (10, 20)
    assert 20 < sample.sizes[-1] < 40
    assert sample.verdict is not None
    assert sample.verdict.growth is not None
    assert sample.verdict.growth.refused_size == 40
    assert outcome_of(sample) is Outcome.EXCEEDED


def test_a_given_size_is_left_out_if_there_are_enough_without_it() -> None:
    sample = Work(exponential).scaling("n", sizes=[10, 15, 20, 40])
    assert sample.sizes == (10, 15, 20)


def test_a_function_without_sizes_that_fit_is_inconclusive() -> None:
    def expensive(size: int) -> int:
        work.clock.advance(20 * S)
        return size

    work = Work(linear)
    sample = work.scaling("n", make=expensive)
    assert outcome_of(sample) is Outcome.INCONCLUSIVE
    assert sample.verdict is not None
    assert sample.verdict.growth is not None
    assert sample.verdict.growth.reason is Reason.FEW
    assert sample.growth is None
    assert sample.n == 25


def test_sizes_are_looked_for_in_half_of_the_time_limit() -> None:
    def slow(size: int) -> int:
        work.clock.advance(S)
        return size

    work = Work(linear)
    sample = work.scaling("n", plan=replace(BARE, time_limit_ns=8 * S), make=slow)
    assert sample.sizes == (1, 2, 4, 8)


def test_a_size_is_not_refused_because_the_machine_delayed_a_call() -> None:
    delayed = iter([False] * 4 + [True])  # the third size, which is called once

    def disturbed(size: int) -> float:
        return 100 * size * (100 if next(delayed, False) else 1)

    sample = Work(disturbed).scaling("n", sizes=[100, 200, 20_000, 400_000])
    assert sample.sizes == (200, 20_000, 400_000)


def test_inputs_take_a_bounded_amount_of_memory() -> None:
    work, used = Work(linear), [0]

    def make(size: int) -> int:
        used[0] += 1000 * size
        return size

    scaling = Scaling.of(
        work, make=make, at_most="n", sizes=None, check=None, finish=None, is_awaited=False
    )
    measuring = Growing(
        scaling, "name", BARE, work.clock, SharedTime(), 0.01, memory_in_use=lambda: used[0]
    )
    sample = measuring.measure()
    assert used[0] <= MOST_BYTES
    assert sample.sizes[-1] == 2**17


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the most that there ever was")
def test_it_grows_with_what_is_kept_and_shrinks_with_what_is_not() -> None:
    before = memory_in_use()
    kept = bytearray(b"x") * (64 * MEGABYTE)
    with_it = memory_in_use()
    del kept
    assert 60 * MEGABYTE < with_it - before < 100 * MEGABYTE
    assert memory_in_use() < with_it - 30 * MEGABYTE


def test_where_the_kernel_does_not_tell_it_is_the_most_or_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: object) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(growing, "read_file", missing)
    assert memory_in_use() > 0
    monkeypatch.setattr(growing, "own_resource", None)
    assert memory_in_use() == 0


def test_latency_is_forecast_as_if_it_were_exponential() -> None:
    smaller, larger = Sized(8, None, 10), Sized(16, None, 50)
    assert forecast_ns(smaller, larger, 32) == pytest.approx(1250)
    assert forecast_ns(smaller, larger, 24) == pytest.approx(250)


def test_latency_that_grows_like_an_exponential_may_grow_twice_as_steeply() -> None:
    smaller, larger = Sized(8, None, 10), Sized(16, None, 100)
    assert forecast_ns(smaller, larger, 24) == pytest.approx(10_000)


def test_a_shorter_latency_at_a_larger_size_is_no_reason_to_expect_less() -> None:
    assert forecast_ns(Sized(8, None, 100), Sized(16, None, 50), 32) == 50


def test_a_distant_size_is_forecast_by_half_a_power_more_than_before() -> None:
    assert forecast_ns(Sized(10, None, 10), Sized(100, None, 100), 10_000) == pytest.approx(100_000)


def test_latency_grows_by_more_than_floats_hold() -> None:
    assert forecast_ns(Sized(1, None, 1), Sized(2, None, 10**9), 10_000) > LONGEST_GIVEN_NS


# --- turns -------------------------------------------------------------------------------------


def test_sizes_take_turns_in_random_order() -> None:
    work = Work(linear)
    sample = work.scaling("n", sizes=[200_000, 400_000, 800_000])
    turns = work.sizes[3:]
    rounds = [tuple(turns[at : at + 3]) for at in range(0, len(turns), 3)]
    assert {tuple(sorted(each)) for each in rounds} == {sample.sizes}
    assert len(set(rounds)) > 1


def test_short_calls_are_repeated_in_a_turn_and_the_first_is_not_counted() -> None:
    work = Work(linear)
    sample = work.scaling("n", sizes=[100, 200, 400])
    turns = len(sample.log_ratios[0])
    assert sample.n == 5 * turns
    assert len(work.sizes) == 6 + 3 * 6 * turns


def test_measuring_stops_at_the_time_limit() -> None:
    work = Work(lambda size: 100 * size**1.3, noise=0.05)
    sample = work.scaling("n", plan=replace(BARE, time_limit_ns=5 * S))
    assert outcome_of(sample) is Outcome.INCONCLUSIVE
    assert work.clock() <= 6 * S


def test_time_is_charged_and_progress_is_shown() -> None:
    work = Work(lambda size: 100 * size**1.3, noise=0.05)
    sampler = work.sampler()
    sample = sampler.scaling(work.__call__, make=work.make, at_most="n", name="parse")
    watcher = sampler.watcher
    assert isinstance(watcher, Watcher)
    assert watcher.ended == 1
    assert {progress.name for progress in watcher.shown} == {"parse"}
    assert 0 < len(watcher.shown) <= work.clock() // (250 * MS)
    assert sampler.shared_time.left_ns == 300 * S - (sample.measurement.elapsed_ns - 5 * S)


# --- answers -----------------------------------------------------------------------------------


def test_an_answer_that_fails_its_check_fails_the_test() -> None:
    work = Work(linear)
    sample = work.scaling("n", check=lambda size: size < 2**18)
    assert sample.failures == {"check: returned False": 1}
    assert outcome_of(sample) is Outcome.EXCEEDED
    assert record_of(sample, TestRun("test_it.py::test")).fails


def test_answers_are_finished_inside_the_timed_window() -> None:
    work = Work(lambda size: 1000)

    def finish(size: int) -> str:
        work.clock.advance(100 * size)
        return "finished"

    sample = work.scaling("n", finish=finish)
    assert sample.answer == "finished"
    assert sample.growth == pytest.approx(1, abs=0.01)


def test_an_answer_that_has_not_run_yet_is_refused() -> None:
    def lazy(size: int) -> Iterator[int]:
        yield size

    with pytest.raises(LatencyError, match="the call of lazy returned a generator"):
        Work(linear).sampler().scaling(lazy, make=int, at_most="n")


def test_what_the_function_raises_is_raised() -> None:
    def fails(size: int) -> int:
        if size == 8:
            raise ValueError("too large")
        return size

    sampler = Work(linear).sampler()
    with pytest.raises(ValueError, match="too large"):
        sampler.scaling(fails, make=int, at_most="n")
    assert dict(sampler.unfinished) == {"": "ValueError: too large"}


def test_coroutine_functions_are_awaited() -> None:
    work = Work(quadratic)
    sampler = work.sampler()
    sample = asyncio.run(_awaited(sampler, work))
    assert outcome_of(sample) is Outcome.EXCEEDED
    assert sample.answer == sample.sizes[-1]
    assert sampler.samples[0].n == sample.n


async def _awaited(sampler: Sampler, work: Work) -> GrowthSample[int]:
    return await sampler.scaling(work.awaited, make=work.make, at_most="n")


# --- modes and attempts ------------------------------------------------------------------------


def test_switched_off_the_function_is_called_once_with_the_smallest_input() -> None:
    work = Work(quadratic)
    sampler = work.sampler(mode=Mode.OFF)
    sample = sampler.scaling(work.__call__, make=work.make, at_most="1")
    assert work.sizes == [1]
    assert (sample.within, sample.answer, sample.growth) == (True, 1, None)
    assert sampler.samples == []


def test_switched_off_a_coroutine_function_is_called_once() -> None:
    work = Work(quadratic)
    sample = asyncio.run(_awaited(work.sampler(mode=Mode.OFF), work))
    assert (work.sizes, sample.answer) == ([1], 1)


def test_a_duel_calls_the_function_once_and_leaves_growth_out() -> None:
    work = Work(quadratic)
    sampler = work.sampler()
    sampler.duel_test = duel = Duel()
    sample = sampler.scaling(work.__call__, make=work.make, at_most="n", name="parse")
    assert (work.sizes, sample.answer, sample.verdict) == ([1], 1, None)
    assert duel.left_out == [("parse", "growth")]


def test_an_attempt_adds_to_the_evidence_of_the_one_before() -> None:
    work = Work(linear, noise=0.05)
    first = work.scaling("n")
    again = work.sampler()
    again.combine_with([first.without_answers()])
    second = again.scaling(work.__call__, make=work.make, at_most="n")
    assert second.sizes == first.sizes
    assert second.log_ratios[0][: len(first.log_ratios[0])] == first.log_ratios[0]
    assert len(second.log_ratios[0]) > len(first.log_ratios[0])


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ([], "growth takes at least 3 of them"),
        ([100], "growth takes at least 3 of them"),
        ([100, 200], "growth takes at least 3 of them"),
        ([100, 200, 200], "they must rise"),
        ([400, 200, 100], "they must rise"),
        ([0, 100, 200], "they must be at least 1"),
        ([1.5, 2, 3], "they must be whole numbers"),
        ([True, 2, 3], "they must be whole numbers"),
        ("abc", "they must be whole numbers"),
        (100, "they are not a list"),
    ],
)
def test_sizes_must_be_three_numbers_that_rise(sizes: object, problem: str) -> None:
    work = Work(linear)
    with pytest.raises(LatencyError) as raised:
        work.scaling("n", sizes=sizes)
    assert str(raised.value) == (
        f"sample.scaling(sizes={sizes!r}): {problem}, as in sizes=[1000, 2000, 4000]"
    )
    assert work.made == []


def test_an_unknown_class_is_refused_before_anything_is_called() -> None:
    work = Work(linear)
    with pytest.raises(LatencyError, match="at_most='n!' is not a growth class"):
        work.scaling("n!")
    assert work.made == []


def test_make_must_be_a_function() -> None:
    with pytest.raises(LatencyError) as raised:
        Work(linear).scaling("n", make="a" * 3)
    assert str(raised.value) == (
        "sample.scaling(make='aaa'): make is not callable: pass a function of a size, "
        'as in make=lambda n: "a" * n'
    )


def test_make_must_not_be_a_coroutine_function() -> None:
    work = Work(linear)
    with pytest.raises(LatencyError) as raised:
        work.scaling("n", make=work.awaited)
    assert str(raised.value) == (
        "sample.scaling(make=awaited): make is a coroutine function, which is never awaited: "
        "pass a function"
    )


@pytest.mark.parametrize(("takes_ns", "text"), [(0, "0 ns"), (300, "300 ns")])
def test_a_function_faster_than_the_clock_is_refused(takes_ns: int, text: str) -> None:
    with pytest.raises(LatencyError) as raised:
        Work(lambda size: takes_ns).scaling("1")
    assert str(raised.value) == (
        f"sample.scaling(): a call takes {text} at size {LARGEST}, which is too short to be "
        "timed: let the function do more, such as a thousand look-ups, or give larger sizes="
    )


def test_a_name_is_used_once() -> None:
    work = Work(linear)
    sampler = work.sampler()
    sampler.scaling(work.__call__, make=work.make, at_most="n", name="parse")
    with pytest.raises(LatencyError, match="sample 'parse' was already measured"):
        sampler.scaling(work.__call__, make=work.make, at_most="n", name="parse")


# --- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize("latency_ns", [linear, quadratic, exponential])
def test_a_record_of_growth_survives_its_plain_form(latency_ns: Latency) -> None:
    record = record_of(Work(latency_ns).scaling("n"), TestRun("test_it.py::test"))
    assert from_plain(to_plain(record)).verdict == record.verdict
    assert record.is_of_growth
    assert record.fails == (latency_ns is not linear)


def test_the_curve_ends_with_the_sizes_that_were_measured() -> None:
    sample = Work(linear).scaling("n")
    assert sample.verdict is not None
    assert sample.verdict.growth is not None
    curve = sample.verdict.growth.curve
    assert [size for size, _ in curve] == [2**power for power in range(9, 19)]
    assert all(ns == linear(size) for size, ns in curve)
