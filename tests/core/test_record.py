"""What a record means for its run: whether it fails it, and the exit code of several."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.evidence import bounding_ranks
from pytest_hancock_latency.core.record import (
    Record,
    TestRun,
    counterparts,
    exit_code_of,
    record_of,
    undisturbed_bounds_ns,
)
from pytest_hancock_latency.core.sample import Observations, Probed, Sample
from pytest_hancock_latency.core.verdict import (
    ExitCode,
    FailureVerdict,
    Outcome,
    Verdict,
    worst,
)
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge

MS = 1_000_000


def record(outcome: Outcome, *, strict: bool = False, n: int = 10, failures: int = 0) -> Record:
    verdict = Verdict((), FailureVerdict(Fraction(0), outcome, 0, n), n=n, elapsed_ns=0)
    judged = None if outcome is Outcome.NOT_JUDGED else verdict
    kinds = {"HTTP 500": failures} if failures else {}
    return Record("t", "", n, kinds, {}, {}, verdict=judged, strict=strict)


UNSURE = record(Outcome.INCONCLUSIVE, strict=True)


@pytest.mark.parametrize(
    ("fails", "record"),
    [
        (False, record(Outcome.WITHIN)),
        (True, record(Outcome.EXCEEDED)),
        (False, record(Outcome.INCONCLUSIVE)),
        (True, record(Outcome.INCONCLUSIVE, strict=True)),
        (False, record(Outcome.WITHIN, strict=True)),
        (False, record(Outcome.NOT_JUDGED, strict=True)),
        (True, record(Outcome.INCONCLUSIVE, n=0)),
        (True, record(Outcome.WITHIN, n=0)),
        (False, record(Outcome.INCONCLUSIVE, n=0, failures=1)),
        (False, record(Outcome.NOT_JUDGED, n=0)),
    ],
)
def test_a_record_fails_its_run_by_one_rule(fails: bool, record: Record) -> None:
    assert fails == record.fails


@pytest.mark.parametrize(
    ("code", "records"),
    [
        (ExitCode.HELD, [record(Outcome.WITHIN)]),
        (ExitCode.HELD, [record(Outcome.WITHIN), record(Outcome.INCONCLUSIVE)]),
        (
            ExitCode.INCONCLUSIVE,
            [record(Outcome.WITHIN), record(Outcome.INCONCLUSIVE, strict=True)],
        ),
        (ExitCode.EXCEEDED, [UNSURE, record(Outcome.EXCEEDED)]),
        (ExitCode.USAGE, []),
        (ExitCode.USAGE, [record(Outcome.NOT_JUDGED)]),
        (ExitCode.USAGE, [record(Outcome.INCONCLUSIVE, n=0)]),
    ],
)
def test_the_exit_code_is_that_of_the_worst_record(code: ExitCode, records: list[Record]) -> None:
    assert code == exit_code_of(records)


def test_exceeded_and_inconclusive_need_attention() -> None:
    expected = {Outcome.EXCEEDED: True, Outcome.INCONCLUSIVE: True}
    assert {outcome: expected.get(outcome, False) for outcome in Outcome} == {
        outcome: outcome.needs_attention for outcome in Outcome
    }


def test_the_worst_part_is_the_outcome_of_the_whole() -> None:
    assert Outcome.EXCEEDED is worst([Outcome.WITHIN, Outcome.EXCEEDED, Outcome.INCONCLUSIVE])
    assert Outcome.INCONCLUSIVE is worst([Outcome.WITHIN, Outcome.INCONCLUSIVE])
    assert Outcome.WITHIN is worst([])


def test_a_record_and_its_verdict_come_from_the_same_observations() -> None:
    raw = np.arange(1, 401, dtype=np.int64) * MS
    attributed = raw.copy()
    attributed[300:] -= 200 * MS
    observations = Observations(raw, attributed, np.arange(400, dtype=np.int64) * 20 * MS)
    judge = SequentialJudge(parse_terms({"p50": 250, "p95": 300}).budget(), Policy())
    sample = Sample("", observations, verdict=judge.verdict(observations))
    record = record_of(sample, TestRun("t"))
    assert record.verdict is not None
    for part in record.verdict.limits:
        assert part.over == int((raw > part.limit.limit_ns).sum())
        assert part.over_attributed == int((attributed > part.limit.limit_ns).sum())
    for name, (low_ns, high_ns) in record.bounds_ns.items():
        assert low_ns is None or low_ns <= record.attributed_quantiles_ns[name]
        assert high_ns is None or high_ns >= record.quantiles_ns[name]


def test_undisturbed_calls_have_bounds_of_their_own() -> None:
    """The slowest of those that began undisturbed counts, whatever followed."""
    n = 400
    wall = np.arange(1, n + 1, dtype=np.int64)
    began, ended = wall % 2 == 0, wall != n
    probed = Probed(np.ones(n, bool), began, ended)
    observations = Observations(wall, wall, wall, probed=probed)
    bounds_ns = undisturbed_bounds_ns(
        [Fraction(1, 2), Fraction(99, 100), Fraction(1)], observations
    )
    _, high_rank = bounding_ranks(Fraction(1, 2), 199)
    assert bounds_ns == {"p50": int(wall[began][200 - 1 - (199 - high_rank)])}


def test_without_a_probing_phase_nothing_is_known_of_undisturbed_calls() -> None:
    wall = np.arange(1, 401, dtype=np.int64)
    assert undisturbed_bounds_ns([Fraction(1, 2)], Observations(wall, wall, wall)) == {}


def named(test: str, *, budget: str | None = None, name: str = "") -> Record:
    return Record(test, name, 0, {}, {}, {}, budget_name=budget)


@pytest.mark.parametrize(
    ("record", "label", "small_print"),
    [
        (named("t.py::test_a"), "t.py::test_a", ""),
        (named("t.py::test_a", name="first"), "t.py::test_a [first]", ""),
        (named("t.py::test_a", budget="GET /a"), "GET /a", "t.py::test_a"),
        (named("t.py::test_a", budget="GET /a", name="first"), "GET /a [first]", "t.py::test_a"),
        (named("t.py::test_a", budget="GET /a", name="GET /a"), "GET /a", "t.py::test_a"),
        (named("GET /a", budget="GET /a"), "GET /a", ""),
    ],
)
def test_a_sample_is_known_by_the_name_of_its_budget(
    record: Record, label: str, small_print: str
) -> None:
    assert (record.label, record.small_print) == (label, small_print)


def test_samples_of_a_title_are_counterparts_whatever_their_budget_is_called() -> None:
    earlier = [named("t.py::test_a", budget="GET /old"), named("t.py::test_b", budget="GET /a")]
    later = [named("t.py::test_a", budget="GET /a")]
    assert counterparts(later, earlier) == [earlier[0]]


def test_a_test_and_a_load_with_one_budget_are_counterparts() -> None:
    earlier = [named("t.py::test_a", budget="GET /a")]
    assert counterparts([named("GET /a", budget="GET /a")], earlier) == earlier


@pytest.mark.parametrize(
    ("later", "earlier"),
    [(["t.py::new"], ["t.py::a", "t.py::b"]), (["t.py::a", "t.py::b"], ["t.py::old"])],
)
def test_samples_that_share_a_budget_have_no_counterpart_of_another_title(
    later: list[str], earlier: list[str]
) -> None:
    found = counterparts(
        [named(test, budget="GET /a") for test in later],
        [named(test, budget="GET /a") for test in earlier],
    )
    assert found == [None] * len(later)


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "HELD": 0,
        "EXCEEDED": 1,
        "USAGE": 2,
        "INCONCLUSIVE": 3,
    }
