"""Bursts, open loops, rounds and pairs: exact on a manual clock, counted with real threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import partial
from random import Random
from typing import Any
from unittest.mock import AsyncMock, MagicMock
from xmlrpc.client import ServerProxy

import numpy as np
import pytest
from flask import Response

from pytest_hancock_latency import (
    DurationError,
    LatencyError,
    LoadSample,
    ManualClock,
    Sample,
    Sampler,
    Warmup,
)
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.measuring import takers
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Load
from pytest_hancock_latency.measuring.shapes import threads
from pytest_hancock_latency.measuring.shapes.finished_load import judge_open_loop
from pytest_hancock_latency.measuring.shapes.open_loop import Callers, Schedule, at_rate
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode
from pytest_hancock_latency.reporting.advice import advice_words

MS = 1_000_000
S = 1_000 * MS
BARE = Plan(warmup=2, samples=1, attribution=False)


def sampler(clock: Callable[[], int] | None = None, plan: Plan = BARE, **limits: Any) -> Sampler:
    budget = parse_terms(limits).budget() if limits else None
    gate = ItemSettings("test_it.py::test", Mode.GATE, plan, budget, strict=False, gates=1)
    return Sampler(gate, clock) if clock else Sampler(gate)


# --- bursts ------------------------------------------------------------------------------------


def test_a_burst_makes_exactly_the_requests_and_keeps_their_answers_in_order() -> None:
    calls = [lambda n=n: n for n in range(120)]
    sample = sampler().burst(calls, concurrency=24)
    assert sample.answers == tuple(range(120))
    assert sample.n == 120


def test_the_sampler_keeps_a_burst_without_its_answers() -> None:
    measure = sampler()
    burst = measure.burst(lambda: "large", requests=3)
    (kept,) = measure.samples
    assert isinstance(kept, LoadSample)
    assert (burst.answers, kept.answers, kept.n) == (("large",) * 3, (), 3)


def test_a_caller_that_fails_before_the_release_ends_the_burst_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    ready = iter(range(8))

    def taker_for(*args: Any, **options: Any) -> Any:
        if next(ready) == 3:
            raise RuntimeError("no counters")
        return takers.taker_for(*args, **options)

    monkeypatch.setattr(threads, "taker_for", taker_for)
    with pytest.raises(RuntimeError, match="no counters"):
        sampler().burst(made.append, 1, requests=8, concurrency=8)
    assert made == []


def test_a_caller_that_cannot_be_started_leaves_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        threading.Thread.start(thread)
        started.append(thread)

    monkeypatch.setattr(threads._Caller, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        sampler().burst(int, requests=8, concurrency=8)
    for thread in started:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_a_function_is_called_as_often_as_asked() -> None:
    made: list[int] = []
    sampler().burst(made.append, 7, requests=50)
    assert made == [7] * 50


def test_a_burst_releases_its_first_requests_together() -> None:
    together = threading.Barrier(8)
    sample = sampler().burst(lambda: together.wait(timeout=30), requests=8, concurrency=8)
    assert sorted(sample.answers) == list(range(8))


def test_no_caller_of_a_burst_ends_while_another_one_measures() -> None:
    together, callers = threading.Barrier(3), set[threading.Thread]()

    def call(*, is_last: bool) -> list[bool]:
        callers.add(threading.current_thread())
        together.wait(timeout=30)
        if not is_last:
            return []
        others = callers - {threading.current_thread()}
        for other in others:
            other.join(timeout=0.1)
        return [other.is_alive() for other in others]

    calls = [partial(call, is_last=position == 0) for position in range(3)]
    assert sampler().burst(calls, concurrency=3).answers == ([True, True], [], [])


def test_failures_of_a_burst_are_counted_by_class_and_are_no_quick_answers() -> None:
    def answer(number: int) -> int:
        if number % 3 == 0:
            raise ConnectionError("refused")
        return 429 if number % 3 == 1 else 200

    calls = [lambda n=n: answer(n) for n in range(30)]
    sample = sampler().burst(calls, check=lambda status: status == 200)
    assert sample.failures == {"ConnectionError": 10, "check: returned False": 10}
    assert sample.n == 10
    assert Counter(map(type, sample.answers)) == {int: 20, ConnectionError: 10}


def test_a_request_that_timed_out_is_a_failure_and_counts_for_the_time_it_took() -> None:
    class ReadTimeout(Exception):
        """As client libraries have it."""

    clock = ManualClock()

    def times_out() -> None:
        clock.advance(5 * S)
        raise ReadTimeout

    sample = sampler(clock).burst(times_out, requests=3, concurrency=1)
    assert sample.failures == {"ReadTimeout": 3}
    assert sample.observations.wall_ns.tolist() == [5 * S] * 3
    assert sample.observations.timed_out is not None
    assert sample.observations.timed_out.tolist() == [True] * 3


def test_a_slow_burst_is_exceeded_however_short() -> None:
    sample = sampler(p50=1, p95=2).burst(time.sleep, 0.01, requests=200, concurrency=20)
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.EXCEEDED


def test_what_goes_wrong_outside_the_requests_reaches_the_test() -> None:
    def check(answer: object) -> bool:
        raise KeyError("a mistake in the check")

    with pytest.raises(KeyError, match="a mistake in the check"):
        sampler().burst(int, requests=4, check=check)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((int,), {}, "burst(function) needs requests=, a whole number of at least 1"),
        ((int,), {"requests": 0}, "burst(function) needs requests=, a whole number of at least 1"),
        (([],), {}, "burst() has nothing to call: the iterable is empty"),
        (([int], 3), {}, "burst(calls) takes neither requests= nor arguments for the calls"),
    ],
)
def test_a_burst_without_requests_is_refused(
    arguments: tuple[Any, ...], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(LatencyError) as refused:
        sampler().burst(*arguments, **keywords)
    assert str(refused.value) == message


# --- the open loop -----------------------------------------------------------------------------


class FreezingServer:
    """Answers one request after another in 1 ms, but freezes for 2 s after 5 s."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def __call__(self) -> None:
        if 5 * S <= self._clock() < 7 * S:
            self._clock.advance(7 * S - self._clock())
        self._clock.advance(1 * MS)


