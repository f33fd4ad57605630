"""Warming up, on a clock that moves by hand."""

from __future__ import annotations

import asyncio

import pytest

from pytest_hancock_latency import ManualClock, Sample, Sampler
from pytest_hancock_latency.core.warmup import MOST_CALLS, UNTIL_STEADY, Warmup, WarmupRule
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.warming import warm_up
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode

MS = 1_000_000


class Service:
    """Takes 9 ms for its first ten calls, then 1 ms."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.clock.advance(9 * MS if self.calls <= 10 else MS)

    async def fetch(self) -> None:
        self()

    def sampler(self, warmup: Warmup) -> Sampler:
        plan = Plan(warmup=warmup, samples=3, attribution=False)
        gate = ItemSettings("test_it.py::test", Mode.GATE, plan, None, strict=False, gates=1)
        return Sampler(gate, self.clock)


def of_a_function(service: Service, warmup: Warmup) -> Sample:
    return service.sampler(warmup)(service)


def of_a_coroutine(service: Service, warmup: Warmup) -> Sample:
    async def test() -> Sample:
        return await service.sampler(warmup)(service.fetch)

    return asyncio.run(test())


def of_rounds(service: Service, warmup: Warmup) -> Sample:
    sampler = service.sampler(warmup)
    for number in sampler.rounds():
        assert number == service.calls
        with sampler.observe():
            service()
    return sampler.samples[0]


SHAPES = pytest.mark.parametrize("measured", [of_a_function, of_a_coroutine, of_rounds])
SLOW, QUICK = (9 * MS,) * 10, (MS,) * 10
WARMUPS = [
    (0, ()),
    (3, SLOW[:3]),
    (WarmupRule(100 * MS), SLOW + QUICK),
    (WarmupRule(1), SLOW[:1]),
    (UNTIL_STEADY, SLOW + QUICK + QUICK),
]


@SHAPES
@pytest.mark.parametrize(("warmup", "latencies_ns"), WARMUPS)
def test_every_shape_of_one_caller_warms_up_as_planned_and_keeps_it(
    measured: object, warmup: Warmup, latencies_ns: tuple[int, ...]
) -> None:
    assert callable(measured)
    sample = measured(Service(), warmup)
    assert latencies_ns == sample.measurement.warmup_ns
    assert sample.n == 3


def test_both_functions_of_a_pair_are_warmed_up() -> None:
    service = Service()
    one, other = service.sampler(UNTIL_STEADY).pairs(service, service, pairs=2)
    assert one.measurement.warmup_ns == SLOW + QUICK + QUICK
    assert other.measurement.warmup_ns == QUICK + QUICK


def test_of_a_long_warm_up_the_last_calls_are_kept() -> None:
    service = Service()
    latencies_ns = warm_up(Request(service), 3 * MOST_CALLS, service.clock)
    assert (service.calls, latencies_ns) == (3 * MOST_CALLS, (MS,) * MOST_CALLS)
