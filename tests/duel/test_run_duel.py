"""When a duel ends, and what it keeps of its passes; the passes are not real."""

from __future__ import annotations

from collections.abc import Container, Iterator
from fractions import Fraction
from math import log
from random import Random

import pytest

from pytest_hancock_latency.duel.run_duel import (
    PassResult,
    RunPass,
    SampleKey,
    merge_results,
    run_duel,
)
from pytest_hancock_latency.errors import DuelError
from pytest_hancock_latency.runs.duel import DuelOutcome, DuelProgress, DuelRule

F, G = SampleKey("test_f", ""), SampleKey("test_g", "")
VERSIONS = ("main", "change")


def measured(ratio: float, key: SampleKey = F) -> PassResult:
    return PassResult({key: log(ratio)}, {key: (100.0, 100 * ratio)})


def passes(*results: PassResult | type[BaseException]) -> RunPass:
    """Return these results in turn, the last one for ever."""

    def endless() -> Iterator[PassResult | type[BaseException]]:
        yield from results
        while True:
            yield results[-1]

    following = endless()

    def run_pass(_settled: Container[SampleKey], _random: Random) -> PassResult:
        result = next(following)
        if isinstance(result, PassResult):
            return result
        raise result

    return run_pass


def test_a_duel_ends_when_every_sample_is_settled() -> None:
    duel = run_duel(passes(measured(2.0), measured(2.5)), VERSIONS, DuelRule())
    (sample,) = duel.samples
    assert (duel.base, duel.head, sample.title) == ("main", "change", "test_f")
    assert sample.verdict.outcome is DuelOutcome.SLOWER
    assert duel.passes == sample.verdict.passes == len(sample.log_ratios)
    assert (sample.base_ns, sample.head_ns) == (100.0, 250.0)


def test_a_duel_ends_after_the_maximum_number_of_passes() -> None:
    noisy = passes(*[measured(ratio) for ratio in (0.5, 2.0) * 2])
    duel = run_duel(noisy, VERSIONS, DuelRule(passes=4))
    assert (duel.passes, duel.samples[0].verdict.outcome) == (4, DuelOutcome.INCONCLUSIVE)


def test_a_duel_ends_when_two_passes_in_a_row_measured_nothing() -> None:
    duel = run_duel(passes(measured(1.5), PassResult()), VERSIONS, DuelRule())
    assert duel.passes == 3


def test_no_pass_begins_after_the_time() -> None:
    assert run_duel(passes(measured(1.5)), VERSIONS, DuelRule(), longest_ns=0).passes == 1


def test_ctrl_c_keeps_the_passes_before_it() -> None:
    duel = run_duel(passes(measured(1.5), KeyboardInterrupt), VERSIONS, DuelRule())
    assert (duel.passes, duel.is_interrupted) == (1, True)


def test_ctrl_c_during_the_first_pass_ends_the_duel_without_a_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_duel(passes(KeyboardInterrupt), VERSIONS, DuelRule())


def test_a_first_pass_without_a_measured_sample_is_one_error() -> None:
    nothing = PassResult(left_out={F: "head did not measure it"}, remarks=("base failed",))
    with pytest.raises(DuelError) as refused:
        run_duel(passes(nothing), VERSIONS, DuelRule())
    assert str(refused.value) == (
        "nothing was compared: base failed; test_f: head did not measure it"
    )


def test_a_sample_measured_in_one_pass_is_not_left_out() -> None:
    left_out = PassResult(left_out={F: "head did not finish it", G: "a burst"}, remarks=("x",))
    results = passes(measured(1.5), left_out, left_out)
    duel = run_duel(results, VERSIONS, DuelRule())
    assert (duel.left_out, duel.remarks) == ({"test_g": "a burst"}, ("x",))


def test_the_regression_of_a_budget_is_the_rule_of_its_sample() -> None:
    allowed = PassResult(regressions={F: Fraction(1, 10)})
    duel = run_duel(passes(merge_results([measured(1.05), allowed])), VERSIONS, DuelRule(passes=2))
    assert duel.samples[0].rule.regression == Fraction(1, 10)


def test_the_progress_is_shown_after_each_pass() -> None:
    shown: list[DuelProgress] = []
    run_duel(passes(measured(1.5)), VERSIONS, DuelRule(passes=2), progress=shown.append)
    assert [(each.passes, each.compared) for each in shown] == [(1, 1), (2, 1)]


def test_of_two_results_the_later_counts_and_remarks_are_kept_once() -> None:
    earlier = PassResult(left_out={F: "a", G: "b"}, remarks=("x", "y"))
    later = PassResult(left_out={G: "c"}, remarks=("y", "z"))
    merged = merge_results([earlier, later])
    assert (merged.left_out, merged.remarks) == ({F: "a", G: "c"}, ("x", "y", "z"))
