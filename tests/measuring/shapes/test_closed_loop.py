"""The closed loop on a clock that moves by hand."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.budget import AUTO_TIME, parse_terms
from pytest_hancock_latency.core.sample import Progress, Sample
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.measuring.clock import Clock
from pytest_hancock_latency.measuring.patience import Patience
from pytest_hancock_latency.measuring.plan import Plan, SharedTime
from pytest_hancock_latency.measuring.request import Request, called_with
from pytest_hancock_latency.measuring.shapes.closed_loop import ClosedLoop
from pytest_hancock_latency.measuring.takers.probes import Probes
from pytest_hancock_latency.reporting.advice import advice_words

MS = 1_000_000


class Service:
    """A request that takes a given time on a manual clock."""

    def __init__(self, takes_ns: int | Callable[[int], int]) -> None:
        self.clock = ManualClock()
        self.calls = 0
        self._takes = takes_ns

    def __call__(self) -> int:
        self.calls += 1
        takes = self._takes(self.calls) if callable(self._takes) else self._takes
        self.clock.advance(takes)
        return self.calls


def measured(service: Service, plan: Plan | None = None, **how: Any) -> Sample:
    """A sample of a service; `how` may hold limits, a check, a watcher, and shared time."""
    check, watcher = how.pop("check", None), how.pop("watcher", None)
    shared_time = how.pop("shared_time", None)
    plan = plan or Plan(warmup=0, samples=1, attribution=False)
    policy = Policy(least=plan.samples, most=plan.max_samples)
    judge = SequentialJudge(parse_terms(how).budget(), policy) if how else None
    loop = ClosedLoop(plan, service.clock, watcher, shared_time)
    return loop.measure(Request(service, "health", check), judge)


def test_every_observation_is_exactly_what_the_clock_said() -> None:
    sample = measured(Service(lambda call: call * MS), Plan(warmup=0, samples=4, attribution=False))
    assert sample.observations.wall_ns.tolist() == [MS, 2 * MS, 3 * MS, 4 * MS]
    assert sample.observations.start_ns.tolist() == [0, MS, 3 * MS, 6 * MS]


def test_starts_count_from_the_beginning_of_the_sample() -> None:
    service = Service(MS)
    service.clock.advance(70 * MS)
    sample = measured(service, Plan(warmup=0, samples=3, attribution=False))
    assert sample.observations.start_ns.tolist() == [0, MS, 2 * MS]


@pytest.mark.parametrize(
    ("limits", "n"), [({"p50": 10}, 6), ({"p95": 10}, 72), ({"p99": 10}, 366), ({"p99_9": 9}, 3672)]
)
def test_a_request_far_inside_its_budget_is_called_no_more_often_than_needed(
    limits: dict[str, int], n: int
) -> None:
    service = Service(MS // 2)
    sample = measured(service, **limits)
    assert service.calls == n
    assert sample.within


@pytest.mark.skipif(sys.platform != "linux", reason="probes stand between counted calls on Linux")
def test_both_probes_run_from_the_first_call_on_where_the_plan_says_so() -> None:
    """After each probe, calls that are not counted fill the caches again."""
    calls = {}
    for probes in (False, True):
        service = Service(MS // 2)
        sample = measured(service, Plan(warmup=0, samples=1, probes=probes), p95=10)
        assert sample.n == 72
        calls[probes] = service.calls
    assert calls == {False: 72, True: 72 + 1 + 71 * 5}


class Pauses(Patience):
    """Finds the machine busy before each step, for 100 ms."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._hand = clock

    def wait(self, most_ns: int) -> bool:
        if self.paused_ns >= most_ns:
            return False
        self._hand.advance(100 * MS)
        self.paused_ns += 100 * MS
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="there is no probing phase elsewhere")
@pytest.mark.parametrize(
    ("time_limit_ns", "elapsed_s", "paused_s"), [(AUTO_TIME, 7.5, 2.5), (4_000 * MS, 4, 2)]
)
def test_pauses_take_up_to_half_of_the_time_and_extend_an_automatic_limit(
    time_limit_ns: int, elapsed_s: float, paused_s: float
) -> None:
    service, made = Service(11 * MS), []

    def patience_of(clock: Clock) -> Patience:
        made.append(Pauses(service.clock))
        return made[0]

    class Undecided(SequentialJudge):
        needs_probing = True  # type: ignore[assignment]

        def look(self, *_: object) -> int:
            return 1

    plan = Plan(warmup=0, samples=1, time_limit_ns=time_limit_ns)
    loop = ClosedLoop(plan, service.clock, patience_of=patience_of)
    judge = Undecided(parse_terms({"p95": 10}).budget(), Policy())
    sample = loop.measure(Request(service), judge)
    assert sample.measurement.elapsed_ns / 1e9 == pytest.approx(elapsed_s, abs=0.2)
    assert made[0].paused_ns / 1e9 == pytest.approx(paused_s, abs=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no probing phase elsewhere")
def test_the_first_call_after_a_pause_is_not_counted() -> None:
    service = Service(11 * MS)
    plan = Plan(warmup=0, samples=1, time_limit_ns=500 * MS)
    calls = {}
    for patience_of in (lambda _: None, lambda _: Pauses(service.clock)):
        service.calls = 0
        loop = ClosedLoop(plan, service.clock, patience_of=patience_of)
        judge = SequentialJudge(parse_terms({"p95": 10}).budget(), Policy())
        sample = loop.measure(Request(service), judge)
        calls[patience_of(service.clock) is None] = service.calls, sample.n
    (plain, plain_n), (patient, patient_n) = calls[True], calls[False]
    # In the probing phase, each counted call follows one that is not.
    assert plain - plain_n < plain_n
    assert patient - patient_n > patient_n


@pytest.mark.skipif(sys.platform != "linux", reason="probes stand between counted calls on Linux")
def test_no_probe_that_may_show_a_faster_machine_follows_the_last_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was exceeded at that look, and then inconclusive, in one of 18 samples."""
    done: list[str | int] = []

    class Judge(SequentialJudge):
        is_exceeded = property(lambda _: True)  # type: ignore[assignment]

        def look(self, *_: object) -> int:
            done.append("look")
            return 0

    monkeypatch.setattr(Probes, "run_several", lambda _, count: done.append(count))
    service = Service(MS)
    judge = Judge(parse_terms({"p95": 10}).budget(), Policy())
    ClosedLoop(Plan(warmup=0), service.clock).measure(Request(service), judge)
    assert done == ["look", 25, "look"]


def test_a_budget_that_every_call_breaks_ends_in_few_calls() -> None:
    service = Service(100 * MS)
    sample = measured(service, p50=10, p95=20, p99=30)
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.EXCEEDED
    assert service.calls <= 10


def test_warm_up_calls_are_kept_but_not_judged() -> None:
    service = Service(lambda call: 500 * MS if call <= 5 else MS)
    sample = measured(service, Plan(samples=1, attribution=False), p50=10)
    assert sample.measurement.warmup_ns == (500 * MS,) * 5
    assert sample.n == 6
    assert sample.within


def test_measuring_ends_with_the_call_during_which_the_time_is_up() -> None:
    service = Service(300 * MS)
    plan = Plan(warmup=0, samples=1, time_limit_ns=1000 * MS, attribution=False)
    sample = measured(service, plan, p99=500)
    assert service.calls == 4
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.INCONCLUSIVE
    assert sample.verdict.n == 4


def test_measuring_goes_on_for_up_to_a_second_if_only_time_is_missing_to_exceed() -> None:
    def stalls(call: int) -> int:
        return 20 * MS if 20 <= call <= 40 else 80 * MS if call > 1000 else MS

    plan = Plan(warmup=0, samples=1, time_limit_ns=500 * MS, attribution=False)
    sample = measured(Service(stalls), plan, p99=10)
    assert 600 * MS <= sample.measurement.elapsed_ns <= 1501 * MS


def test_the_most_observations_are_overrun_by_up_to_a_second_to_tell_slow_code_from_a_stall() -> (
    None
):
    plan = Plan(warmup=0, samples=1, max_samples=60, attribution=False)
    sample = measured(Service(5 * MS), plan, p50=1)
    assert sample.verdict is not None
    assert (sample.verdict.outcome, sample.n > 60) == (Outcome.EXCEEDED, True)
    assert sample.measurement.elapsed_ns <= 1300 * MS


def test_a_stall_that_fills_the_most_observations_stays_inconclusive() -> None:
    def stalls(call: int) -> int:
        return 5 * MS if call <= 60 else MS // 10

    plan = Plan(warmup=0, samples=1, max_samples=60, attribution=False)
    sample = measured(Service(stalls), plan, p50=1)
    assert sample.verdict is not None
    assert sample.verdict.outcome is not Outcome.EXCEEDED
    assert sample.measurement.elapsed_ns <= 1301 * MS


AUTO = Plan(warmup=5, samples=1, attribution=False)


@pytest.mark.parametrize(
    ("ms", "limits", "calls"),
    [(100, {"p95": 200}, 72), (140, {"p99": 280}, 366), (60, {"p50": 120, "p99": 120}, 366)],
)
def test_a_time_limit_that_fits_the_budget_leaves_time_for_a_pass(
    ms: int, limits: dict[str, int], calls: int
) -> None:
    sample = measured(Service(ms * MS), AUTO, **limits)
    assert (sample.within, sample.n) == (True, calls)


@pytest.mark.parametrize(("ms", "seconds"), [(1, 5), (400, 60)])
def test_a_time_limit_that_fits_the_budget_is_5_to_60_seconds(ms: int, seconds: int) -> None:
    """A call of twenty-five is over the limit, which decides nothing for long."""
    service = Service(lambda call: 3 * ms * MS if call % 25 == 0 else ms * MS)
    sample = measured(service, AUTO, p95=2 * ms)
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.INCONCLUSIVE
    assert abs(sample.measurement.elapsed_ns - seconds * 1000 * MS) < 1300 * MS


def test_code_that_is_slow_in_a_tenth_of_its_calls_gets_the_time_to_be_exceeded() -> None:
    """Twice what p95 allows, which 5 s of such calls do not show."""
    service = Service(lambda call: 20 * MS if call % 10 == 0 else 7 * MS)
    sample = measured(service, AUTO, p95=10)
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.EXCEEDED
    assert 5_000 * MS < sample.measurement.elapsed_ns < 15_000 * MS


def test_samples_share_the_time_beyond_5_seconds() -> None:
    shared_time, elapsed = SharedTime(20_000 * MS), []
    for _ in range(3):
        sample = measured(Service(100 * MS), AUTO, shared_time=shared_time, p99=200)
        elapsed.append(sample.measurement.elapsed_ns // (1000 * MS))
    assert (elapsed, shared_time.left_ns) == ([25, 5, 5], 0)


def test_quick_samples_leave_the_shared_time_alone() -> None:
    shared_time = SharedTime()
    measured(Service(MS), AUTO, shared_time=shared_time, p99=20)
    assert shared_time == SharedTime()


def test_a_fixed_time_limit_is_as_long_whatever_others_took() -> None:
    plan = Plan(warmup=5, samples=1, time_limit_ns=40_000 * MS, attribution=False)
    assert measured(Service(100 * MS), plan, shared_time=SharedTime(0), p99=200).within


def test_a_sample_that_takes_long_is_announced_before_it_is_measured() -> None:
    notes = Notes()
    measured(Service(105 * MS), AUTO, watcher=notes, p99=300)
    assert list(map(advice_words, notes.warned)) == [
        "p99 needs 366 calls of about 105 ms each: 38.4 s"
    ]


def test_a_sample_that_takes_a_few_seconds_is_not() -> None:
    notes = Notes()
    measured(Service(20 * MS), AUTO, watcher=notes, p99=300)
    assert notes.warned == []


def test_measuring_ends_at_the_most_observations() -> None:
    service = Service(MS)
    plan = Plan(warmup=0, samples=1, max_samples=100, attribution=False)
    assert measured(service, plan, p99=500).n == 100


def test_without_a_budget_the_planned_number_is_measured() -> None:
    sample = measured(Service(MS), Plan(warmup=0, samples=50, attribution=False))
    assert (sample.n, sample.verdict) == (50, None)


def test_a_failing_answer_is_a_failure_and_no_observation() -> None:
    service = Service(MS)
    sample = measured(service, p50=10, errors="90%", check=lambda answer: answer % 3 != 0)
    assert sample.failures == {"check: returned False": service.calls // 3}
    assert sample.n == service.calls - service.calls // 3


def test_the_first_failing_answer_ends_the_measuring_where_none_may_fail() -> None:
    service = Service(MS)
    sample = measured(service, p50=10, check=lambda answer: answer < 3)
    assert service.calls == 3
    assert sample.verdict is not None
    assert sample.verdict.outcome is Outcome.EXCEEDED


def test_a_check_may_assert_and_its_message_names_the_class_of_failure() -> None:
    def check(answer: int) -> None:
        if answer == 2:
            raise AssertionError("status 503\nand more")

    assert measured(Service(MS), p50=10, check=check).failures == {"check: status 503": 1}


def test_the_time_of_a_check_is_not_measured() -> None:
    service = Service(MS)

    def check(answer: int) -> bool:
        service.clock.advance(70 * MS)
        return True

    assert set(measured(service, p50=10, check=check).observations.wall_ns.tolist()) == {MS}


def test_what_a_request_raises_is_raised() -> None:
    def breaks(call: int) -> int:
        if call == 3:
            raise LookupError("the service is gone")
        return MS

    with pytest.raises(LookupError, match="the service is gone"):
        measured(Service(breaks), p50=10)


def test_the_collector_stays_on_and_is_left_as_it_was() -> None:
    frozen, callbacks = gc.get_freeze_count(), list(gc.callbacks)
    enabled = []
    measured(Service(MS), p50=10, check=lambda answer: enabled.append(gc.isenabled()))
    assert set(enabled) == {True}
    assert (gc.get_freeze_count(), gc.callbacks) == (frozen, callbacks)


def test_objects_frozen_by_other_code_stay_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        measured(Service(MS), p50=10)
        # Not unfrozen, and nothing added; a few may be freed by their reference count.
        assert 0.9 * frozen < gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()


def test_a_collection_inside_an_observation_is_named_as_its_cause() -> None:
    def collects(call: int) -> int:
        if call == 4:
            gc.collect()
            return 50 * MS
        return MS

    slowest = measured(Service(collects), p50=10).measurement.slowest[0]
    assert (slowest.position, slowest.causes) == (3, ("collector",))


class Notes:
    """Somebody who watches and writes everything down."""

    def __init__(self) -> None:
        self.warned: list[Advice] = []
        self.shown: list[Progress] = []
        self.ended = 0

    def warn(self, advice: Advice) -> None:
        assert not self.shown
        self.warned.append(advice)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def done(self) -> None:
        self.ended += 1


def test_a_watcher_receives_inconclusive_limits_a_few_times_per_second() -> None:
    notes = Notes()
    measured(Service(10 * MS), p50=20, p99=30, watcher=notes)
    assert 10 <= len(notes.shown) <= 15
    assert [limit.label for limit in notes.shown[-1].inconclusive] == ["p99"]
    assert len(notes.shown[0].observations) > 20
    assert notes.ended == 1


def test_a_watcher_is_notified_of_the_end_when_a_request_raises() -> None:
    notes = Notes()
    with pytest.raises(ZeroDivisionError):
        measured(Service(lambda call: call // 0), p50=20, watcher=notes)
    assert notes.ended == 1


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (
            Plan(time_limit_ns=1000 * MS, attribution=False),
            "p99 needs 366 observations, but only about 100 fit into 1 s, so it will stay "
            "inconclusive; raise time_limit or --latency-time, "
            "limit a lower percentile, or use sample.burst(…, concurrency=8)",
        ),
        (
            Plan(max_samples=300, attribution=False),
            "p99 needs 366 observations, but max_samples=300: raise it, or expect an inconclusive "
            "verdict",
        ),
    ],
)
def test_a_plan_without_room_for_a_pass_is_announced_before_measuring(
    plan: Plan, text: str
) -> None:
    notes = Notes()
    sample = measured(Service(10 * MS), plan, p50=20, p99=30, watcher=notes)
    assert list(map(advice_words, notes.warned)) == [text]
    assert sample.measurement.advice[0] == notes.warned[0]


def test_a_plan_with_room_for_a_pass_is_not_announced() -> None:
    notes = Notes()
    measured(Service(MS), Plan(attribution=False), p99=30, watcher=notes)
    assert notes.warned == []


def test_a_short_call_is_measured_without_a_bracket_and_the_record_says_so() -> None:
    measurement = measured(Service(1000), Plan(samples=1), p50=10).measurement
    assert not measurement.bracket
    assert (
        measurement.why_no_bracket
        == "calls shorter than 20 µs are not worth the cost of attribution"
    )


def test_a_call_without_arguments_is_called_without_a_wrapper() -> None:
    assert called_with(len, (), {}) is len
    assert called_with(divmod, (7, 2), {})() == (3, 1)