def test_a_frozen_server_is_seen_from_the_intended_starts_exactly() -> None:
    clock = ManualClock()
    server = FreezingServer(clock)
    starts = Schedule.of(100, "10s", "constant").starts()
    callers = Callers(1, clock, clock.advance)
    finished = at_rate(Load([server] * len(starts)), starts, callers, BARE)
    sample = judge_open_loop(finished, 100, lambda name, most, window: None)

    expected, free = [], 0
    for start in starts:
        begin = max(start, free)
        begin = 7 * S if 5 * S <= begin < 7 * S else begin
        free = begin + 1 * MS
        expected.append(free - start)
    assert sample.observations.wall_ns.tolist() == expected
    assert sample.quantile_ms("p99") == pytest.approx(1910, abs=1)
    assert sample.uncorrected.quantile_ms("p99") == 1.0
    assert sample.uncorrected.max_ms == 2001.0


def saturation(sample: Sample) -> list[str]:
    """Advice about the load alone: the machine may deserve some as well."""
    return [advice_words(a) for a in sample.measurement.advice if a.kind == "saturated"]


def test_a_server_that_cannot_keep_up_is_reported_as_saturated() -> None:
    clock = ManualClock()
    starts = Schedule.of(100, "2s", "constant").starts()
    load = Load([lambda: clock.advance(20 * MS)] * len(starts))
    finished = at_rate(load, starts, Callers(1, clock, clock.advance), BARE)
    sample = judge_open_loop(finished, 100, lambda name, most, window: None)
    assert sample.measurement.send_lag_ns == 1970 * MS
    assert saturation(sample) == [
        "saturated: all 1 callers were busy when requests were due (p99 send lag 1.97 s); "
        "the server is too slow for 100 requests/s, or concurrency= is too low"
    ]


