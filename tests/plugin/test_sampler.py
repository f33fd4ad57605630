"""The `sample` fixture on a clock that moves by hand: what it gives back, and what it takes."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

import pytest

from pytest_hancock_latency import LatencyError, ManualClock, Sample, Sampler
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.measuring.inputs import ITERATOR_LIMIT
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import RUN_ONCE, ItemSettings
from pytest_hancock_latency.plugin.settings import Mode
from pytest_hancock_latency.reporting.advice import advice_text

MS = 1_000_000
BARE = Plan(warmup=2, samples=4, max_samples=20, attribution=False)
BRACKETED = Plan(warmup=0, samples=4, max_samples=20)
"""No warm-up says that calls are too short for a bracket."""


def sampler(
    clock: Callable[[], int] | None = None, plan: Plan = BARE, mode: Mode = Mode.GATE, **limits: Any
) -> Sampler:
    budget = parse_terms(limits).budget() if limits else None
    gate = ItemSettings("test_it.py::test", mode, plan, budget, strict=False, gates=1)
    return Sampler(gate, clock) if clock else Sampler(gate)


# --- the last answer ------------------------------------------------------------------------------


class Answer:
    """An answer that knows how many of its kind are alive."""

    alive: ClassVar[weakref.WeakSet[Answer]] = weakref.WeakSet()

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.alive_before = len(self.alive)
        self.alive.add(self)
        self.clock = clock

    def __del__(self) -> None:
        if self.clock is not None:
            self.clock.advance(100 * MS)


@pytest.mark.parametrize("plan", [BARE, BRACKETED], ids=["bare", "bracketed"])
@pytest.mark.parametrize("check", [None, lambda answer: answer.alive_before == 0])
def test_a_sample_has_the_last_answer_and_no_other_stays_alive(plan: Plan, check: Any) -> None:
    measure = sampler(plan=plan, p50=500)
    sample = measure(Answer, check=check)
    assert [sample.answer] == list(Answer.alive)
    assert sample.answer.alive_before == 0
    del sample
    assert list(Answer.alive) == []


def test_a_sample_of_a_coroutine_has_the_last_answer() -> None:
    async def fetch(numbers: list[int]) -> int:
        numbers.append(len(numbers))
        return numbers[-1]

    async def test() -> Sample:
        return await sampler()(fetch, numbers)

    numbers: list[int] = []
    sample = asyncio.run(test())
    assert sample.answer == numbers[-1] > 0


def test_freeing_the_answer_before_takes_no_time_of_an_observation() -> None:
    clock = ManualClock()
    sample = sampler(clock)(Answer, clock)
    assert sample.observations.wall_ns.tolist() == [0, 0, 0, 0]


def test_the_last_answer_is_there_when_it_failed() -> None:
    def refused() -> None:
        raise ConnectionRefusedError("no")

    measure = sampler(p50=500, errors="10%")
    assert measure(int, name="checked", check=bool).answer == 0
    failed = measure(refused, name="raised", failures=(ConnectionError,)).answer
    assert (type(failed), str(failed)) == (ConnectionRefusedError, "no")


def test_a_body_that_runs_once_has_its_answer() -> None:
    assert sampler(plan=RUN_ONCE, mode=Mode.OFF)(lambda: "hello").answer == "hello"


def test_pairs_have_their_last_answers() -> None:
    one, other = sampler().pairs(lambda: 1, lambda: 2, pairs=3)
    assert (one.answer, other.answer) == (1, 2)


# --- inputs ---------------------------------------------------------------------------------------


def test_each_call_gets_the_next_input_after_the_arguments() -> None:
    got: list[tuple[Any, ...]] = []

    def search(index: str, word: str, *, limit: int) -> None:
        got.append((index, word, limit))

    sampler()(search, "books", limit=3, inputs=iter("abc"), order="given")
    warmed_up = [("books", word, 3) for word in "ab"]
    measured = [("books", word, 3) for word in "abca"]
    assert warmed_up + measured == got


@pytest.mark.parametrize("plan", [BARE, BRACKETED], ids=["bare", "bracketed"])
@pytest.mark.parametrize("how", [{}, {"check": lambda answer: None}, {"failures": (KeyError,)}])
def test_inputs_go_on_from_one_look_at_the_evidence_to_the_next(
    plan: Plan, how: dict[str, Any]
) -> None:
    got: list[int] = []
    measure = sampler(plan=plan, p95="10s", p99="10s")
    sample = measure(got.append, inputs=range(3), order="given", **how)
    assert got[-sample.n :] == [at % 3 for at in range(sample.n)]
    assert sample.n == 20


def inputs_of_calls(inputs: Iterable[Any], plan: Plan, **how: Any) -> list[Any]:
    """Return the inputs that were measured, in the order of the calls."""
    got: list[Any] = []
    sample = sampler(plan=plan)(got.append, inputs=inputs, **how)
    return got[-sample.n :]


THIRTY: Final = Plan(warmup=0, samples=30)
LONG: Final = Plan(attribution=False)


def test_inputs_are_shuffled_each_time_they_start_over() -> None:
    got = inputs_of_calls(range(10), THIRTY)
    passes = [got[:10], got[10:20], got[20:]]
    assert [sorted(each) for each in passes] == [[*range(10)]] * 3
    assert len({tuple(each) for each in [*passes, range(10)]}) == 4


def test_the_order_of_inputs_is_that_of_every_run_whatever_a_test_seeds() -> None:
    random.seed(5)
    first = inputs_of_calls(range(10), THIRTY)
    random.seed(6)
    assert inputs_of_calls(range(10), THIRTY) == first


def test_the_shared_generator_of_random_numbers_is_left_alone() -> None:
    state = random.getstate()
    inputs_of_calls(range(10), THIRTY)
    assert random.getstate() == state


def test_the_warm_up_begins_with_the_inputs_with_which_measuring_begins() -> None:
    got: list[int] = []
    sampler(plan=Plan(warmup=4, samples=4))(got.append, inputs=range(100))
    assert got[:4] == got[4:]


def test_an_iterator_that_does_not_end_keeps_its_order_and_repeats_nothing() -> None:
    got: list[int] = []
    sample = sampler(plan=Plan(warmup=5, samples=30))(got.append, inputs=itertools.count())
    assert (got, sample.n) == ([*range(35)], 30)


def test_an_iterator_of_more_inputs_than_are_taken_before_measuring_starts_over() -> None:
    most = ITERATOR_LIMIT
    plan = Plan(warmup=0, samples=most + 3, time_limit_ns=60_000 * MS)
    got = inputs_of_calls(iter(range(most + 1)), plan)
    assert got == [*range(most + 1), 0, 1]


@pytest.mark.parametrize("how", [{"failures": (KeyError,)}, {"finish": str}])
def test_an_iterator_that_does_not_end_can_be_wrapped(how: dict[str, Any]) -> None:
    assert inputs_of_calls(itertools.count(), THIRTY, **how) == [*range(30)]


def test_an_argument_called_order_is_one_of_the_function_if_there_are_no_inputs() -> None:
    assert sampler()(dict, order="C").answer == {"order": "C"}


def test_a_pass_has_called_each_input_if_they_fit_into_the_time() -> None:
    clock = ManualClock()
    got: list[int] = []

    def work(number: int) -> None:
        got.append(number)
        clock.advance(MS)

    sample = sampler(clock, LONG, p95="2ms")(work, inputs=range(500))
    assert (sample.within, set(got), sample.n) == (True, {*range(500)}, 500)
    assert sample.measurement.advice == ()


def test_inputs_after_which_a_pass_would_have_ended_can_show_that_the_limit_is_exceeded() -> None:
    clock = ManualClock()

    def work(ms: int) -> None:
        clock.advance(ms * MS)

    sample = sampler(clock, LONG, p95="15ms")(work, inputs=[1] * 100 + [40] * 100)
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.EXCEEDED


def test_failed_calls_have_called_their_inputs() -> None:
    clock = ManualClock()

    def work(number: int) -> None:
        clock.advance(MS)
        if number % 2:
            raise KeyError

    measure = sampler(clock, LONG, p95="2ms", errors="90%")
    sample = measure(work, inputs=range(400), failures=(KeyError,))
    assert (sample.within, sample.n + sample.failed) == (True, 400)


def test_inputs_that_do_not_fit_into_the_time_are_a_random_draw_and_counted() -> None:
    clock = ManualClock()
    measure = sampler(clock, LONG, p95="200ms")
    sample = measure(lambda _: clock.advance(100 * MS), inputs=range(1000))
    assert (sample.within, sample.n) == (True, 72)
    assert [advice_text(each) for each in sample.measurement.advice] == [
        "72 of 1000 inputs called: the others did not fit into the time or max_samples; raise "
        "time_limit, --latency-time or max_samples, or pass fewer inputs (some-inputs)"
    ]


@pytest.mark.parametrize("order", [{}, {"order": "shuffled"}])
def test_inputs_that_keep_their_order_unasked_say_so(order: dict[str, Any]) -> None:
    clock = ManualClock()
    measure = sampler(clock, LONG, p95="200ms")
    sample = measure(lambda _: clock.advance(MS), inputs=itertools.count(), **order)
    assert [advice_text(each) for each in sample.measurement.advice] == [
        "inputs= gave more than 10000 inputs, so they kept their order: if slow ones come "
        'together, a sample may miss them; pass a list, or say that it is meant with order="given"'
        " (inputs-in-order)"
    ]


def test_inputs_whose_order_is_meant_say_nothing() -> None:
    clock = ManualClock()
    measure = sampler(clock, LONG, p95="200ms")
    sample = measure(lambda _: clock.advance(MS), inputs=itertools.count(), order="given")
    assert sample.measurement.advice == ()


def test_coroutines_get_inputs_too() -> None:
    got: list[int] = []

    async def fetch(number: int) -> None:
        got.append(number)

    async def test() -> None:
        await sampler()(fetch, inputs=(7, 8, 9), order="given")

    asyncio.run(test())
    assert got == [7, 8, 7, 8, 9, 7]


def test_what_gives_something_to_await_gets_its_first_input_once_more() -> None:
    got: list[int] = []

    async def fetch(number: int) -> None:
        got.append(number)

    async def test() -> None:
        await sampler()(lambda number: fetch(number=number), inputs=(7, 8, 9), order="given")

    asyncio.run(test())
    assert got == [7, 7, 8, 7, 8, 9, 7]


def test_making_and_picking_inputs_takes_no_time_of_an_observation() -> None:
    clock = ManualClock()

    def slow_to_make() -> Iterator[int]:
        for number in range(10):
            clock.advance(50 * MS)
            yield number

    sample = sampler(clock)(clock.advance, inputs=slow_to_make(), order="given")
    assert sample.observations.wall_ns.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("inputs", "order", "message"),
    [
        ([], "given", "inputs= is empty: sample(function, inputs=...) needs at least one"),
        (
            "abc",
            "given",
            "inputs='abc' is not a list of inputs: write sample(function, inputs=[...])",
        ),
        (5, "given", "inputs=5 is not a list of inputs: write sample(function, inputs=[...])"),
        (
            range(1_000_001),
            "given",
            "inputs= has more than 1000000 inputs: pass some of them, or an iterator",
        ),
        ([1], "random", 'order=\'random\' is unknown: must be "shuffled" or "given"'),
        ([1], None, 'order=None is unknown: must be "shuffled" or "given"'),
    ],
)
def test_invalid_inputs_are_refused_before_any_call(inputs: Any, order: Any, message: str) -> None:
    measure, calls = sampler(), list[Any]()
    with pytest.raises(LatencyError) as refused:
        measure(calls.append, inputs=inputs, order=order)
    assert str(refused.value) == message
    assert (calls, measure.unfinished) == ([], {})


def test_a_keyword_of_the_function_called_inputs_goes_through_partial() -> None:
    def add(*, inputs: list[int]) -> int:
        return sum(inputs)

    assert sampler()(functools.partial(add, inputs=[1, 2])).answer == 3


# --- a clock that stands still --------------------------------------------------------------------


def test_a_clock_that_stands_still_is_an_error_if_there_was_work() -> None:
    def spin() -> None:
        until = time.thread_time_ns() + 15 * MS
        while time.thread_time_ns() < until:
            pass

    with pytest.raises(LatencyError) as refused:
        sampler(lambda: 5, p50="1s")(spin)
    assert re.fullmatch(
        r"the clock stood still: \d+ calls took no time, and \d+ ms of CPU time: "
        "something has replaced it",
        str(refused.value),
    )


def test_a_clock_that_stands_still_is_none_if_there_was_no_work() -> None:
    assert sampler(lambda: 5)(int).n == 4


# --- rounds with a setup --------------------------------------------------------------------------


def test_each_round_begins_with_what_its_setup_returned() -> None:
    made = itertools.count()
    measure = sampler()
    rounds = []
    for prepared in measure.rounds(setup=lambda: f"rows {next(made)}"):
        rounds.append(prepared)
        with measure.observe():
            pass
    assert rounds == [f"rows {number}" for number in range(6)]
    assert measure.samples[0].measurement.warmup_ns
    assert measure.samples[0].n == 4


def test_rounds_without_a_setup_have_their_numbers() -> None:
    measure = sampler()
    rounds = []
    for number in measure.rounds():
        rounds.append(number)
        with measure.observe():
            pass
    assert rounds == [0, 1, 2, 3, 4, 5]


def test_a_setup_takes_no_time_of_an_observation() -> None:
    clock = ManualClock()
    measure = sampler(clock)
    for _ in measure.rounds(setup=lambda: clock.advance(70 * MS)):
        with measure.observe():
            clock.advance(2 * MS)
    assert measure.samples[0].observations.wall_ns.tolist() == [2 * MS] * 4


def test_a_setup_cannot_observe() -> None:
    measure = sampler()
    with pytest.raises(LatencyError) as refused:
        next(iter(measure.rounds(setup=measure.observe)))
    assert str(refused.value) == ("call sample.observe() inside `for _ in sample.rounds():`")


async def prepare() -> None:
    """Never called."""


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (
            [1, 2],
            "setup=[1, 2] is not callable: pass the function itself, "
            "as in sample.rounds(setup=prepare)",
        ),
        (
            prepare,
            "setup=prepare is a coroutine function, which sample.rounds() cannot await: "
            "await it in the loop, before `with sample.observe():`",
        ),
    ],
)
def test_a_setup_that_cannot_be_called_is_refused(setup: Any, message: str) -> None:
    measure = sampler()
    with pytest.raises(LatencyError) as refused:
        measure.rounds(setup=setup)
    assert str(refused.value) == message
    assert measure.unfinished == {}
