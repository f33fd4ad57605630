"""`finish=`, and what is said about answers without it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from pytest_hancock_latency import LatencyError, ManualClock, Sample, Sampler, Warmup, measure
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode
from pytest_hancock_latency.reporting.advice import advice_words

from .conftest import Suite

MS = 1_000_000


def sampler(clock: ManualClock | None = None, *, warmup: int = 2) -> Sampler:
    plan = Plan(warmup=warmup, samples=4, max_samples=20, attribution=False)
    gate = ItemSettings("test_it.py::test", Mode.GATE, plan, None, strict=False, gates=1)
    return Sampler(gate, clock) if clock else Sampler(gate)


def rows(count: int) -> Iterator[int]:
    yield from range(count)


async def async_rows(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def read(items: AsyncIterator[int]) -> list[int]:
    return [item async for item in items]


async def fetch(path: str) -> str:
    return path


def first_of_pair(**keywords: Any) -> Callable[[Sampler], Any]:
    return lambda sample: sample.pairs(partial(rows, 3), partial(rows, 3), pairs=5, **keywords)[0]


SHAPES: dict[str, Callable[[Sampler], Any]] = {
    "sample": lambda sample: sample(rows, 3, finish=list).answer,
    "inputs": lambda sample: sample(rows, inputs=[3], finish=list).answer,
    "options": lambda sample: sample.options(finish=list)(rows, 3).answer,
    "burst": lambda sample: sample.burst(rows, 3, requests=4, finish=list).answers[-1],
    "burst of calls": lambda sample: sample.burst([partial(rows, 3)], finish=list).answers[0],
    "rate": lambda sample: sample.at_rate(
        rows, 3, per_second=1000, duration="3ms", finish=list
    ).answers[-1],
    "pairs": lambda sample: first_of_pair(finish=list)(sample).answer,
    "measure": lambda _: measure(rows, 3, samples=3, finish=list).answer,
}


# --- what it does ---------------------------------------------------------------------------------


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_finish_returns_is_the_answer_in_each_shape(shape: str, warmup: int) -> None:
    assert SHAPES[shape](sampler(warmup=warmup)) == [0, 1, 2]


ASYNC_SHAPES: dict[str, Callable[[Sampler], Any]] = {
    "sample": lambda sample: sample(fetch, "/", finish=str.encode),
    "burst": lambda sample: sample.burst(fetch, "/", requests=3, finish=str.encode),
    "rate": lambda sample: sample.at_rate(
        fetch, "/", per_second=1000, duration="3ms", finish=str.encode
    ),
    "measure": lambda _: measure(fetch, "/", samples=3, finish=str.encode),
}


def answer_of(measured: Any) -> Any:
    return measured.answer if type(measured) is Sample else measured.answers[-1]


@pytest.mark.parametrize("shape", ASYNC_SHAPES)
def test_finish_gets_the_awaited_answer_in_each_shape(shape: str) -> None:
    async def test() -> Any:
        return answer_of(await ASYNC_SHAPES[shape](sampler()))

    assert asyncio.run(test()) == b"/"


AWAITED: dict[str, Callable[[Sampler], Any]] = {
    "sample": lambda sample: sample(async_rows, 3, finish=read),
    "burst": lambda sample: sample.burst(async_rows, 3, requests=3, finish=read),
    "rate": lambda sample: sample.at_rate(
        async_rows, 3, per_second=1000, duration="3ms", finish=read
    ),
    "measure": lambda _: measure(async_rows, 3, samples=3, finish=read),
}


@pytest.mark.parametrize("shape", AWAITED)
def test_a_coroutine_function_as_finish_is_awaited_in_each_shape(shape: str) -> None:
    async def test() -> Any:
        return answer_of(await AWAITED[shape](sampler()))

    assert asyncio.run(test()) == [0, 1, 2]


@pytest.mark.parametrize("warmup", [0, 2])
def test_an_awaitable_that_finish_returns_is_awaited(warmup: int) -> None:
    async def test() -> Sample[Any]:
        sample = sampler(warmup=warmup)
        of_coroutines: Any = await sample(fetch, "/", finish=lambda path: fetch(path * 2), name="a")
        assert of_coroutines.answer == "//"
        of_functions: Any = sample(str, "/", finish=lambda path: fetch(path * 2), name="b")
        measured: Sample[Any] = await of_functions
        return measured

    assert asyncio.run(test()).answer == "//"


@pytest.mark.parametrize("warmup", [0, 2])
def test_an_awaitable_answer_of_a_plain_function_is_awaited_first(warmup: int) -> None:
    async def test() -> Any:
        measured: Any = sampler(warmup=warmup)(lambda: fetch("/"), finish=str.encode)
        return (await measured).answer

    assert asyncio.run(test()) == b"/"


def test_finish_is_inside_the_timed_window() -> None:
    clock = ManualClock()

    def finish(_: int) -> int:
        clock.advance(7 * MS)
        return 3

    measured = sampler(clock)(int, finish=finish)
    assert measured.observations.wall_ns.tolist() == [7 * MS] * 4


def test_check_sees_what_finish_returns() -> None:
    measured = sampler()(rows, 3, finish=list, check=lambda items: items == [0])
    assert measured.failures == {"check: returned False": 4}


def test_exceptions_of_finish_are_failures_if_they_are_named() -> None:
    def finish(_: int) -> None:
        raise ValueError("unreadable")

    assert sampler()(int, finish=finish, failures=(ValueError,)).failures == {"ValueError": 4}


def test_finish_waits_for_a_future() -> None:
    with ThreadPoolExecutor(1) as pool:
        measured = sampler()(pool.submit, time.sleep, 0.005, finish=Future.result)
    assert measured.p50_ms > 4
    assert measured.measurement.advice == ()


def test_outside_of_an_event_loop_finish_may_run_the_coroutine() -> None:
    assert sampler()(lambda: fetch("/"), finish=asyncio.run).answer == "/"


def test_a_warm_up_by_hand_finishes_its_answers() -> None:
    sample = sampler()
    Warmup(sample)(rows, 3, finish=list)
    measured = sample(rows, 3, finish=list)
    assert len(measured.measurement.warmup_ns) == 5


def test_a_keyword_finish_of_the_function_needs_partial() -> None:
    def plan(*, finish: int) -> int:
        return finish

    sample = sampler()
    assert sample(partial(plan, finish=3), name="partial").answer == 3
    assert sample.options(name="options")(plan, finish=4).answer == 4


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "call"),
    [
        ("sample", lambda sample: sample(rows, 3, finish=5)),
        ("sample.burst", lambda sample: sample.burst(rows, 3, requests=2, finish=5)),
        ("sample.at_rate", lambda sample: sample.at_rate(rows, 3, per_second=9, finish=5)),
        ("sample.pairs", first_of_pair(finish=5)),
        ("warmup", lambda sample: Warmup(sample)(rows, 3, finish=5)),
        ("measure", lambda _: measure(rows, 3, finish=5)),  # type: ignore[call-overload]
    ],
)
def test_finish_has_to_be_callable(shape: str, call: Callable[[Any], object]) -> None:
    with pytest.raises(LatencyError) as refused:
        call(sampler())
    assert str(refused.value) == (
        f"{shape}(): finish=5 is not callable: pass a function that is called with each answer, "
        "as in finish=list; a keyword of the measured function needs functools.partial"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda sample: sample(rows, 3, finish=read),
        lambda sample: sample.burst(rows, 3, requests=2, finish=read),
        lambda sample: sample.at_rate(rows, 3, per_second=9, finish=read),
        lambda sample: Warmup(sample)(rows, 3, finish=read),
        lambda _: measure(rows, 3, finish=read),
    ],
)
def test_a_coroutine_function_as_finish_needs_an_async_test(
    call: Callable[[Sampler], object],
) -> None:
    with pytest.raises(LatencyError) as refused:
        call(sampler())
    assert str(refused.value) == (
        "finish=read is a coroutine function, which only an async test can await: write "
        "`await sample(...)` in one, or pass a function"
    )


def test_a_pair_takes_no_coroutine_function_as_finish() -> None:
    with pytest.raises(LatencyError) as refused:
        first_of_pair(finish=read)(sampler())
    assert str(refused.value) == (
        "sample.pairs() compares functions, and read is a coroutine function: measure each with "
        "`await sample(...)`"
    )


def test_an_answer_that_must_be_awaited_is_refused_in_a_burst_before_it_is_finished() -> None:
    async def test() -> None:
        sampler().burst([lambda: fetch("/")], finish=str)

    with pytest.raises(LatencyError, match="is never awaited: nothing was measured"):
        asyncio.run(test())


@pytest.mark.parametrize("warmup", [0, 2])
def test_no_exception_that_counts_as_a_failure_hides_a_refusal(warmup: int) -> None:
    with pytest.raises(LatencyError, match="is never iterated"):
        sampler(warmup=warmup)(rows, 3, failures=(Exception,))


# --- what is said ---------------------------------------------------------------------------------


def test_a_refused_answer_fails_the_test_with_one_clear_error(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=500)
def test_squares(sample):
    sample(map, abs, [1, 2])
"""
    )
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">   *sample(map, abs, [[]1, 2[]])",
            "E   *Unfinished: the call returned a map that is never iterated: none of its items "
            "were computed. Give finish=list, which computes them inside the timed window, "
            "measure a function that uses them, or time them with sample.stream(...)",
        ]
    )


