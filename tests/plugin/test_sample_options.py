"""`sample.options(…)` measures what keywords do, and leaves all arguments to the function."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_hancock_latency import LatencyError, LoadSample, OpenLoopSample, Sample, Sampler
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode


@pytest.fixture
def sample() -> Sampler:
    plan = Plan(warmup=0, samples=4, max_samples=20, attribution=False)
    return Sampler(ItemSettings("test_it.py::test", Mode.GATE, plan, None, strict=False, gates=1))


def search(word: str, *, name: str = "", requests: int = 0) -> tuple[str, str, int]:
    return word, name, requests


async def fetch(path: str) -> str:
    return path


def test_options_measure_a_closed_loop(sample: Sampler) -> None:
    measured = sample.options(name="named", check=bool)(search, "needle")
    assert (measured.name, measured.n, measured.answer) == ("named", 4, ("needle", "", 0))
    assert [kept.name for kept in sample.samples] == ["named"]


def test_options_check_each_answer(sample: Sampler) -> None:
    measured = sample.options(check=lambda answer: answer > 1)(int, "1")
    assert measured.failures == {"check: returned False": 4}


def test_options_name_exceptions_that_are_failures(sample: Sampler) -> None:
    measured = sample.options(failures=(ValueError,))(int, "one")
    assert measured.failures == {"ValueError": 4}
    assert isinstance(measured.answer, ValueError)


def test_keywords_after_the_function_belong_to_the_function(sample: Sampler) -> None:
    measured = sample.options(name="named")(search, "needle", name="own", requests=3)
    assert (measured.name, measured.answer) == ("named", ("needle", "own", 3))


def test_inputs_are_the_last_argument_of_each_call(sample: Sampler) -> None:
    got: list[int] = []
    sample.options(inputs=[1, 2, 3], order="given")(list.insert, got, 0)
    assert got == [1, 3, 2, 1]


def test_options_with_requests_make_a_burst(sample: Sampler) -> None:
    burst = sample.options(requests=3, concurrency=2, name="burst").burst(search, "a", requests=9)
    assert type(burst) is LoadSample
    assert (burst.name, burst.answers) == ("burst", (("a", "", 9),) * 3)


def test_options_with_a_rate_make_an_open_loop(sample: Sampler) -> None:
    rate = sample.options(per_second=1000, duration="5ms").at_rate(search, "a")
    assert type(rate) is OpenLoopSample
    assert rate.answers == (("a", "", 0),) * 5
    assert rate.uncorrected.n == 5


def test_options_measure_coroutine_functions_in_each_shape(sample: Sampler) -> None:
    async def test() -> tuple[Sample[str], LoadSample[str], OpenLoopSample[str]]:
        rate = sample.options(per_second=1000, duration="2ms", name="rate")
        return (
            await sample.options(name="closed")(fetch, "/"),
            await sample.options(requests=2, name="burst").burst(fetch, "/"),
            await rate.at_rate(fetch, "/"),
        )

    closed, burst, rate = asyncio.run(test())
    assert (closed.answer, burst.answers, rate.answers) == ("/", ("/", "/"), ("/", "/"))


def test_a_function_without_arguments_is_called_directly(
    sample: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []
    calls = Request.calls

    def noted(request: Request, count: int) -> Any:
        called.append(request.call)
        return calls(request, count)

    monkeypatch.setattr(Request, "calls", noted)
    sample.options(name="named")(dict)
    assert set(called) == {dict}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"chekc": bool},
            "sample.options(): unknown option 'chekc' (did you mean \"check\"?): "
            "must be any of inputs, order, name, check, finish, failures",
        ),
        (
            {"order": "given"},
            "sample.options(): order= is that of inputs: give inputs= as well",
        ),
        (
            {"requests": 3, "failures": (KeyError,)},
            "sample.options(): unknown option 'failures': "
            "must be any of requests, concurrency, repeat, before, name, check, finish",
        ),
        (
            {"per_second": 3, "requests": 3},
            "sample.options(): unknown option 'requests': "
            "must be any of per_second, duration, arrivals, concurrency, name, check, finish",
        ),
    ],
)
def test_a_keyword_of_another_shape_is_refused(
    sample: Sampler, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(LatencyError) as refused:
        sample.options(**keywords)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("keywords", "method", "caller"),
    [
        ({}, "__call__", "sample"),
        ({"inputs": [1]}, "__call__", "sample"),
        ({"requests": 3}, "burst", "sample.burst"),
        ({"per_second": 3}, "at_rate", "sample.at_rate"),
    ],
)
def test_an_answer_in_place_of_the_function_is_refused(
    sample: Sampler, keywords: dict[str, Any], method: str, caller: str
) -> None:
    with pytest.raises(LatencyError) as refused:
        getattr(sample.options(**keywords), method)(5)
    assert str(refused.value) == (
        f"{caller}() needs a function, not an int: pass the function and its arguments, "
        f"not its return value, as in {caller}(client.get, '/health')"
    )