def test_a_schedule_that_is_kept_is_not_called_saturated() -> None:
    clock = ManualClock()
    starts = Schedule.of(100, "2s", "constant").starts()
    load = Load([lambda: clock.advance(1 * MS)] * len(starts))
    finished = at_rate(load, starts, Callers(1, clock, clock.advance), BARE)
    sample = judge_open_loop(finished, 100, lambda name, most, window: None)
    assert sample.measurement.send_lag_ns == 0
    assert saturation(sample) == []


def test_constant_arrivals_are_equally_far_apart() -> None:
    assert Schedule.of(200, "20ms", "constant").starts() == [0, 5 * MS, 10 * MS, 15 * MS]


def test_poisson_arrivals_have_the_rate_and_gaps_that_vary_as_much_as_their_mean() -> None:
    starts = Schedule.of(1000, "20s", "poisson").starts()
    gaps = np.diff([0, *starts])
    assert len(starts) == 20_000
    assert np.mean(gaps) == pytest.approx(MS, rel=0.03)
    assert np.std(gaps) == pytest.approx(MS, rel=0.03)
    assert starts == Schedule.of(1000, "20s", "poisson").starts()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"per_second": 5, "arrivals": "rare"},
            "unknown arrivals 'rare': must be constant or poisson",
        ),
        ({"per_second": "5"}, "per_second='5' is not a number"),
        ({"per_second": 0}, "0/s for 10 s must be between 1 and 1000000 requests"),
        ({"per_second": 10**6}, "1000000/s for 10 s must be between 1 and 1000000 requests"),
    ],
)
def test_an_invalid_rate_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(LatencyError) as refused:
        sampler().at_rate(int, **keywords)
    assert str(refused.value) == message


def test_an_invalid_duration_is_refused() -> None:
    with pytest.raises(DurationError):
        sampler().at_rate(int, per_second=5, duration="soon")


def test_an_open_loop_with_real_threads_makes_every_request() -> None:
    made: list[int] = []
    sample = sampler().at_rate(made.append, 1, per_second=200, duration="500ms")
    assert len(made) == sample.n == len(sample.answers) == 100
    assert (sample.observations.wall_ns >= 0).all()


# --- coroutines --------------------------------------------------------------------------------


def test_a_coroutine_function_is_awaited_in_the_running_loop() -> None:
    loops = set()

    async def fetch(value: int) -> int:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return value

    async def test() -> Sample:
        loops.add(asyncio.get_running_loop())
        return await sampler(p50=500)(fetch, 3, check=lambda answer: answer == 3)

    sample = asyncio.run(test())
    assert (sample.n, sample.within, len(loops)) == (6, True, 1)


def test_coroutines_are_released_together_and_answer_in_order() -> None:
    together = asyncio.Barrier(10)

    async def fetch(number: int) -> int:
        await asyncio.wait_for(together.wait(), timeout=30)
        return number

    async def test() -> Sample:
        calls = [lambda n=n: fetch(n) for n in range(10)]
        named = [_coroutine(call) for call in calls]
        sample: Sample = await sampler().burst(named, concurrency=10)
        return sample

    assert asyncio.run(test()).answers == tuple(range(10))


def _coroutine(call: Callable[[], Any]) -> Callable[[], Any]:
    async def awaited() -> Any:
        return await call()

    return awaited


def test_coroutines_start_on_schedule_whether_earlier_ones_are_answered_or_not() -> None:
    waiting, most = 0, 0

    async def slow() -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.2)
        waiting -= 1

    async def test() -> Sample:
        sample: Sample = await sampler().at_rate(slow, per_second=100, duration="200ms")
        return sample

    sample = asyncio.run(test())
    assert sample.n == 20
    assert most > 5


def test_failures_of_coroutines_are_counted_by_class() -> None:
    async def refused() -> None:
        raise ConnectionError

    async def test() -> Sample:
        sample: Sample = await sampler().burst(refused, requests=5)
        return sample

    assert asyncio.run(test()).failures == {"ConnectionError": 5}