def test_an_unentered_context_manager_fails_the_test(suite: Suite) -> None:
    suite.write(
        """
import contextlib
@contextlib.contextmanager
def transaction():
    yield
@latency_budget(p50=500)
def test_transaction(sample):
    sample(transaction)
"""
    )
    suite.run().stdout.fnmatch_lines(
        [
            "E   *Unfinished: the call returned a _GeneratorContextManager that is never entered: "
            "none of its code ran. Measure a function that enters it using `with`, or give finish= "
            "one"
        ]
    )


def test_advice_is_in_the_summary_and_the_artifact_and_fails_nothing(suite: Suite) -> None:
    suite.write(
        """
import sqlite3
@latency_budget(p50=500, samples=4)
def test_rows(sample):
    sample(sqlite3.connect(":memory:").execute, "select 1")
"""
    )
    path = suite.path / "artifact.json"
    result = suite.run(f"--latency-json={path}")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "advice for test_it.py::test_rows: the call returned a Cursor whose rows were not "
            "fetched, which is not part of the latencies: to include it, give "
            "finish=lambda cursor: cursor.fetchall() (unfinished-answer)"
        ]
    )
    (record,) = json.loads(path.read_text(encoding="utf-8"))["samples"]
    assert [each["kind"] for each in record["measurement"]["advice"]] == ["unfinished-answer"]


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize(
    "measured",
    [
        lambda sample, call: sample(call),
        lambda sample, call: sample.burst([call] * 3),
        lambda sample, call: sample.at_rate(call, per_second=1000, duration="3ms"),
        lambda sample, call: sample.pairs(call, int, pairs=5)[0],
    ],
    ids=["sample", "burst", "rate", "pairs"],
)
def test_an_unfinished_answer_gets_advice_in_each_shape(
    measured: Callable[..., Any], warmup: int
) -> None:
    never: Future[None] = Future()
    sample = measured(sampler(warmup=0 if warmup else 2), lambda: [never])
    words = [advice_words(each) for each in sample.measurement.advice]
    assert (
        "the call returned a list with a Future that was not finished, which is not part of the "
        "latencies: to include it, give finish= a function that applies Future.result to it"
    ) in words


