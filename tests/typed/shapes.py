"""Each shape of load as a type checker sees it: the types of its results, and mistakes.

The comment after each mistake names the error of mypy and the rule of basedpyright. Checked in
tests/test_typed.py, and never run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterator
from functools import partial
from typing import Any, assert_type

from pytest_hancock_latency import (
    GrowthSample,
    LoadSample,
    OpenLoopSample,
    Sample,
    Sampler,
    Warmup,
    measure,
)


def parse(text: str, *, base: int = 10) -> int:
    return int(text, base)


def now() -> float:
    return 0.0


def search(index: bytes, word: str) -> list[int]:
    return [index.find(word.encode())]


def is_long(text: str) -> bool:
    return len(text) > 10


async def fetch(path: str) -> bytes:
    return path.encode()


async def ping() -> None: ...


def get(path: str) -> Awaitable[bytes]:
    return fetch(path)


def rows(count: int) -> Iterator[int]:
    yield from range(count)


def none_left(left: Iterator[int]) -> bool:
    return not list(left)


async def decoded(body: bytes) -> str:
    return body.decode()


async def all_of(items: Iterator[int]) -> list[int]:
    return list(items)


# --- the closed loop ------------------------------------------------------------------------------


def closed_loop(sample: Sampler) -> None:
    assert_type(sample(parse, "1"), Sample[int])
    assert_type(sample(parse, "1", name="named", check=bool).answer, int)
    assert_type(sample(parse, "1", check=lambda number: number.bit_length() > 1).answer, int)
    assert_type(sample(parse, "1", failures=(OSError,)).answer, int | OSError)
    assert_type(sample(search, b"", inputs=["a", "b"], order="given").answer, list[int])
    assert_type(sample(dict[str, int]).answer, dict[str, int])
    assert_type(sample(partial(parse, "1")).answer, int)
    assert_type(sample(lambda: 1.5).answer, float)
    of_any_answer: Sample = sample(parse, "1")
    of_any_answer.answer.no_such_thing


def closed_loop_mistakes(sample: Sampler) -> None:
    sample(parse, "1").answer.status_code  # error: attr-defined, reportAttributeAccessIssue
    sample(parse, "1").answers  # error: attr-defined, reportAttributeAccessIssue
    sample(parse, "1").uncorrected  # error: attr-defined, reportAttributeAccessIssue
    sample(parse, "1", check=is_long)  # error: arg-type, reportCallIssue
    sample(parse, "1", inputs=5)  # error: call-overload, reportCallIssue
    sample(parse, "1", failures=KeyError)  # error: call-overload, reportCallIssue
    sample(parse("1"))  # error: call-overload, reportCallIssue


async def closed_loop_of_coroutines(sample: Sampler) -> None:
    not_awaited: Coroutine[Any, Any, Sample[bytes]] = sample(fetch, "/")
    not_awaited.close()
    assert_type((await sample(fetch, "/")).answer, bytes)
    assert_type((await sample(get, "/", check=lambda body: body.isascii())).answer, bytes)
    assert_type((await sample(fetch, failures=(OSError,))).answer, bytes | OSError)
    await sample(ping)


async def closed_loop_mistakes_of_coroutines(sample: Sampler) -> None:
    sample(fetch, "/")  # error: unused-coroutine, reportUnusedCoroutine
    sample(get, "/")  # error: unused-coroutine, reportUnusedCoroutine
    sample(fetch, "/").answer  # error: attr-defined, reportAttributeAccessIssue
    await sample(parse, "1")  # error: misc, reportGeneralTypeIssues
    await sample(fetch, "/", check=is_long)  # error: misc, reportCallIssue


# --- growth ---------------------------------------------------------------------------------------


def growth(sample: Sampler) -> None:
    growing = sample.scaling(parse, make=str, at_most="n", name="parse", check=bool)
    assert_type(growing, GrowthSample[int])
    assert_type(growing.answer, int)
    assert_type(growing.growth, float | None)
    assert_type(growing.sizes, tuple[int, ...])
    given = sample.scaling(rows, make=int, at_most="n", sizes=[1, 2, 3], finish=list)
    assert_type(given.answer, list[Any])
    plain: Sample = growing
    assert plain.n


async def growth_of_coroutines(sample: Sampler) -> None:
    assert_type(await sample.scaling(fetch, make=str, at_most="n"), GrowthSample[bytes])


def growth_mistakes(sample: Sampler) -> None:
    sample.scaling(parse, at_most="n")  # error: call-overload, reportCallIssue
    sample.scaling(parse, make=str)  # error: call-overload, reportCallIssue
    sample.scaling(parse, make=int, at_most="n")  # error: misc, reportCallIssue
    sample.scaling(parse, make=str, at_most=1)  # error: call-overload, reportCallIssue


# --- bursts ---------------------------------------------------------------------------------------


def bursts(sample: Sampler) -> None:
    burst = sample.burst(parse, "1", requests=120, concurrency=24, name="burst", check=bool)
    assert_type(burst, LoadSample[int])
    assert_type(burst.answers, tuple[int | Exception, ...])
    assert_type(burst.p99_ms, float)
    assert_type(sample.burst([now, now]).answers, tuple[float | Exception, ...])
    assert_type(sample.burst(partial(parse, text) for text in "12"), LoadSample[int])
    plain: Sample = burst
    assert plain.n
    repeated = sample.burst(parse, "1", requests=120, repeat="decided", before=now)
    assert_type(repeated, LoadSample[int])
    assert_type(sample.burst([now, now], repeat=20, before=ping), LoadSample[float])
    assert_type(repeated.bursts[0].elapsed_ns, int)


def burst_mistakes(sample: Sampler) -> None:
    burst = sample.burst(parse, "1", requests=120)
    burst.no_such_thing  # error: attr-defined, reportAttributeAccessIssue
    burst.answers[0].bit_length()  # error: union-attr, reportAttributeAccessIssue
    burst.uncorrected  # error: attr-defined, reportAttributeAccessIssue
    sample.burst(parse, "1")  # error: call-overload, reportCallIssue
    sample.burst([parse])  # error: arg-type, reportCallIssue
    sample.burst([now], requests=3)  # error: call-overload, reportCallIssue
    sample.burst(parse, "1", requests="120")  # error: call-overload, reportCallIssue
    sample.burst(parse, "1", requests=120, repeat="until")  # error: call-overload, reportCallIssue
    sample.burst(parse, "1", requests=120, before=3)  # error: call-overload, reportCallIssue
    sample.burst(parse, "1", requests=120, check=is_long)  # error: arg-type, reportCallIssue


async def bursts_of_coroutines(sample: Sampler) -> None:
    burst = await sample.burst(fetch, "/", requests=120, check=bool)
    assert_type(burst.answers, tuple[bytes | Exception, ...])
    assert_type(await sample.burst([ping] * 10), LoadSample[None])


async def burst_mistakes_of_coroutines(sample: Sampler) -> None:
    sample.burst(fetch, "/", requests=120)  # error: unused-coroutine, reportUnusedCoroutine
    sample.burst([ping] * 10)  # error: unused-coroutine, reportUnusedCoroutine
    sample.burst(fetch, requests=9).answers  # error: attr-defined, reportAttributeAccessIssue
    await sample.burst(parse, "1", requests=9)  # error: misc, reportGeneralTypeIssues


# --- open loops -----------------------------------------------------------------------------------


def open_loops(sample: Sampler) -> None:
    rate = sample.at_rate(parse, "1", per_second=200, duration="2s", arrivals="poisson", check=bool)
    assert_type(rate, OpenLoopSample[int])
    assert_type(rate.answers, tuple[int | Exception, ...])
    assert_type(rate.uncorrected, Sample[None])
    assert rate.uncorrected.p95_ms < rate.p95_ms
    burst: LoadSample[object] = rate
    assert burst.n


def open_loop_mistakes(sample: Sampler) -> None:
    rate = sample.at_rate(parse, "1", per_second=200)
    rate.no_such_thing  # error: attr-defined, reportAttributeAccessIssue
    rate.uncorrected.p95ms  # error: attr-defined, reportAttributeAccessIssue
    sample.at_rate(parse, "1")  # error: call-overload, reportCallIssue
    sample.at_rate(parse, "1", per_second="9")  # error: call-overload, reportCallIssue
    sample.at_rate(parse, per_second=9, arrivals="even")  # error: call-overload, reportCallIssue
    sample.at_rate(parse, per_second=9, check=is_long)  # error: arg-type, reportCallIssue


async def open_loops_of_coroutines(sample: Sampler) -> None:
    rate = await sample.at_rate(fetch, "/", per_second=200)
    assert_type(rate.answers, tuple[bytes | Exception, ...])
    assert_type(rate.uncorrected, Sample[None])


async def open_loop_mistakes_of_coroutines(sample: Sampler) -> None:
    sample.at_rate(fetch, "/", per_second=9)  # error: unused-coroutine, reportUnusedCoroutine
    sample.at_rate(ping, per_second=9).n  # error: attr-defined, reportAttributeAccessIssue
    await sample.at_rate(parse, "1", per_second=9)  # error: misc, reportGeneralTypeIssues


# --- options: the function's own arguments are checked as well ------------------------------------


def options(sample: Sampler) -> None:
    assert_type(sample.options()(parse, "1", base=2), Sample[int])
    assert_type(sample.options(name="named", check=bool)(parse, "1").answer, int)
    assert_type(sample.options(failures=(OSError,))(parse, "1").answer, int | OSError)
    assert_type(sample.options(inputs=["a", "b"], order="given")(search, b"").answer, list[int])
    assert_type(sample.options(inputs="ab", failures=(OSError,))(parse).answer, int | OSError)
    assert_type(sample.options(requests=120, concurrency=24).burst(parse, "1"), LoadSample[int])
    assert_type(sample.options(per_second=200).at_rate(parse, "1"), OpenLoopSample[int])


def option_mistakes(sample: Sampler) -> None:
    named = sample.options(name="named", check=bool)
    named(parse)  # error: call-overload, reportCallIssue
    named(parse, 1)  # error: call-overload, reportCallIssue
    named(parse, "1", bsae=2)  # error: arg-type, reportCallIssue
    named(parse("1"))  # error: call-overload, reportCallIssue
    named.burst(parse, "1")  # error: attr-defined, reportAttributeAccessIssue
    named.at_rate(parse, "1")  # error: attr-defined, reportAttributeAccessIssue
    sample.options(chekc=bool)  # error: call-overload, reportCallIssue
    sample.options(requests=9, failures=(KeyError,))  # error: call-overload, reportCallIssue
    sample.options(requests=9, per_second=9)  # error: call-overload, reportCallIssue
    sample.options(inputs=[1])(parse)  # error: arg-type, reportCallIssue
    sample.options(inputs=["a"])(search)  # error: arg-type, reportCallIssue
    sample.options(requests=9)(parse, "1")  # error: operator, reportCallIssue
    sample.options(requests=9).burst(parse, 1)  # error: call-overload, reportCallIssue
    sample.options(per_second=9).at_rate(parse, 1)  # error: call-overload, reportCallIssue


async def options_of_coroutines(sample: Sampler) -> None:
    assert_type((await sample.options(check=bool)(fetch, "/")).answer, bytes)
    assert_type((await sample.options(inputs=["/"])(fetch)).answer, bytes)
    assert_type(await sample.options(requests=9).burst(fetch, "/"), LoadSample[bytes])
    assert_type(await sample.options(per_second=9).at_rate(fetch, "/"), OpenLoopSample[bytes])


async def option_mistakes_of_coroutines(sample: Sampler) -> None:
    sample.options(name="a")(fetch, "/")  # error: unused-coroutine, reportUnusedCoroutine
    sample.options(inputs="/")(fetch)  # error: unused-coroutine, reportUnusedCoroutine
    sample.options(requests=9).burst(ping)  # error: unused-coroutine, reportUnusedCoroutine
    sample.options(per_second=9).at_rate(ping)  # error: unused-coroutine, reportUnusedCoroutine
    await sample.options(name="a")(fetch)  # error: call-overload, reportCallIssue


# --- pairs ----------------------------------------------------------------------------------------


def pairs(sample: Sampler) -> None:
    new, old = sample.pairs(now, partial(parse, "1"), pairs=20, by="20%", names=("new", "old"))
    assert_type(new, Sample[float])
    assert_type(old.answer, int)
    assert_type(bool(new.faster_than(old)), bool)


def pair_mistakes(sample: Sampler) -> None:
    sample.pairs(now, parse)  # error: arg-type, reportArgumentType
    sample.pairs(now)  # error: call-overload, reportCallIssue
    sample.pairs(now, now)[0].answer.real_part  # error: attr-defined, reportAttributeAccessIssue
    sample.pairs(now, now)[0].faster_than(now)  # error: arg-type, reportArgumentType


# --- finish= --------------------------------------------------------------------------------------


def finishing(sample: Sampler, warmup: Warmup) -> None:
    assert_type(sample(rows, 3, finish=list).answer, list[Any])
    assert_type(
        sample(rows, 3, finish=none_left, check=bool, failures=(OSError,)).answer, bool | OSError
    )
    assert_type(sample.burst(rows, 3, requests=2, finish=list), LoadSample[list[Any]])
    assert_type(sample.burst([partial(rows, 3)], finish=list), LoadSample[list[Any]])
    assert_type(sample.at_rate(rows, 3, per_second=9, finish=list), OpenLoopSample[list[Any]])
    new, old = sample.pairs(partial(rows, 3), partial(rows, 3), finish=list)
    assert_type(new, Sample[list[Any]])
    assert_type(old, Sample[list[Any]])
    assert_type(measure(rows, 3, finish=list).answer, list[Any])
    sample.options(finish=list)(rows, 3)
    warmup(rows, 3, finish=list)


async def finishing_coroutines(sample: Sampler) -> None:
    assert_type((await sample(rows, 3, finish=all_of)).answer, list[int])
    assert_type(await sample.burst(rows, 3, requests=2, finish=all_of), LoadSample[list[int]])
    assert_type((await sample(fetch, "/", finish=decoded)).answer, Any)
    assert_type((await sample(fetch, "/", finish=bytes.decode)).answer, Any)


def finishing_mistakes(sample: Sampler) -> None:
    sample(rows, 3, finish=5)  # error: call-overload, reportCallIssue
    sample(rows, 3, finish=all_of)  # error: unused-coroutine, reportUnusedCoroutine


# --- rounds ---------------------------------------------------------------------------------------


def rounds(sample: Sampler) -> None:
    for number in sample.rounds():
        assert_type(number, int)
        with sample.observe():
            pass
    prepared = sample.rounds(setup=now, name="prepared")
    for value in prepared:
        assert_type(value, float)
    assert_type(prepared.sample, Sample[None] | None)


def rounds_propagate_exceptions(sample: Sampler) -> int:
    with sample.observe():
        measured = parse("1")
    with sample.observe():
        return measured


def round_mistakes(sample: Sampler) -> None:
    for number in sample.rounds():
        number.no_such_thing  # error: attr-defined, reportAttributeAccessIssue
    for value in sample.rounds(setup=now):
        value.no_such_thing  # error: attr-defined, reportAttributeAccessIssue
    sample.rounds(setup=parse)  # error: arg-type, reportArgumentType
    sample.rounds(setup=5)  # error: call-overload, reportArgumentType
    sample.rounds().sample.n  # error: union-attr, reportOptionalMemberAccess


# --- warming up -----------------------------------------------------------------------------------


def warming_up(warmup: Warmup) -> None:
    warmup(parse, "1", base=2)
    warmup(parse, "1", base=2, times=3)


def warmup_mistakes(warmup: Warmup) -> None:
    warmup(parse, 1)  # error: call-overload, reportArgumentType
    warmup(parse, "1", bsae=2)  # error: call-arg, reportCallIssue
    warmup(parse, "1", times="3")  # error: call-arg, reportCallIssue


# --- without pytest -------------------------------------------------------------------------------


def measuring() -> None:
    assert_type(measure(parse, "1", samples=10, warmup="auto", check=bool), Sample[int])
    assert_type(measure(parse, inputs=["1"], failures=(OSError,)).answer, int | OSError)


def measuring_mistakes() -> None:
    measure(parse, "1").answer.status_code  # error: attr-defined, reportAttributeAccessIssue
    measure(parse, "1", check=is_long)  # error: arg-type, reportCallIssue
    measure(parse, "1", samples="many")  # error: call-overload, reportCallIssue


async def measuring_coroutines() -> None:
    assert_type((await measure(fetch, "/")).answer, bytes)
    measure(fetch, "/")  # error: unused-coroutine, reportUnusedCoroutine