def test_coroutines_need_an_asyncio_loop_for_a_burst() -> None:
    async def fetch() -> None:
        """Never called."""

    awaiting = sampler().burst(fetch, requests=2)
    with pytest.raises(LatencyError) as refused:
        awaiting.send(None)
    assert str(refused.value) == "bursts and rates of coroutines need a running asyncio event loop"


# --- rounds ------------------------------------------------------------------------------------


def test_only_the_observed_block_of_a_round_is_timed() -> None:
    clock = ManualClock()
    sample = sampler(clock, p50=10)
    for _ in sample.rounds():
        clock.advance(70 * MS)
        with sample.observe():
            clock.advance(2 * MS)
        clock.advance(70 * MS)
    measured = sample.samples[0]
    assert measured.observations.wall_ns.tolist() == [2 * MS] * 6
    assert measured.measurement.warmup_ns == (2 * MS, 2 * MS)
    assert measured.within


def test_what_a_block_raises_is_raised() -> None:
    def test() -> None:
        sample = sampler(ManualClock(), p50=10)
        for _ in sample.rounds():
            with sample.observe():
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        test()


@pytest.mark.parametrize("times", [0, 2])
def test_a_round_times_exactly_one_block(times: int) -> None:
    clock = ManualClock()
    sample = sampler(clock, p50=10)

    def test() -> None:
        for _ in sample.rounds():
            for _ in range(times):
                with sample.observe():
                    clock.advance(MS)

    with pytest.raises(LatencyError) as refused:
        test()
    assert str(refused.value) == (
        f"a round timed {times} blocks: use `with sample.observe():` exactly once in each round"
    )


def test_a_block_outside_of_rounds_is_refused() -> None:
    with pytest.raises(LatencyError) as refused:
        sampler().observe()
    assert str(refused.value) == "call sample.observe() inside `for _ in sample.rounds():`"


def test_rounds_that_are_over_have_their_sample() -> None:
    clock = ManualClock()
    rounds = sampler(clock, p50=10).rounds()
    assert rounds.sample is None
    for _ in rounds:
        with rounds.observe():
            clock.advance(2 * MS)
    assert rounds.sample is not None
    assert rounds.sample.p50_ms == 2.0


# --- pairs -------------------------------------------------------------------------------------


def test_a_faster_function_is_shown_to_be_faster_by_what_it_is_and_not_by_more() -> None:
    clock = ManualClock()

    def new() -> None:
        clock.advance(70 * MS)

    def old() -> None:
        clock.advance(100 * MS)

    one, other = sampler(clock).pairs(new, old)
    assert one.faster_than(other)
    assert one.faster_than(other, by="20%")
    assert not one.faster_than(other, by="31%")
    assert not other.faster_than(one)
    assert repr(one.faster_than(other, by="20%")) == (
        "<'new' faster than 'old' by more than 20 %: shown, 0.7× (0.7 to 0.7) in 5 pairs of turns "
        "of one process>"
    )
    assert repr(other.faster_than(one)) == (
        "<'old' faster than 'new': not shown, 1.43× (1.43 to 1.43) in 5 pairs of turns of one "
        "process>"
    )


def test_the_order_within_pairs_is_random_and_the_same_in_every_run() -> None:
    def order() -> list[str]:
        clock, calls, draw = ManualClock(), [], Random(1)
        plan = Plan(warmup=0, samples=1, attribution=False)

        def call(name: str) -> None:
            calls.append(name)
            clock.advance(draw.choice((1, 2)) * MS)

        one, other = partial(call, "one"), partial(call, "other")
        sampler(clock, plan).pairs(one, other, names=("one", "other"))
        return calls

    calls = order()
    turns = [calls[at : at + 6] for at in range(0, len(calls), 6)]
    assert all(len(set(turn)) == 1 for turn in turns)
    names = [turn[0] for turn in turns]
    assert Counter(names) == {"one": 100, "other": 100}
    assert all({a, b} == {"one", "other"} for a, b in zip(names[::2], names[1::2], strict=True))
    assert 35 <= names[::2].count("one") <= 65
    assert calls == order()


