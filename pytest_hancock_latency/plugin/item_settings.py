"""The settings for the samples of one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import pytest

from ..core.budget import AUTO_TIME, LatencyBudget, Terms
from ..core.evidence import share_of_sample
from ..judging.sequential import Earlier, Policy, SequentialJudge
from ..judging.stages import JudgeOfStages
from ..measuring.plan import Plan
from ..measuring.tracers import slowness
from .settings import Exclusive, Mode, Settings

_MOST_IN_LEAST_TIME: Final = 2_000_000
"""About 50 MB of observations: two seconds of the fastest possible calls."""
RUN_ONCE: Final = Plan(warmup=0, samples=1, max_samples=1, attribution=False)
"""The plan of mode ``off``: each function runs once."""


@dataclass(frozen=True, slots=True)
class ItemSettings:
    """The settings for the samples of one test."""

    test: str
    mode: Mode
    plan: Plan
    budget: LatencyBudget | None
    strict: bool
    gates: int
    """Number of gates in the build that share the false-alarm probability."""
    alone: bool = False
    """Whether the test is a gate that other workers of pytest-xdist wait for."""
    repeats: bool = True
    """Whether a body that is the request is called again after its first call."""
    name: str = ""
    budget_name: str | None = None
    regression: Fraction | None = None

    @property
    def is_of_one_call(self) -> bool:
        """Whether a body that is the request is called once."""
        return not self.repeats or self.plan.max_samples == 1

    def of_first_call(self) -> ItemSettings:
        """Return the settings for the first call of a body, measured by itself.

        If it is called again after it, its first call is judged by its maximum only: nothing else
        is known of a test that cannot be repeated.
        """
        plan = replace(self.plan, warmup=0, samples=1, max_samples=1, probes=False)
        if self.is_of_one_call:
            return replace(self, plan=replace(plan, foretells=self.repeats))
        return replace(self, plan=plan, budget=self.budget.of_maximum() if self.budget else None)

    def of_further_calls(self) -> ItemSettings:
        """Return the settings for the calls after the first.

        That is one of the warm-up or, without a warm-up, the first observation.
        """
        plan = self.plan
        if not plan.warmup:
            return replace(self, plan=replace(plan, max_samples=plan.max_samples - 1))
        if isinstance(plan.warmup, int):
            return replace(self, plan=replace(plan, warmup=plan.warmup - 1))
        return self

    def alpha_of_growth(self, samples: int) -> float:
        """Return the false-alarm probability of a sample of growth.

        Args:
            samples: number of samples that the test has already.
        """
        return Policy(gates=self.gates, share=share_of_sample(samples)).alpha_exceeded

    def judge(
        self, samples: int, maximum: int, window_ns: int, earlier: Earlier | None = None
    ) -> SequentialJudge | None:
        """Make a judge for a sample of up to `maximum` observations.

        Args:
            samples: number of samples that the test has already.
            earlier: the sample of an earlier attempt of the test.
        """
        if self.budget is None or not (self.budget.limits or self.budget.least_per_s):
            return None
        return SequentialJudge(self.budget, self._policy(samples, maximum, window_ns), earlier)

    def judge_of_stages(
        self,
        samples: int,
        window_ns: int,
        clocks: Iterable[str],
        earlier_of: Callable[[str | None], Earlier | None],
    ) -> SequentialJudge | None:
        """Make a judge for a sample of calls that have stages.

        Args:
            samples: number of samples that the test has already, without their stages.
            clocks: the stages that its calls may reach.
            earlier_of: returns the sample of a stage of an earlier attempt; with None that of
                whole calls.
        """
        budget, maximum = self.budget, self.plan.max_samples
        if budget is None:
            return None
        policy = self._policy(samples, maximum, window_ns)
        stages = {}
        for name in clocks:
            own = budget.clocks[name]
            share = policy.share * own.parts / budget.parts
            stages[name] = SequentialJudge(own, replace(policy, share=share), earlier_of(name))
        if not stages:
            return self.judge(samples, maximum, window_ns, earlier_of(None))
        return JudgeOfStages(budget, policy, earlier_of(None), stages)

    def _policy(self, samples: int, maximum: int, window_ns: int) -> Policy:
        return Policy(
            least=min(self.plan.samples, max(1, maximum)),
            most=max(1, maximum),
            gates=self.gates,
            window_ns=window_ns,
            share=share_of_sample(samples),
            slowness=slowness(),
        )


def item_settings_of(
    item: pytest.Item, terms: Terms | None, settings: Settings, gates: int
) -> ItemSettings:
    """Combine the terms of a test with the settings of the session.

    Args:
        gates: number of gates in the build.
    """
    test = test_of(item)
    if settings.mode is Mode.OFF:
        return ItemSettings(test, settings.mode, RUN_ONCE, None, strict=False, gates=gates)
    own, plan = terms or Terms(), settings.plan
    most = _most(own, plan)
    return ItemSettings(
        test=test,
        mode=settings.mode,
        plan=Plan(
            warmup=plan.warmup if own.warmup is None else own.warmup,
            samples=own.samples or plan.samples,
            max_samples=most,
            time_limit_ns=_time_limit(own, plan),
            attribution=plan.attribution,
            # Limits are suggested from such runs, of the calls that nothing disturbed. Probing
            # takes one call more, which is not counted.
            probes=settings.mode is Mode.REPORT and most > 1,
            slowdown=plan.slowdown,
            speed=plan.speed,
            test=test,
        ),
        budget=terms.scaled(settings.scale).budget() if terms else None,
        strict=settings.strict if own.strict is None else own.strict,
        gates=gates,
        # A default budget may be that of the whole suite, which would then run one by one.
        alone=terms is not None
        and (terms is not settings.default or settings.exclusive is Exclusive.ON),
        repeats=settings.repeat or terms is not settings.default,
        name=own.name or "",
        budget_name=own.budget_name,
        regression=own.regression,
    )


def test_of(item: pytest.Item) -> str:
    """Return the node id of a test, without the group that ``--dist=loadgroup`` appends to it.

    The same test has the same name in all sessions: budgets and baselines are found by it.
    """
    node_id, at, _ = item.nodeid.rpartition("@")
    is_with_group = at and node_id.endswith(item.name) and not item.nodeid.endswith(item.name)
    return node_id if is_with_group else item.nodeid


def _time_limit(own: Terms, plan: Plan) -> int:
    limit = plan.time_limit_ns if own.time_limit_ns is None else own.time_limit_ns
    return AUTO_TIME if limit == AUTO_TIME else max(limit, own.least_time_ns or 0)


def _most(own: Terms, plan: Plan) -> int:
    """Return the maximum number of observations; a marker may raise the session's maximum.

    With `least_time` it is raised, because fast calls would reach it earlier, unless the marker
    sets it.
    """
    if own.max_samples:
        return max(own.max_samples, own.samples or 0)
    return max(plan.max_samples, own.samples or 0, _MOST_IN_LEAST_TIME if own.least_time_ns else 0)


ITEM_SETTINGS = pytest.StashKey[ItemSettings]()
