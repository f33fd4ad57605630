"""Repeated bursts: how many are made, what happens between them, and the sample of all of them.

On a manual clock that one caller advances, so that times are exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pytest_hancock_latency import LatencyError, LoadSample, ManualClock, Sampler, judge
from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import TestRun, record_of
from pytest_hancock_latency.core.sample import Burst
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode
from tests.measuring.shapes.listening import Duel, Watcher

MS = 1_000_000
S = 1_000 * MS
BARE = Plan(samples=1, attribution=False)


class Service:
    """A service on a manual clock, with a limit of calls that `reset` renews."""

    def __init__(self, *, takes_ms: int = 1, reset_takes_ms: int = 10) -> None:
        self.clock = ManualClock()
        self.takes_ms, self.reset_takes_ms = takes_ms, reset_takes_ms
        self.events: list[str] = []

    def call(self) -> int:
        self.clock.advance(self.takes_ms * MS)
        self.events.append("call")
        return self.events.count("call")

    async def fetch(self) -> int:
        return self.call()

    def reset(self) -> None:
        self.clock.advance(self.reset_takes_ms * MS)
        self.events.append("reset")

    async def reset_awaited(self) -> None:
        self.reset()

    def sampler(self, plan: Plan = BARE, mode: Mode = Mode.GATE, **terms: Any) -> Sampler:
        budget = parse_terms(terms).budget() if terms else None
        settings = ItemSettings("test_it.py::test", mode, plan, budget, strict=False, gates=1)
        return Sampler(settings, self.clock, watcher=Watcher())


def bursts_of(sampler: Sampler, service: Service, requests: int = 3, **options: Any) -> LoadSample:
    """Bursts of one caller."""
    return sampler.burst(service.call, requests=requests, concurrency=1, **options)


def warned(sampler: Sampler) -> list[Advice]:
    assert isinstance(sampler.watcher, Watcher)
    return sampler.watcher.warned


# --- how many ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "repeat", "made"),
    [
        ({}, 4, 4),
        ({}, "decided", 1),
        ({"p50": 10}, 4, 4),
        ({"p50": 10}, 20, 20),
        ({"p50": 10}, "decided", 6),
        ({"p50": 10, "p95": 10}, "decided", 72),
        ({"p95": 0.5}, 20, 7),
        ({"p95": 0.5}, "decided", 7),
        ({"max": 0.5}, 20, 1),
        ({"max": 10}, 20, 20),
        ({"max": 10}, "decided", 1),
    ],
)
def test_bursts_are_made_as_often_as_asked_or_until_the_verdict(
    terms: dict[str, float], repeat: object, made: int
) -> None:
    service = Service()
    sample = bursts_of(service.sampler(**terms), service, repeat=repeat)
    assert made == service.events.count("call") / 3
    assert sample.n == 3 * made


@pytest.mark.parametrize("options", [{}, {"repeat": 1}, {"before": len}], ids=str)
def test_a_single_burst_is_judged_by_its_requests(options: dict[str, Any]) -> None:
    service = Service()
    options = {key: (lambda: None) if key == "before" else o for key, o in options.items()}
    sample = bursts_of(service.sampler(p50=10), service, 6, **options)
    assert sample.verdict is not None
    assert [part.bursts for part in sample.verdict.limits] == [None]
    assert (sample.bursts, sample.measurement.loop) == ((), "burst")


@pytest.mark.parametrize("repeat", [5, "decided"])
def test_a_switched_off_plugin_makes_one_burst(repeat: object) -> None:
    service = Service()
    sampler = service.sampler(mode=Mode.OFF)
    assert bursts_of(sampler, service, repeat=repeat, before=service.reset).answers == (1, 2, 3)
    assert service.events == ["reset", "call", "call", "call"]


def test_the_maximum_number_of_requests_ends_bursts_without_a_verdict() -> None:
    service = Service()
    sampler = service.sampler(replace(BARE, max_samples=100), p95=10)
    sample = bursts_of(sampler, service, repeat="decided")
    assert sample.n == 99
    expected = Advice.of("cap-samples", limit="p95", needed=72, max_samples=100, requests=3)
    assert warned(sampler) == [expected]
    assert sample.measurement.advice == (expected,)


def test_a_burst_larger_than_the_maximum_is_made_once() -> None:
    service = Service()
    sampler = service.sampler(replace(BARE, max_samples=2), p95=10)
    assert bursts_of(sampler, service, repeat="decided").n == 3


def test_too_few_bursts_are_announced_before_the_first_one() -> None:
    service = Service()
    sampler = service.sampler(p50=10, p95=10)
    before: list[list[Advice]] = []
    sample = bursts_of(
        sampler, service, repeat=20, before=lambda: before.append(list(warned(sampler)))
    )
    expected = Advice.of("few-bursts", limit="p95", needed=72, bursts=20)
    assert before == [[expected]] * 20
    assert sample.measurement.advice == (expected,)


def test_advice_about_too_few_bursts_is_not_kept_if_they_decided() -> None:
    service = Service()
    sampler = service.sampler(p95=0.5)
    sample = bursts_of(sampler, service, repeat=20)
    assert len(warned(sampler)) == 1
    assert sample.measurement.advice == ()


@pytest.mark.parametrize("repeat", [72, "decided"])
def test_nothing_is_announced_where_a_pass_is_possible(repeat: object) -> None:
    service = Service()
    sampler = service.sampler(p95=10)
    bursts_of(sampler, service, repeat=repeat)
    assert warned(sampler) == []


# --- time --------------------------------------------------------------------------------------


def test_a_time_limit_includes_the_time_between_bursts() -> None:
    service = Service(takes_ms=1, reset_takes_ms=97)
    sampler = service.sampler(replace(BARE, time_limit_ns=1 * S), p95=10)
    sample = bursts_of(sampler, service, repeat="decided", before=service.reset)
    assert len(sample.bursts) == 10
    expected = Advice.of(
        "cap-time", limit="p95", needed=72, fitting=10, time_limit_ns=1 * S, requests=3
    )
    assert warned(sampler) == [expected]
    assert sample.measurement.advice == (expected,)


def test_a_number_of_bursts_has_no_time_limit() -> None:
    service = Service(reset_takes_ms=1_000)
    sampler = service.sampler(replace(BARE, time_limit_ns=1 * S), p50=10)
    assert len(bursts_of(sampler, service, repeat=20, before=service.reset).bursts) == 20


def test_an_automatic_limit_is_the_time_that_a_pass_takes() -> None:
    service = Service(reset_takes_ms=197)
    sampler = service.sampler(p95=10)
    sample = bursts_of(sampler, service, repeat="decided", before=service.reset)
    assert sample.within
    assert len(sample.bursts) == 72
    assert warned(sampler) == [
        Advice.of("takes-long", limit="p95", needed=72, interval_ns=200 * MS, requests=3)
    ]
    assert sample.measurement.advice == ()


def test_an_automatic_limit_is_charged_to_the_time_of_the_session() -> None:
    service = Service(reset_takes_ms=197)
    sampler = service.sampler(p95=10)
    left_ns = sampler.shared_time.left_ns
    bursts_of(sampler, service, repeat="decided", before=service.reset)
    assert left_ns - sampler.shared_time.left_ns == 72 * 200 * MS - 5 * S


@pytest.mark.parametrize(
    ("left_s", "expected"), [(60, (Outcome.EXCEEDED, 39)), (1, (Outcome.INCONCLUSIVE, 13))]
)
def test_bursts_that_will_show_exceeded_get_the_longest_time(
    left_s: int, expected: tuple[Outcome, int]
) -> None:
    service = Service(reset_takes_ms=243)
    calls = iter(([20] * 7 + [5] * 3) * 1_000)

    def call() -> None:
        service.clock.advance(next(calls) * MS)

    sampler = service.sampler(p50=10)
    sampler.shared_time.left_ns = left_s * S
    sample = sampler.burst(call, requests=10, concurrency=1, repeat="decided", before=service.reset)
    assert sample.verdict is not None
    assert (sample.verdict.outcome, len(sample.bursts)) == expected


def test_the_time_between_bursts_is_not_part_of_the_sample() -> None:
    service = Service(takes_ms=5, reset_takes_ms=1_000)
    sampler = service.sampler()
    times = iter([100.0, 150.0])
    sampler.wall_clock = lambda: next(times)
    sample = bursts_of(sampler, service, 2, repeat=3, before=service.reset)
    assert sample.bursts == (Burst(2, 0, 10 * MS),) * 3
    assert sample.measurement.elapsed_ns == 30 * MS
    assert sample.observations.start_ns.tolist() == [0, 5 * MS, 10 * MS, 15 * MS, 20 * MS, 25 * MS]
    assert (sample.measurement.started_unix_s, sample.measurement.ended_unix_s) == (100.0, 150.0)


def test_progress_is_shown_between_bursts() -> None:
    service = Service(takes_ms=100)
    sampler = service.sampler(p50=500)
    bursts_of(sampler, service, repeat="decided")
    assert isinstance(sampler.watcher, Watcher)
    shown = [
        (len(progress.observations), progress.elapsed_ns) for progress in sampler.watcher.shown
    ]
    assert shown == [(3 * at, 300 * at * MS) for at in range(1, 7)]
    assert sampler.watcher.ended == 1


# --- between bursts ----------------------------------------------------------------------------


def test_before_is_called_before_each_burst_and_the_answers_are_in_order() -> None:
    service = Service()
    sample = bursts_of(service.sampler(), service, 2, repeat=3, before=service.reset)
    assert service.events == ["reset", "call", "call"] * 3
    assert sample.answers == (1, 2, 3, 4, 5, 6)


def test_an_exception_of_before_is_raised() -> None:
    service = Service()
    sampler = service.sampler(p50=10)
    with pytest.raises(ZeroDivisionError):
        bursts_of(sampler, service, repeat=3, before=lambda: 1 / 0)
    assert service.events == []
    assert isinstance(sampler.watcher, Watcher)
    assert sampler.watcher.ended == 1


@pytest.mark.parametrize("name", ["reset", "reset_awaited"])
def test_bursts_of_coroutines_await_before_if_they_can(name: str) -> None:
    service = Service()
    before: Callable[[], object] = getattr(service, name)
    sampler = service.sampler(p50=10)
    sample = asyncio.run(
        sampler.burst(service.fetch, requests=2, concurrency=1, repeat="decided", before=before)
    )
    assert service.events == ["reset", "call", "call"] * 6
    assert (len(sample.bursts), sample.answers) == (6, tuple(range(1, 13)))
    assert sample.within


def test_one_burst_of_coroutines_has_a_before_as_well() -> None:
    service = Service()
    burst = service.sampler().burst(service.fetch, requests=2, before=service.reset_awaited)
    assert asyncio.run(burst).answers == (1, 2)
    assert service.events == ["reset", "call", "call"]


def test_options_take_the_keywords_of_repeated_bursts() -> None:
    service = Service()
    options = service.sampler().options(requests=2, concurrency=1, repeat=2, before=service.reset)
    assert options.burst(service.call).answers == (1, 2, 3, 4)


def test_failures_of_all_bursts_are_counted_together() -> None:
    service = Service()

    def call() -> None:
        if service.call() % 3 == 0:
            raise KeyError

    sampler = service.sampler(p50=10, errors="50%")
    sample = sampler.burst(call, requests=3, concurrency=1, repeat=6)
    assert sample.failures == {"KeyError": 6}
    assert sample.bursts == (Burst(2, 1, 3 * MS),) * 6
    assert sample.within


# --- invalid arguments -------------------------------------------------------------------------


async def reset() -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(
            (
                {"repeat": repeat},
                f"burst(repeat={repeat!r}): repeat must be a whole number of at least 1, "
                'or "decided"',
            )
            for repeat in (0, -3, True, 2.0, "20", "Decided", None, [])
        ),
        (
            {"before": 3},
            "burst(before=3): before is not callable: pass the function itself, as in "
            "before=limiter.reset",
        ),
        (
            {"before": reset, "repeat": 2},
            "burst(before=reset): before is a coroutine function, which only "
            "`await sample.burst(...)` of a coroutine function can await",
        ),
        (
            {"before": lambda: Service().reset_awaited()},
            "burst(before=...): it returned a coroutine that is never awaited; only "
            "`await sample.burst(...)` of a coroutine function can await it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_arguments_are_reported_before_measuring(
    options: dict[str, Any], message: str
) -> None:
    service = Service()
    with pytest.raises(LatencyError) as refused:
        bursts_of(service.sampler(p95=10), service, **options)
    assert message == str(refused.value)
    assert service.events == []


# --- judged again ------------------------------------------------------------------------------


def test_a_sample_of_bursts_is_judged_by_another_budget_by_its_bursts() -> None:
    service = Service()
    sample = bursts_of(service.sampler(), service, repeat=6)
    again = judge(sample, {"p50": 10, "p95": 10}).verdict
    assert again is not None
    assert [(part.outcome, part.bursts) for part in again.limits] == [
        (Outcome.WITHIN, 6),
        (Outcome.INCONCLUSIVE, 6),
    ]


def test_reruns_add_bursts_to_bursts() -> None:
    service = Service()
    earlier, later = service.sampler(p95=10), service.sampler(p95=10)
    bursts_of(earlier, service, repeat=30)
    later.combine_with(earlier.samples)
    sample = bursts_of(later, service, repeat=42)
    assert len(sample.bursts) == 72
    assert sample.within


@pytest.mark.parametrize("repeats", [(1, 3), (3, 1)])
def test_a_rerun_counts_a_single_burst_as_one(repeats: tuple[int, int]) -> None:
    service = Service()
    earlier, later = service.sampler(p95=10), service.sampler(p95=10)
    bursts_of(earlier, service, 100, repeat=repeats[0])
    later.combine_with(earlier.samples)
    sample = bursts_of(later, service, 100, repeat=repeats[1])
    assert sample.verdict is not None
    assert [part.bursts for part in sample.verdict.limits] == [4]
    assert sample.bursts == (Burst(100, 0, 100 * MS),) * 4


def test_reruns_without_a_budget_keep_their_bursts() -> None:
    service = Service()
    earlier, later = service.sampler(), service.sampler()
    bursts_of(earlier, service, repeat=2)
    later.combine_with(earlier.samples)
    sample = bursts_of(later, service, repeat=2)
    assert (len(sample.bursts), sample.verdict) == (4, None)


# --- the record --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [(5, {"p50": (None, None)}), (6, {"p50": (1 * MS, 3 * MS)}), (72, {"p50": (2 * MS, 2 * MS)})],
)
def test_the_bounds_of_a_record_are_those_that_bursts_show(
    repeat: int, expected: dict[str, tuple[int | None, int | None]]
) -> None:
    service = Service()
    calls = iter([1, 2, 3] * repeat)
    sample = service.sampler().burst(
        lambda: service.clock.advance(next(calls) * MS), requests=3, concurrency=1, repeat=repeat
    )
    bounds = record_of(sample, TestRun("test")).bounds_ns
    assert {name: bounds[name] for name in expected} == expected


def test_no_answer_at_all_has_no_bounds() -> None:
    def broken() -> None:
        raise KeyError

    service = Service()
    sample = service.sampler().burst(broken, requests=3, repeat=2)
    assert record_of(sample, TestRun("test")).bounds_ns == {}


def test_an_iterable_of_calls_is_repeated_in_order() -> None:
    service = Service()
    calls = [partial(int, n) for n in range(3)]
    sample = service.sampler().burst(calls, concurrency=1, repeat=2)
    assert sample.answers == (0, 1, 2, 0, 1, 2)


def test_a_duel_makes_one_burst() -> None:
    service = Service()
    sampler = service.sampler(p95=10)
    sampler.duel_test = duel = Duel()
    sample = bursts_of(sampler, service, repeat=20, before=service.reset, name="crowd")
    assert (sample.answers, service.events[0]) == ((1, 2, 3), "reset")
    assert duel.left_out == [("crowd", "a burst")]