def test_functions_that_differ_by_noise_alone_are_measured_until_that_is_known() -> None:
    clock, draw = ManualClock(), Random(1)

    def call() -> None:
        clock.advance(round(MS * draw.uniform(0.99, 1.01)))

    one, other = sampler(clock).pairs(call, call, names=("one", "other"))
    assert 5 <= one.n / 5 <= 20
    assert not one.faster_than(other)
    assert not other.faster_than(one)


def test_pairs_go_on_until_the_difference_in_question_is_decided() -> None:
    clock, draw = ManualClock(), Random(1)

    def call(latency_ms: int) -> None:
        clock.advance(round(MS * latency_ms * draw.uniform(0.9, 1.1)))

    new, old = partial(call, 70), partial(call, 100)
    plain = sampler(clock).pairs(new, old, names=("new", "old"))[0]
    one, other = sampler(clock).pairs(new, old, by="25%", names=("new", "old"))
    assert one.n > plain.n
    assert one.faster_than(other, by="25%")


def test_two_samples_of_one_name_are_refused_in_pairs_too() -> None:
    with pytest.raises(LatencyError) as refused:
        sampler(ManualClock()).pairs(int, float, names=("one", "one"))
    assert str(refused.value) == (
        "sample 'one' was already measured in this test: give each sample its own name=..."
    )


def test_two_lambdas_of_a_pair_are_numbered() -> None:
    pair = sampler().pairs(lambda: 1, lambda: 2, pairs=2)
    assert [sample.name for sample in pair] == ["<lambda> 1", "<lambda> 2"]


def test_coroutine_functions_are_refused_in_pairs() -> None:
    async def fetch() -> None:
        """Never called."""

    with pytest.raises(LatencyError) as refused:
        sampler(ManualClock()).pairs(int, fetch)
    assert str(refused.value) == (
        "sample.pairs() compares functions, and fetch is a coroutine function: "
        "measure each with `await sample(...)`"
    )


# --- answers that have not run yet ----------------------------------------------------------------


NOBODY_AWAITS = (
    "the call returned a coroutine that is never awaited: nothing was measured. "
    "Write `await sample(...)` in an async test; "
    "bursts and rates need a function declared with `async def`"
)
SHAPES = {
    "one after the other": lambda measure, call: measure(call),
    "burst": lambda measure, call: measure.burst([call], check=bool),
    "rate": lambda measure, call: measure.at_rate(call, per_second=100, duration="20ms"),
    "pair": lambda measure, call: measure.pairs(call, int, pairs=2),
}


def naming(shape: str, function: str, message: str) -> str:
    """Return the message with the function's name, which a pair has, since it has two."""
    if shape != "pair":
        return message
    return message.replace("the call", f"the call of {function}", 1)


async def fetch_nothing() -> None:
    """Never awaited where it must not be."""


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_that_gives_a_coroutine_is_refused(shape: str, warmup: int) -> None:
    measure = sampler(plan=Plan(warmup=warmup, samples=1, attribution=False), p50=500)
    with pytest.raises(LatencyError) as refused:
        SHAPES[shape](measure, lambda _=None: fetch_nothing())
    assert str(refused.value) == naming(shape, "<lambda>", NOBODY_AWAITS)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_generator_that_nobody_iterates_is_refused(shape: str) -> None:
    def stream() -> Iterator[int]:
        yield 1

    with pytest.raises(LatencyError) as refused:
        SHAPES[shape](sampler(p50=500), stream)
    assert str(refused.value) == naming(
        shape,
        "stream",
        "the call returned a generator that is never iterated: none of its items were computed. "
        "Give finish=list, which computes them inside the timed window, measure a function that "
        "uses them, or time them with sample.stream(...)",
    )


class Call:
    """Awaitable, but no coroutine, as a call of grpc.aio and a request of aiohttp are."""

    def __init__(self, awaited: list[int]) -> None:
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()
        self._awaited.append(1)


