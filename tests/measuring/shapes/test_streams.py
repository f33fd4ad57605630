"""Streams: when their items come, and what is not a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.measuring.clock import ManualClock
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.shapes.streams import (
    Items,
    Stream,
    StreamTaker,
    is_awaited,
)
from pytest_hancock_latency.measuring.stages import Stages
from pytest_hancock_latency.measuring.takers.bare import BareTaker

MS = 1_000_000
clock = ManualClock()


def arriving(*times_ms: float, end_ms: float = 0) -> Callable[[], Iterator[str]]:
    """A function whose items come after these times, each after the one before it."""

    def items() -> Iterator[str]:
        for at, ms in enumerate(times_ms):
            clock.advance(round(ms * MS))
            yield f"item {at}"
        clock.advance(round(end_ms * MS))

    return items


class Lines:
    """A response that is read by lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def iter_lines(self) -> Iterator[str]:
        return iter(self._lines)

    async def aiter_lines(self) -> AsyncIterator[str]:
        for line in self._lines:
            yield line


def stream(items: Items | type | None = None) -> Stream:
    return Stream(clock, "the call of chat", items, 0)


def consumed(function: Callable[[], Any], items: Items | type | None = None) -> Any:
    made = stream(items)
    made.begin()
    return made.consuming(function)(), made.reached_ns


def awaited(function: Callable[[], Any]) -> Any:
    made = stream()
    made.begin()
    return asyncio.run(_awaited(made.consuming_coroutine(function)))


async def _awaited(call: Callable[[], Any]) -> Any:
    return await call()


def test_the_first_item_and_the_longest_gap_are_noted() -> None:
    items, reached_ns = consumed(arriving(30, 5, 12, 7, end_ms=90))
    assert items == ["item 0", "item 1", "item 2", "item 3"]
    assert reached_ns == {"first": 30 * MS, "gap": 12 * MS}


def test_a_single_item_has_no_gap() -> None:
    assert consumed(arriving(30)) == (["item 0"], {"first": 30 * MS})


def test_chunks_that_complete_no_item_are_part_of_the_gap() -> None:
    def whole_words(chunk: str) -> list[str]:
        return chunk.split() if chunk.endswith(("1", "3")) else []

    items, reached_ns = consumed(arriving(1, 2, 4, 8), whole_words)
    assert items == ["item", "1", "item", "3"]
    assert reached_ns == {"first": 3 * MS, "gap": 12 * MS}


def test_a_class_keeps_half_an_item_within_a_call() -> None:
    class Pairs:
        def __init__(self) -> None:
            self._half: list[str] = []

        def __call__(self, chunk: str) -> list[list[str]]:
            self._half.append(chunk)
            if len(self._half) < 2:
                return []
            pair, self._half = self._half, []
            return [pair]

    made = stream(Pairs)
    for _ in range(2):
        made.begin()
        items = made.consuming(arriving(1, 2, 4, 8, 16))()
        assert items == [["item 0", "item 1"], ["item 2", "item 3"]]


def test_of_a_response_lines_with_text_are_items() -> None:
    items, _ = consumed(lambda: Lines("data: a", "", "data: b", " "))
    assert items == ["data: a", "data: b"]


def test_what_has_to_be_entered_is_entered() -> None:
    closed = []

    @contextmanager
    def response() -> Iterator[Lines]:
        yield Lines("a", "b")
        closed.append(True)

    assert consumed(response)[0] == ["a", "b"]
    assert closed == [True]


def test_a_response_of_requests_does_not_wait_for_512_bytes() -> None:
    class Raw:
        chunked = True

    class Response:
        raw = Raw()

        def iter_content(self) -> Iterator[bytes]:
            raise AssertionError("lines come first")

        def iter_lines(self, chunk_size: int | None = 512) -> Iterator[bytes]:
            return iter([f"{chunk_size}".encode()])

    assert consumed(Response)[0] == [b"None"]
    Raw.chunked = False
    assert consumed(Response)[0] == [b"1"]