def test_an_unfinished_answer_that_was_awaited_gets_advice() -> None:
    async def submit() -> Future[None]:
        return Future()

    async def test() -> list[str]:
        measured = await sampler()(submit)
        return [each.kind for each in measured.measurement.advice]

    assert asyncio.run(test()) == ["unfinished-answer"]


def test_a_failed_response_gets_advice(suite: Suite) -> None:
    suite.write(
        """
from flask import Flask
client = Flask("empty").test_client()
@latency_budget(p50=500, samples=4)
def test_page(sample):
    sample(client.get, "/missing", name="unchecked")
    sample(client.get, "/missing", name="checked", check=lambda r: r.status_code == 404)
"""
    )
    result = suite.run()
    result.assert_outcomes(passed=1)
    lines = [line for line in result.outlines if "failed-answer" in line]
    assert lines == [
        "advice for test_it.py::test_page [unchecked]: the call returned a response with status "
        "404, which counts like any other and is often faster: give check=, for example "
        "check=lambda response: response.status_code == 200 (failed-answer)"
    ]


CACHED = """
import functools
@functools.cache
def search():
    cpu.use(0.05)
"""


def test_a_cache_that_answers_all_calls_but_the_first_gets_advice(suite: Suite) -> None:
    suite.write(f"{CACHED}@latency_budget(p50=500)\ndef test_search(sample): sample(search)\n")
    suite.run().stdout.fnmatch_lines(
        [
            "advice for test_it.py::test_search: the first call took * ms, the median * ns: if "
            "later calls find its result in a cache, or nothing left to do, give each call an "
            "input of its own with inputs=, or prepare it with sample.rounds(setup=); if it only "
            "connected or compiled something, nothing is wrong (first-call)"
        ]
    )


def test_a_first_call_that_never_blocks_gets_advice_while_other_threads_compute(
    suite: Suite,
) -> None:
    suite.write(
        CACHED
        + """
import hashlib, threading
@latency_budget(p50=500)
def test_search(sample):
    hashing = ("sha256", b"", b"", 3_000_000)  # keeps no lock of the interpreter
    other = threading.Thread(target=hashlib.pbkdf2_hmac, args=hashing)
    other.start()
    sample(search)
    other.join()
"""
    )
    suite.run().stdout.fnmatch_lines(["advice for *: the first call took *(first-call)"])


def test_a_first_call_that_imports_modules_gets_no_advice(suite: Suite) -> None:
    suite.write("import cpu\ncpu.use(0.05)\n", name="slow_to_import.py")
    suite.write(
        """
def search():
    import slow_to_import
@latency_budget(p50=500)
def test_search(sample):
    sample(search)
"""
    )
    suite.run().stdout.no_fnmatch_line("*first-call*")


def test_a_warm_up_by_hand_is_not_taken_for_the_first_call(suite: Suite) -> None:
    suite.write(
        """
@latency_budget(p50=500)
def test_search(sample, warmup):
    warmup(cpu.use, 0.02)
    sample(len, "")
"""
    )
    suite.run().stdout.no_fnmatch_line("*first-call*")


def test_without_a_warm_up_each_input_is_used_once_before_it_is_used_again() -> None:
    inputs_of_calls: list[int] = []
    sampler(warmup=0)(inputs_of_calls.append, inputs=[1, 2, 3], order="given")
    assert inputs_of_calls == [1, 2, 3, 1]
