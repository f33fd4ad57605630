"""What tests get: `sample` and `warmup`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ..core.budget import LatencyBudget, Terms
from ..core.judge import Judge, Policy
from ..core.sample import Sample
from ..errors import LatencyError
from ..measuring.clock import Clock, system_clock
from ..measuring.closed_loop import ClosedLoop, Watcher, called_with
from ..measuring.plan import Plan
from ..measuring.taking import BareTaker, Check, Request
from .settings import Mode, Settings

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """What is set for the samples of one test."""

    test: str
    mode: Mode
    plan: Plan
    budget: LatencyBudget | None
    strict: bool
    gates: int
    name: str = ""


def gate_of(test: str, terms: Terms | None, settings: Settings, gates: int) -> Gate:
    """Put the terms of a test over the settings of the session."""
    said = terms or Terms()
    plan = settings.plan
    return Gate(
        test=test,
        mode=settings.mode,
        plan=Plan(
            warmup=plan.warmup if said.warmup is None else said.warmup,
            samples=said.samples or plan.samples,
            max_samples=_at_least(said.max_samples or plan.max_samples, said.samples),
            time_limit_ns=said.time_limit_ns or plan.time_limit_ns,
            attribution=plan.attribution,
        ),
        budget=terms.budget() if terms else None,
        strict=settings.strict if said.strict is None else said.strict,
        gates=gates,
        name=said.name or "",
    )


def _at_least(most: int, least: int | None) -> int:
    """A marker that asks for more observations than the session's greatest number means them."""
    return max(most, least or 0)


@dataclass(eq=False)
class Sampler:
    """The `sample` fixture: measures a request until its budget is decided.

    Used by one test; every named sample of the test is judged by the test's budget.
    """

    gate: Gate
    clock: Clock = system_clock
    watcher: Watcher | None = None
    samples: list[Sample] = field(default_factory=list)
    warmed: list[int] = field(default_factory=list)
    called: bool = False

    def __call__(
        self,
        function: Function,
        /,
        *args: Any,
        name: str = "",
        check: Check | None = None,
        **kwargs: Any,
    ) -> Sample:
        """Call `function(*args, **kwargs)` again and again, one call after the other.

        Warms up, measures until there is a verdict (or a bound of the plan is reached), and returns
        the sample. The test fails at its end if the budget is exceeded, so code after this line
        still runs.

        name: names the sample, where a test has several.
        check: looks at each answer outside the timed window; an answer for which it returns
            something false (but not None) or raises AssertionError is a failure, no observation.

        Raises:
            LatencyError: the name is used already.
            Whatever `function` raises, at once.
        """
        name = name or self.gate.name
        if any(sample.name == name for sample in self.samples):
            raise LatencyError(
                f"sample {name!r} was measured already in this test: give each its own name=..."
            )
        self.called = True
        request = Request(called_with(function, args, kwargs), name, check)
        if self.gate.mode is Mode.OFF:
            return self._once(request)
        return self._measured(request)

    def _measured(self, request: Request) -> Sample:
        warmed = tuple(self.warmed) if self.warmed else None
        self.warmed.clear()
        loop = ClosedLoop(self.gate.plan, self.clock, self.watcher)
        sample = loop.measure(request, self._judge(), warmed)
        self.samples.append(sample)
        return sample

    def _judge(self) -> Judge | None:
        gate = self.gate
        if gate.budget is None:
            return None
        policy = Policy(
            least=gate.plan.samples,
            most=gate.plan.max_samples,
            gates=gate.gates,
            share=_share(len(self.samples)),
        )
        return Judge(gate.budget, policy)

    def _once(self, request: Request) -> Sample:
        """One call, so that the body of the test runs; nothing is judged or kept."""
        taker = BareTaker(self.clock)
        taker.take(Request(request.call), 1, 0)
        return Sample(request.name, taker.observations())


def _share(earlier: int) -> float:
    """Share of the test's chance of a false alarm for its next sample: 1, then 1/6, 1/12, …

    The later ones add at most one half of the chance together, whatever their number.
    """
    return 1.0 if not earlier else 1 / ((earlier + 1) * (earlier + 2))


class Warmup:
    """The `warmup` fixture: warms up by hand; `sample` then adds no calls of its own."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def __call__(self, function: Function, /, *args: Any, times: int = 5, **kwargs: Any) -> None:
        """Call `function(*args, **kwargs)` `times` times; kept in the record, never judged.

        Raises:
            ValueError: `times` is negative.
        """
        if times < 0:
            raise ValueError(f"times={times} is not a whole number from 0 up")
        if self._sampler.gate.mode is Mode.OFF:
            return
        taker = BareTaker(self._sampler.clock)
        request = Request(called_with(function, args, kwargs))
        for _ in range(times):
            taker.take(request, 1, 0)
        self._sampler.warmed.extend(taker.walls)


SAMPLER = pytest.StashKey[Sampler]()
GATE = pytest.StashKey[Gate]()