async def counting() -> AsyncIterator[int]:
    for number in range(3):
        clock.advance(MS)
        yield number


async def answering() -> Lines:
    return Lines("a", "", "b")


@asynccontextmanager
async def entering() -> AsyncIterator[Lines]:
    yield Lines("a")


@pytest.mark.parametrize(
    ("function", "items"), [(counting, [0, 1, 2]), (answering, ["a", "b"]), (entering, ["a"])]
)
def test_streams_of_an_event_loop_are_awaited(
    function: Callable[[], Any], items: list[Any]
) -> None:
    assert is_awaited(function)
    assert awaited(function) == items


def test_a_coroutine_may_return_a_plain_stream() -> None:
    async def listing() -> Iterator[str]:
        return iter("ab")

    assert awaited(listing) == ["a", "b"]


def test_a_request_that_a_coroutine_returns_is_awaited_as_well() -> None:
    class Request:
        """As of aiohttp, whose request can be awaited, entered and iterated."""

        def __await__(self) -> Iterator[Any]:
            yield from ()
            return Lines("a", "b")

        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("it is no stream")

    async def asking() -> Request:
        return Request()

    assert awaited(asking) == ["a", "b"]


@pytest.mark.parametrize("answer", [["a"], "text", b"bytes", {"a": 1}, 3, None])
def test_what_is_complete_is_no_stream(answer: object) -> None:
    with pytest.raises(LatencyError) as refused:
        consumed(lambda: answer)
    kind = type(answer).__name__
    article = "an" if kind == "int" else "a"
    assert str(refused.value) == (
        f"the call of chat returned {article} {kind}, which is not a stream: "
        "sample.stream(...) needs an iterator, a generator or a response with iter_lines; "
        "measure anything else with sample(...)"
    )


def test_a_stream_of_an_event_loop_needs_one() -> None:
    with pytest.raises(LatencyError) as refused:
        consumed(counting)
    assert str(refused.value) == (
        "the call of chat returned an async_generator, which only an async test can consume: write "
        "`await sample.stream(...)` with a coroutine function, or with an async generator function"
    )


def test_an_empty_stream_is_an_error() -> None:
    with pytest.raises(LatencyError) as refused:
        consumed(lambda: iter(()))
    assert str(refused.value) == (
        "the call of chat returned a stream without an item: there is nothing to time"
    )


def taken(function: Callable[[], Any], calls: int, check: Any = None) -> StreamTaker:
    taker = BareTaker(clock)
    made = stream()
    streams = StreamTaker(taker, Stages(taker), made)
    request = Request(made.consuming(function), check=check)
    for _ in range(calls):
        streams.take(request, 1, clock() + 10**12)
    return streams


def test_each_call_has_a_latency_of_each_stage() -> None:
    streams = taken(arriving(30, 5, end_ms=65), calls=3)
    assert streams.taker.walls == (100 * MS,) * 3
    assert streams.stages.names == ("first", "gap")
    assert streams.stages.observations("first").wall_ns.tolist() == [30 * MS] * 3
    assert streams.stages.observations("gap").wall_ns.tolist() == [5 * MS] * 3
    assert streams.taker.answer == ["item 0", "item 1"]


def test_a_call_that_fails_its_check_has_no_stages() -> None:
    lengths = iter([2, 1, 2])

    def varying() -> Iterator[str]:
        return arriving(*[1] * next(lengths))()

    streams = taken(varying, calls=3, check=lambda items: len(items) == 2)
    assert dict(streams.taker.failures) == {"check: returned False": 1}
    assert len(streams.stages.observations("gap")) == 2


def test_a_client_that_collects_the_answer_first_is_noticed() -> None:
    assert taken(arriving(30, 0.1), calls=5).stages.came_at_once("first")
    assert not taken(arriving(30, 10), calls=5).stages.came_at_once("first")
    assert not taken(arriving(30), calls=4).stages.came_at_once("first")
