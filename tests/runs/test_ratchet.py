"""Limits that only go down, from the last runs within."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_hancock_latency.core.budget import Terms, parse_terms
from pytest_hancock_latency.core.quantile import label
from pytest_hancock_latency.core.record import Artifact, Record, TestRun, record_of
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.runs.ratchet import LEAST_RUNS, RUNS, ratchet

MS = 1_000_000
BUDGETS = {"search": parse_terms({"p50": 40, "p95": 80})}
MACHINE = {"cpu": "fast", "cores": 2, "python": "3.12"}


def run(
    latency_ms: float,
    *,
    name: str = "search",
    limits: Terms = BUDGETS["search"],
    probe_ns: int | None = 1000,
    cpu_share: float | None = 1.0,
    machine: dict[str, object] = MACHINE,
) -> Artifact:
    wall = np.full(200, round(latency_ms * MS), dtype=np.int64)
    observations = Observations(wall, wall, np.arange(200) * 100 * MS)
    verdict = SequentialJudge(limits.budget(), Policy(most=200)).verdict(observations)
    sample: Sample[None] = Sample(
        "",
        observations,
        verdict=verdict,
        measurement=Measurement(probe_ns=probe_ns, cpu_share=cpu_share),
        answer=None,
    )
    record = replace(record_of(sample, TestRun("test_it.py::test")), budget_name=name)
    speed = {"cpu": "fast", "python": "3.12", "arithmetic_ns": 1000.0, "memory_ns": 5000.0}
    return Artifact({"machine": machine, "speed": speed}, [record])


def tightened(history: Sequence[Artifact]) -> dict[str, tuple[int, int]]:
    """Limits by percentile, in ms, and the runs they come from."""
    found = ratchet(history, BUDGETS)
    return {label(each.quantile): (each.after_ns // MS, each.runs) for each in found.limits}


def test_limits_follow_the_slowest_of_the_last_runs() -> None:
    assert tightened([run(10)] * 5) == {"p50": (13, 5), "p95": (13, 5)}
    assert tightened([*[run(10)] * 5, run(20)]) == {"p50": (25, 6), "p95": (25, 6)}


def test_only_the_last_twenty_runs_count() -> None:
    assert tightened([run(30), *[run(10)] * RUNS]) == {"p50": (13, RUNS), "p95": (13, RUNS)}


def test_a_limit_never_goes_up() -> None:
    assert tightened([run(39)] * 5) == {"p95": (49, 5)}


def test_runs_that_were_not_within_do_not_count() -> None:
    slow = run(100)
    assert slow.records[0].outcome is Outcome.EXCEEDED
    assert tightened([*[run(10)] * 5, slow]) == {"p50": (13, 5), "p95": (13, 5)}


def test_a_disturbed_machine_does_not_count_and_is_mentioned() -> None:
    history = [*[run(10)] * 5, run(30, probe_ns=1300)]
    assert tightened(history)["p50"] == (13, 5)
    assert ratchet(history, BUDGETS).remarks == ['"search": 1 run on a disturbed machine left out']


@pytest.mark.parametrize(("cpu_share", "counts"), [(None, False), (0.5, False), (0.2, True)])
def test_a_slow_machine_disturbs_calls_as_far_as_they_compute(
    cpu_share: float | None, counts: bool
) -> None:
    history = [*[run(10)] * 5, run(20, probe_ns=2000, cpu_share=cpu_share)]
    assert tightened(history)["p50"] == ((25, 6) if counts else (13, 5))


def test_other_machines_do_not_count() -> None:
    other = run(1, machine={**MACHINE, "cpu": "other"})
    assert tightened([other, *[run(10)] * 5])["p50"] == (13, 5)


@pytest.mark.parametrize("runs", [0, 1, LEAST_RUNS - 1])
def test_few_runs_change_nothing(runs: int) -> None:
    found = ratchet([run(10)] * runs, BUDGETS)
    count = "1 run" if runs == 1 else f"{runs} runs"
    assert found.limits == []
    assert found.remarks == [f'"search" stays as it is: {count} within, and it takes 5']


def test_samples_of_other_budgets_do_not_count() -> None:
    assert tightened([run(10, name="other")] * 5) == {}


def test_all_samples_of_a_budget_have_to_be_within() -> None:
    def both(first: Artifact, second: Artifact) -> Artifact:
        records: list[Record] = [*first.records, replace(second.records[0], name="other")]
        return Artifact(first.session, records)

    assert tightened([both(run(10), run(20))] * 5)["p50"] == (25, 5)
    assert tightened([both(run(10), run(100))] * 5) == {}
