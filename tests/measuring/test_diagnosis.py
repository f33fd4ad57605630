"""The slowest observations with their causes, and advice on how a sample was measured."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.attribution import COLLECTOR, DISK, THROTTLED, WAITED
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.machine_speed import KnownSpeed, MachineKind, MachineSpeed
from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.core.undisturbed import LEAST_PROBES, ProbeTimes, ReferenceSpeed
from pytest_hancock_latency.core.verdict import Reason, Verdict
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.measuring import diagnosis
from pytest_hancock_latency.measuring.diagnosis import (
    advice_before,
    advice_on,
    advice_on_long,
    advice_on_speed,
    as_it_came,
    pace_ns,
    slowest,
    usual_probe_ns,
)
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.session_speed import SessionSpeed

MS = 1_000_000
S = 1_000_000_000


def observed(
    wall_ms: Sequence[float], excused_ms: dict[str, list[float]] | None = None
) -> Observations:
    """Observations that start every 100 ms."""
    wall = np.array([ms * MS for ms in wall_ms], dtype=np.int64)
    excused = {cause: np.array(ms) * MS for cause, ms in (excused_ms or {}).items()}
    return Observations(wall, wall - 1, np.arange(len(wall)) * 100 * MS, excused)


def kinds(advice: Sequence[Advice]) -> list[str]:
    """What depends on the sample, not on the machine of the tests."""
    of_machine = ("clock", "single-core", "quota", "tracer")
    return [each.kind for each in advice if each.kind not in of_machine]


@pytest.mark.parametrize(("resolution_s", "advised"), [(1e-9, []), (1e-6, []), (0.015, ["clock"])])
def test_a_coarse_clock_is_named(
    monkeypatch: pytest.MonkeyPatch, resolution_s: float, advised: list[str]
) -> None:
    clock = SimpleNamespace(resolution=resolution_s)
    monkeypatch.setattr(diagnosis.own_time, "get_clock_info", lambda _: clock)
    advice = advice_on(observed([10] * 10), (1,), ())
    assert advised == [each.kind for each in advice if each.kind == "clock"]


@pytest.mark.parametrize(
    ("throttled_ms", "percent"), [(9, [90]), (4, [40]), (0.1, [1]), (0.01, [])]
)
def test_a_container_that_was_throttled_is_told_so(throttled_ms: float, percent: list[int]) -> None:
    measured = observed([10] * 10, {THROTTLED: [throttled_ms] * 10})
    advice = [each for each in advice_on(measured, (1,), ()) if each.kind == "throttled"]
    assert [each.figures["percent"] for each in advice] == percent


def test_the_five_slowest_observations_are_shown_slowest_first() -> None:
    found = slowest(observed([3, 9, 1, 7, 5, 8, 2]), ())
    assert [(slow.position, slow.wall_ns // MS) for slow in found] == [
        (1, 9),
        (5, 8),
        (3, 7),
        (4, 5),
        (0, 3),
    ]
    assert (found[0].start_ns, found[0].attributed_ns) == (100 * MS, 9 * MS - 1)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_fewer_than_five_are_all_shown(n: int) -> None:
    assert n == len(slowest(observed([1] * n), ()))


def test_what_the_machine_took_of_an_observation_is_a_cause_beyond_a_tenth_of_it() -> None:
    measured = observed([10, 20], {WAITED: [1, 2.1], DISK: [1.5, 0]})
    assert [slow.causes for slow in slowest(measured, ())] == [(WAITED,), (DISK,)]


@pytest.mark.parametrize(
    ("collected_ms", "causes"),
    [(99, ()), (100, (COLLECTOR,)), (105, (COLLECTOR,)), (110, (COLLECTOR,)), (111, ())],
)
def test_a_collection_during_an_observation_is_a_cause(
    collected_ms: int, causes: tuple[str, ...]
) -> None:
    slow = slowest(observed([1, 10]), [collected_ms * MS])[0]
    assert (1, causes) == (slow.position, slow.causes)


def test_the_pace_is_the_median_of_the_warm_up() -> None:
    assert (pace_ns(()), pace_ns((9, 1, 3))) == (0, 3)


def judge_of(least: int) -> SequentialJudge:
    return SequentialJudge(parse_terms({"p50": 10, "p95": 20}).budget(), Policy(least=least))


def plan_of(max_samples: int) -> Plan:
    return Plan(max_samples=max_samples)


def test_a_maximum_below_what_a_pass_needs_is_advised_against() -> None:
    expected = Advice.of("cap-samples", limit="p95", needed=72, max_samples=71)
    assert expected == advice_before(judge_of(1), plan_of(71), 5 * S, ())
    assert advice_before(judge_of(1), plan_of(72), 5 * S, ()) is None


def test_a_time_limit_below_what_a_pass_needs_is_advised_against() -> None:
    warmup = (100 * MS,)
    expected = Advice.of(
        "cap-time", limit="p95", needed=72, fitting=71, time_limit_ns=7_200 * MS - 1
    )
    assert expected == advice_before(judge_of(1), plan_of(1000), 7_200 * MS - 1, warmup)
    assert advice_before(judge_of(1), plan_of(1000), 7_200 * MS, warmup) is None
    assert advice_before(judge_of(1), plan_of(1000), 1, ()) is None


@pytest.mark.parametrize(("calls", "fitting"), [(58, 58), (57, 58), (131, 131)])
def test_advice_from_before_measuring_has_the_calls_that_did_fit(calls: int, fitting: int) -> None:
    figures = {"limit": "p95", "needed": 172, "time_limit_ns": 5 * S}
    (advice,) = as_it_came(Advice.of("cap-time", fitting=58, **figures), calls)
    assert advice.figures == {"fitting": fitting, **figures}
    other = Advice.of("cap-samples", limit="p95", needed=72, max_samples=71)
    assert as_it_came(other, 71) == (other,)
    assert as_it_came(None, 71) == ()


def test_a_gate_that_will_take_more_than_ten_seconds_is_announced() -> None:
    expected = Advice.of("takes-long", limit="p95", needed=100, interval_ns=100 * MS + 1)
    assert expected == advice_on_long(judge_of(100), (100 * MS + 1,))
    assert advice_on_long(judge_of(100), (100 * MS,)) is None


def test_a_first_call_of_a_hundred_times_the_median_may_have_done_the_work_of_all() -> None:
    alone = Advice.of("first-call", first_ns=1_000 * MS, median_ns=10 * MS, alone=True, warmed=True)
    assert alone in advice_on(observed([10] * 10), (1_000 * MS,), (), 1_000 * MS)
    assert kinds(advice_on(observed([10] * 10), (999 * MS,), (), 999 * MS)) == []
    assert kinds(advice_on(observed([10] * 10), (1_000 * MS,), (), None)) == []
    cold = Advice.of("first-call", first_ns=1_000 * MS, median_ns=10 * MS, alone=True, warmed=False)
    assert cold in advice_on(observed([1_000, *[10] * 9]), (), ())


def test_a_first_call_below_a_millisecond_says_nothing() -> None:
    assert kinds(advice_on(observed([0] * 10), (1,), (), MS - 1)) == []
    assert kinds(advice_on(observed([0] * 10), (1,), (), MS)) == ["first-call"]


def test_a_first_call_that_took_more_than_ten_times_the_median_is_named() -> None:
    advice = advice_on(observed([101, *[10] * 9]), (), ())
    expected = Advice.of("first-call", first_ns=101 * MS, median_ns=10 * MS)
    assert expected in advice
    for measured, warmup in (
        (observed([100, *[10] * 9]), ()),
        (observed([101, *[10] * 8]), ()),
        (observed([101, *[10] * 9]), (MS,)),
        (observed([10, 101, *[10] * 9]), ()),
    ):
        assert kinds(advice_on(measured, warmup, ())) == []


def verdict_of(reason: Reason, counted: int | None = 40) -> Verdict:
    budget = parse_terms({"p95": 10}).budget()
    verdict = SequentialJudge(budget, Policy()).verdict(observed([1]))
    (part,) = verdict.limits
    return replace(verdict, limits=(replace(part, reason=reason, counted=counted),))


MACHINE = verdict_of(Reason.MACHINE)
KIND = MachineKind("a CPU, 2 cores", "cpython 3.12.1, main, probes 1")
OTHER_KIND = MachineKind("another CPU, 2 cores", "cpython 3.12.1, main, probes 1")


def probes_of(arithmetic_ns: int) -> ProbeTimes:
    count = LEAST_PROBES
    return ProbeTimes(np.full(count, arithmetic_ns), np.full(count, 50_000), np.zeros(count, bool))


def speeds(
    arithmetic_ns: float | None = None,
    *,
    kind: MachineKind = KIND,
    earlier: ReferenceSpeed | None = None,
) -> SessionSpeed:
    reference = None if arithmetic_ns is None else ReferenceSpeed(arithmetic_ns, 50_000)
    of_limits = MachineSpeed(kind, reference) if reference else None
    return SessionSpeed(lambda: KnownSpeed(earlier, of_limits, KIND))


def test_a_machine_of_unknown_speed_is_named_where_it_matters() -> None:
    unknown = Advice.of("no-reference-speed", margin=1.6)
    assert [*advice_on_speed(MACHINE, speeds(), probes_of(70_000))] == [unknown]
    for verdict in (verdict_of(Reason.NEAR), verdict_of(Reason.MACHINE, counted=None), None):
        assert [*advice_on_speed(verdict, speeds(), probes_of(70_000))] == []
    earlier = ReferenceSpeed(70_000, 50_000, "earlier sessions")
    assert [*advice_on_speed(MACHINE, speeds(earlier=earlier), probes_of(70_000))] == []


def test_a_machine_slower_than_that_of_the_limits_is_named() -> None:
    slower = Advice.of("slower-machine", percent=60)
    assert [*advice_on_speed(MACHINE, speeds(60_000), probes_of(100_000))] == [slower]
    assert [*advice_on_speed(MACHINE, speeds(60_000), probes_of(75_000))] == []


def test_a_speed_beside_the_limits_that_cannot_be_is_named_whatever_the_verdict() -> None:
    wrong = Advice.of("wrong-speed", arithmetic_ns=20_000, memory_ns=50_000)
    near = verdict_of(Reason.NEAR)
    for kind in (KIND, OTHER_KIND):
        assert [*advice_on_speed(near, speeds(20_000, kind=kind), probes_of(100_000))] == [wrong]


def test_the_usual_time_of_a_probe_needs_twenty_of_them() -> None:
    times = probes_of(70_000)
    assert usual_probe_ns(times) == 70_000
    few = ProbeTimes(times.arithmetic_ns[:19], times.memory_ns[:19], times.is_disturbed[:19])
    assert usual_probe_ns(few) is None


def test_a_machine_that_changes_its_speed_by_more_than_half_is_named() -> None:
    measured = observed([10])
    probes = [100] * 10 + [210] * 10
    assert Advice.of("unsteady-speed", factor=2.1) in advice_on(measured, (), probes)
    assert kinds(advice_on(measured, (), probes[1:])) == []
    assert kinds(advice_on(measured, (), [100] * 10 + [200] * 10)) == []


@pytest.mark.parametrize(
    ("cpus", "quota", "expected"),
    [(1, None, ["single-core"]), (2, 0.5, ["quota"]), (2, 1.0, []), (2, None, [])],
)
def test_a_machine_with_one_core_or_less_is_named(
    monkeypatch: pytest.MonkeyPatch, cpus: int, quota: float | None, expected: list[str]
) -> None:
    monkeypatch.setattr(diagnosis, "allowed_cpus", lambda: range(cpus))
    monkeypatch.setattr(diagnosis, "cpu_quota", lambda: quota)
    advice = [each.kind for each in advice_on(observed([10]), (), ())]
    assert expected == [kind for kind in advice if kind in ("single-core", "quota")]


def test_what_traces_every_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "gettrace", lambda: print)
    monkeypatch.setattr(sys, "getprofile", lambda: print)
    monkeypatch.setattr(sys, "monitoring", None, raising=False)
    advice = advice_on(observed([10]), (), ())
    assert Advice.of("tracer", tools="sys.settrace and sys.setprofile") in advice