@pytest.mark.parametrize("warmup", [0, 2])
def test_whatever_is_awaitable_is_awaited_in_an_async_test(warmup: int) -> None:
    awaited: list[int] = []
    plan = Plan(warmup=warmup, samples=20, max_samples=20, attribution=False)

    async def test() -> list[Sample]:
        measure = sampler(plan=plan, p50=500)
        return [
            await measure(lambda: Call(awaited), name="an object"),
            await measure(lambda: asyncio.ensure_future(fetch_nothing()), name="a task"),
            await measure(lambda _=None: fetch_nothing(), name="a lambda"),
            await measure(AsyncMock(), name="a mock"),
        ]

    samples = asyncio.run(test())
    assert [sample.verdict.outcome for sample in samples if sample.verdict] == ["within"] * 4
    assert len(awaited) == 1 + warmup + samples[0].n


def test_a_sample_of_something_to_await_is_not_finished_until_it_is_awaited() -> None:
    async def test() -> tuple[str, ...]:
        measure = sampler(p50=500)
        measure(lambda: Call([]), name="forgotten").close()
        return tuple(measure.unfinished)

    assert asyncio.run(test()) == ("forgotten",)


@pytest.mark.parametrize("mock", [MagicMock(), ServerProxy("http://127.0.0.1:1/").echo])
def test_what_has_every_attribute_that_is_asked_for_is_a_function_like_others(mock: Any) -> None:
    refused = (ConnectionError,)
    sample = sampler(p50=500, errors="99%")(mock, failures=refused)
    assert sample.n + sample.failed > 0


@pytest.mark.parametrize(
    ("given", "kind"),
    [("<html>", "a str"), (Response("hello"), "a Response"), (None, "a NoneType")],
    ids=["text", "an answer of Flask's client", "nothing"],
)
def test_the_answer_of_a_function_is_not_a_function(given: Any, kind: str) -> None:
    with pytest.raises(LatencyError) as refused:
        sampler()(given)
    assert str(refused.value) == (
        f"sample() needs a function, not {kind}: pass the function and its arguments, not its "
        "return value, as in sample(client.get, '/health')"
    )


def test_the_fixtures_show_briefly_what_they_are() -> None:
    measure = sampler(p50=500)
    measure(int, name="quick")
    assert repr(measure) == "<sample of test_it.py::test: 'quick'>"
    assert repr(Warmup(measure)) == "<warmup of test_it.py::test>"


# --- exceptions as failures -----------------------------------------------------------------------


def test_an_exception_that_is_named_is_a_failed_request() -> None:
    calls = iter(range(10**9))

    def flaky() -> None:
        if next(calls) % 50 == 7:
            raise ConnectionResetError

    plan = Plan(warmup=0, samples=200, attribution=False)
    sample = sampler(plan=plan, p50=500, errors="10%")(flaky, failures=(ConnectionError,))
    assert sample.verdict is not None
    assert (sample.verdict.outcome, list(sample.failures)) == ("within", ["ConnectionResetError"])


def test_an_exception_that_is_named_is_a_failed_request_of_a_coroutine_too() -> None:
    async def refused() -> None:
        raise ConnectionRefusedError

    async def test() -> Sample:
        measure = sampler(p50=500, errors="10%")
        sample: Sample = await measure(refused, failures=(ConnectionError,))
        return sample

    sample = asyncio.run(test())
    assert sample.verdict is not None
    assert sample.verdict.failures.outcome is Outcome.EXCEEDED


def test_any_other_exception_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        sampler(errors="10%", p50=5)(lambda: 1 / 0, failures=(ConnectionError,))


def test_samples_that_were_not_measured_in_pairs_cannot_be_compared() -> None:
    measure = sampler(ManualClock())
    one, other = measure(int, name="one"), measure(int, name="other")
    with pytest.raises(LatencyError) as refused:
        one.faster_than(other)
    assert str(refused.value) == (
        "'one' and 'other' were not measured in pairs: use sample.pairs(one, other)"
    )
