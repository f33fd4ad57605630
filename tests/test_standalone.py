"""Measuring and judging without pytest: as documented, in processes of their own, and by hand."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency import (
    BudgetError,
    DurationError,
    LatencyError,
    NothingMeasured,
    Outcome,
    Sample,
    judge,
    measure,
)
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.sample import Measurement, Observations

ROOT = Path(__file__).resolve().parents[1]
MS = 1_000_000


def python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def sample_of(*latencies_ms: int, failed: int = 0, loop: str = "closed") -> Sample:
    wall = np.array(latencies_ms, dtype=np.int64) * MS
    observations = Observations(wall, wall, np.arange(len(wall)) * 100 * MS)
    measurement = Measurement(loop=loop, elapsed_ns=len(wall) * 100 * MS)
    return Sample(
        "s", observations, {"ValueError": failed} if failed else {}, measurement=measurement
    )


def test_the_documented_lines_run_in_a_script() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    section = page.partition("## Without pytest")[2]
    (code,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert re.fullmatch(r"\d+ (True|False) \d+\.\d+ \d+\n", python(code))


def test_importing_it_imports_neither_pytest_nor_numpy() -> None:
    heavy = "{'pytest', '_pytest', 'numpy', 'flask', 'locust', 'gevent'}"
    code = "import sys; from pytest_hancock_latency import judge, measure; "
    assert python(f"{code} print({heavy} & set(sys.modules))") == "set()\n"


def test_measuring_imports_no_pytest() -> None:
    code = "import sys; from pytest_hancock_latency import judge, measure; "
    code += "judge(measure(int, samples=60), {'p50': 500}); print('pytest' in sys.modules)"
    assert python(code) == "False\n"


def test_a_sample_has_so_many_calls_and_the_name_of_its_function() -> None:
    sample = measure(sorted, [3, 1], reverse=True, samples=30, warmup=2)
    assert (sample.n, sample.name, sample.answer) == (30, "sorted", [3, 1])
    assert len(sample.measurement.warmup_ns) == 2
    assert (sample.verdict, sample.within) == (None, False)


def test_calls_have_inputs_and_checks_as_in_a_test() -> None:
    sample = measure(int, inputs=["1", "x", "0"], failures=(ValueError,), check=bool, samples=9)
    assert (sample.n, sample.failures) == (3, {"ValueError": 3, "check: returned False": 3})


def test_measuring_ends_with_the_call_in_which_the_time_is_over() -> None:
    assert measure(sum, range(10**5), time_limit="1ms", warmup=0).n < 1000


def test_long_calls_have_the_same_attribution_as_in_a_test() -> None:
    sample = measure(sum, range(10**4), samples=30)
    why = sample.measurement.why_no_bracket
    assert sample.measurement.bracket or why
    assert measure(int, samples=5, attribution=False).measurement.why_no_bracket == (
        "attribution is off"
    )


def test_coroutines_are_awaited() -> None:
    async def fetch(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def script() -> tuple[Sample, Sample]:
        return await measure(fetch, 7, samples=5), await measure(lambda: fetch(8), samples=5)

    declared, seen = asyncio.run(script())
    assert (declared.n, declared.answer, seen.n, seen.answer) == (5, 7, 5, 8)


def test_outside_an_event_loop_a_coroutine_is_refused() -> None:
    async def fetch() -> None:
        """Never awaited."""

    with pytest.raises(LatencyError, match="that is never awaited: nothing was measured"):
        measure(lambda _=None: fetch())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"samples": 0}, "samples=0 must be a whole number of at least 1"),
        ({"samples": True}, "samples=True must be a whole number of at least 1"),
        (
            {"warmup": "soon"},
            "warmup: 'soon' is not a warm-up: "
            "write a number of calls, a time such as '2s', or 'auto'",
        ),
        (
            {"time_limit": 0},
            "time_limit: 0 is not a duration: it must be greater than zero",
        ),
        ({"inputs": []}, "inputs= is empty: sample(function, inputs=...) needs at least one"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_call(
    how: dict[str, Any], message: str
) -> None:
    calls: list[Any] = []
    with pytest.raises(LatencyError) as refused:
        measure(calls.append, **how)
    assert (str(refused.value), calls) == (message, [])


def test_the_answer_of_a_function_is_not_a_function() -> None:
    with pytest.raises(LatencyError) as refused:
        measure(7)  # type: ignore[call-overload]
    assert str(refused.value) == (
        "measure() needs a function, not an int: pass the function and its arguments, not its "
        "return value, as in measure(client.get, '/health')"
    )


@pytest.mark.parametrize(
    ("sample", "outcome"),
    [
        (sample_of(*[1] * 100), Outcome.WITHIN),
        (sample_of(*[90] * 100), Outcome.EXCEEDED),
        (sample_of(*[9, 11] * 50), Outcome.INCONCLUSIVE),
        (sample_of(*[1] * 100, failed=50), Outcome.EXCEEDED),
        (sample_of(*[90] * 100, loop="burst"), Outcome.EXCEEDED),
    ],
    ids=["within", "exceeded", "near", "failed", "burst"],
)
def test_a_sample_is_judged_by_a_budget(sample: Sample, outcome: Outcome) -> None:
    for budget in ({"p50": 10}, {"p50": "10ms"}, parse_terms({"p50": 10}).budget()):
        judged = judge(sample, budget)
        assert judged.verdict is not None
        assert (judged.verdict.outcome, judged.within) == (outcome, outcome is Outcome.WITHIN)
        assert judged.observations is sample.observations


def test_a_sample_that_was_judged_may_be_judged_again() -> None:
    sample = judge(sample_of(*[5] * 100), {"p50": 10})
    assert (sample.within, judge(sample, {"p50": 1}).within) == (True, False)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (50, "budget=50 is not a mapping such as {'p50': 10, 'p99': '50ms'}"),
        ({"p50": "soon"}, None),
        (
            {"p50": 1, "warmup": 3},
            "warmup is only for tests: judge() accepts limits, errors and least_time",
        ),
    ],
)
def test_an_invalid_budget_is_refused(budget: Any, message: str | None) -> None:
    with pytest.raises(BudgetError) as refused:
        judge(sample_of(1), budget)
    assert str(refused.value) == (
        message
        or "p50: 'soon' is not a duration: "
        "write a number of milliseconds or a string such as '250us', '10ms' or '1.5s'"
    )


def test_nothing_measured_is_not_a_pass() -> None:
    with pytest.raises(NothingMeasured) as refused:
        judge(sample_of(), {"p50": 10})
    assert str(refused.value) == "'s' has no observations to judge"


def test_an_invalid_duration_is_also_a_value_error() -> None:
    with pytest.raises(DurationError):
        measure(int, warmup=-1)
