"""Judging calls together with stages within them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.sample import Observations, Probed
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.judging.stages import JudgeOfStages

MS = 1_000_000
POLICY = Policy(least=50, most=1000)


def observed(*latencies_ms: float) -> Observations:
    wall = np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64)
    return Observations(wall, wall, np.arange(len(wall)) * 100 * MS)


def not_yet_probed(*latencies_ms: float) -> Observations:
    calls = observed(*latencies_ms)
    no = np.zeros(len(calls), bool)
    return replace(calls, at_most_ns=calls.wall_ns, probed=Probed(no, no, no))


def judge(
    stages: Mapping[str, Observations] | Callable[[str], Observations], **keywords: object
) -> JudgeOfStages:
    budget = parse_terms(keywords).budget()
    own = {name: SequentialJudge(limits, POLICY) for name, limits in budget.clocks.items()}
    made = JudgeOfStages(budget, POLICY, None, own)
    made.observed = stages if callable(stages) else stages.__getitem__
    return made


def test_measuring_ends_once_calls_and_stages_are_decided() -> None:
    made = judge({"first": observed(*[1] * 72)}, p95=100, first={"p95": 10})
    assert made.look(observed(*[5] * 72)) == 0
    assert made.verdict(observed(*[5] * 72)).outcome is Outcome.WITHIN
    assert made.stages["first"].verdict(observed(*[1] * 72)).outcome is Outcome.WITHIN


def test_a_stage_that_is_not_decided_is_waited_for() -> None:
    made = judge({"first": observed(*[1] * 60)}, p50=100, first={"p95": 10})
    assert made.look(observed(*[5] * 60)) == 12
    assert [limit.label for limit in made.inconclusive] == ["p95"]


def test_an_exceeded_stage_is_not_waited_for() -> None:
    slow = observed(*[20] * 200)
    made = judge({"first": slow}, p95=100, first={"p95": 10})
    assert made.look(observed(*[50] * 200)) == 0
    assert made.is_exceeded
    assert made.verdict(observed(*[50] * 200)).outcome is Outcome.WITHIN


def test_a_stage_that_no_call_reached_is_not_waited_for() -> None:
    made = judge({"gap": observed()}, p95=100, gap={"p95": 10})
    assert made.look(observed(*[5] * 72)) == 0


def test_before_the_first_call_the_minimum_is_asked_for() -> None:
    assert judge({"first": observed()}, first={"p50": 10}).look(observed()) == 50


def test_too_many_failures_end_it() -> None:
    made = judge({"first": observed()}, first={"p50": 10})
    assert made.look(observed(), failed=1) == 0


def test_the_plan_fits_the_limit_that_needs_most_calls() -> None:
    made = judge({}, p50=100, first={"p99": 10})
    alone = SequentialJudge(parse_terms({"p99": 10}).budget(), POLICY)
    assert made.least_to_pass() == alone.least_to_pass()
    assert made.with_room() == alone.with_room()
    assert made.highest_limit == "p50"
    assert judge({}, first={"p99": 10}).highest_limit == "first p99"


@pytest.mark.parametrize("stage_ms", [5, 50])
def test_what_a_stage_needs_is_needed(stage_ms: float) -> None:
    first = not_yet_probed(*[1] * 50, *[stage_ms] * 10)
    made = judge({"first": first}, p95=100, first={"p95": 10})
    made.look(observed(*[60] * 60), room=1000)
    assert made.needs_probing is (stage_ms > 10)
    assert not made.lacks_only_time
