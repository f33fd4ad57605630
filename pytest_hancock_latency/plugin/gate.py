"""What is set for the samples of one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from ..core.budget import LatencyBudget, Terms
from ..core.judge import Judge, Policy
from ..measuring.plan import Plan
from .settings import Mode, Settings

RUN_ONCE: Final = Plan(warmup=0, samples=1, max_samples=1, attribution=False)
"""The plan of mode ``off``: every body runs once."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What is set for the samples of one test."""

    test: str
    mode: Mode
    plan: Plan
    budget: LatencyBudget | None
    strict: bool
    gates: int
    """Gates of the build, over which the chance of a false alarm is shared."""
    name: str = ""

    def judge(self, earlier: int, most: int, window_ns: int) -> Judge | None:
        """A judge for the sample after `earlier` ones, of which there are `most` observations."""
        if self.budget is None:
            return None
        policy = Policy(
            least=min(self.plan.samples, max(1, most)),
            most=max(1, most),
            gates=self.gates,
            window_ns=window_ns,
            share=_share(earlier),
        )
        return Judge(self.budget, policy)


def _share(earlier: int) -> float:
    """Share of the test's chance of a false alarm for its next sample: 1, then 1/6, 1/12, …

    The later ones add at most one half of the chance together, whatever their number.
    """
    return 1.0 if not earlier else 1 / ((earlier + 1) * (earlier + 2))


def gate_of(test: str, terms: Terms | None, settings: Settings, gates: int) -> Gate:
    """Put the terms of a test over the settings of the session."""
    said = terms or Terms()
    plan = settings.plan
    if settings.mode is Mode.OFF:
        return Gate(test, settings.mode, RUN_ONCE, None, strict=False, gates=gates)
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


GATE = pytest.StashKey[Gate]()
