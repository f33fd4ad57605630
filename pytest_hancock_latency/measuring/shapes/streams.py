"""Streams: calls whose answers come item by item, and are consumed inside of the call.

The call is the unit: of its gaps, only the longest one counts, since gaps of one call depend on
each other.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from inspect import isasyncgenfunction, unwrap
from typing import Any, Final

from ...core.budget import FIRST, GAP
from ...errors import LatencyError, hides_frame
from ..answers import kind_of
from ..clock import Clock
from ..inputs import Call
from ..request import Function, Request, is_coroutine_function
from ..slowing import Took
from ..stages import Stages
from ..takers.bare import Taker

__tracebackhide__ = hides_frame

Items = Callable[[Any], Iterable[Any]]
"""Returns the items that a chunk completes: none, one or several."""
_WHOLE: Final = (str, bytes, bytearray, memoryview, dict, list, tuple, set, frozenset)
"""Answers that are complete when the call returns, so that there is nothing to wait for."""
_READERS: Final = ("iter_lines", "iter_text", "iter_bytes", "iter_content", "iter_encoded")
"""Methods by which a response gives its items, in the order of preference."""
_ASYNC_READERS: Final = tuple(f"a{name}" for name in _READERS)


class EmptyStream(LatencyError):
    """A stream has ended without an item."""


class Stream:
    """Consumes the answers of one sample, and notes when their items come."""

    def __init__(self, clock: Clock, subject: str, items: Items | type | None, slowdown: float):
        """Prepare for calls.

        Args:
            subject: what returns the answers, for messages.
            items: returns the items that a chunk completes; a class is instantiated for each call.
                None if each chunk is an item.
            slowdown: share by which each stage is slowed down on purpose.
        """
        self._clock, self._subject, self._items, self._slowdown = clock, subject, items, slowdown
        self._begin = self._last = 0
        self.reached_ns: dict[str, int] = {}
        """Latency of each stage of the present call."""

    def begin(self) -> int:
        """Begin a call; return its start on the clock."""
        self.reached_ns = {}
        self._last = self._begin = self._clock()
        return self._begin

    def consuming(self, call: Call) -> Call:
        """Return a call that consumes its answer, and returns the list of the items."""

        def consume() -> list[Any]:
            took, read, items = Took(), self._reader(), []
            with _entered(call()) as source:
                for chunk in self._chunks(source):
                    if self._slowdown:
                        took.make_longer(self._slowdown)
                        took = Took()
                    items += self._completed(read, chunk)
            return self._checked(items)

        return consume

    def consuming_coroutine(self, call: Callable[[], Any]) -> Callable[[], Awaitable[list[Any]]]:
        """Return such a call whose answer is awaited, if need be, and consumed in an event loop."""

        async def consume() -> list[Any]:
            took, read, items = Took(), self._reader(), []
            answer = call()
            while hasattr(type(answer), "__await__"):  # twice where a coroutine returns a request
                answer = await answer
            async with _entered_awaiting(answer) as source:
                async for chunk in self._chunks_awaiting(source):
                    if self._slowdown:
                        await took.make_longer_awaiting(self._slowdown)
                        took = Took()
                    items += self._completed(read, chunk)
            return self._checked(items)

        return consume

    def _reader(self) -> Callable[[Any], list[Any]]:
        """Return a function that returns the items of a chunk, for one call."""
        items = self._items
        if items is None:
            return lambda chunk: [chunk]
        read = items() if isinstance(items, type) else items
        return lambda chunk: list(read(chunk))

    def _completed(self, read: Callable[[Any], list[Any]], chunk: Any) -> list[Any]:
        """Return the items that a chunk completes, and note when it came."""
        now = self._clock()
        items = read(chunk)
        if items:
            self._note(now)
        return items

    def _note(self, now: int) -> None:
        """Note that an item is complete."""
        reached = self.reached_ns
        if FIRST not in reached:
            reached[FIRST] = now - self._begin
        else:
            reached[GAP] = max(reached.get(GAP, 0), now - self._last)
        self._last = now

    def _checked(self, items: list[Any]) -> list[Any]:
        if not items:
            raise EmptyStream(
                f"{self._subject} returned a stream without an item: there is nothing to time"
            )
        return items

    def _chunks(self, source: Any) -> Iterable[Any]:
        """Return what to iterate over; of a response, its lines that have text."""
        self._require_stream(source)
        for name in _READERS:
            if callable(reader := getattr(source, name, None)):
                return _lines(source) if name == "iter_lines" else reader()
        if hasattr(type(source), "__iter__"):
            answer: Iterable[Any] = source
            return answer
        if hasattr(type(source), "__aiter__"):
            raise LatencyError(
                f"{self._subject} returned {kind_of(source)}, which only an async test can "
                "consume: write `await sample.stream(...)` with a coroutine function, or with an "
                "async generator function"
            )
        raise self._no_stream(source)

    def _chunks_awaiting(self, source: Any) -> AsyncIterator[Any]:
        self._require_stream(source)
        for name in _ASYNC_READERS:
            if callable(reader := getattr(source, name, None)):
                answer: AsyncIterator[Any] = reader()
                return _not_empty(answer) if name == "aiter_lines" else answer
        if hasattr(type(source), "__aiter__"):
            return aiter(source)
        content: Any = getattr(source, "content", None)
        if hasattr(type(content), "__aiter__"):  # of aiohttp, by lines
            return _not_empty(aiter(content))
        if hasattr(type(source), "__iter__"):
            return _awaiting(self._chunks(source))
        raise self._no_stream(source)

    def _require_stream(self, source: Any) -> None:
        if isinstance(source, _WHOLE):
            raise self._no_stream(source)

    def _no_stream(self, source: Any) -> LatencyError:
        return LatencyError(
            f"{self._subject} returned {kind_of(source)}, which is not a stream: "
            "sample.stream(...) needs an iterator, a generator or a response with iter_lines; "
            "measure anything else with sample(...)"
        )


def is_awaited(function: Function) -> bool:
    """Whether the stream of a function is consumed in an event loop."""
    inner = unwrap(getattr(function, "func", function))
    return is_coroutine_function(function) or isasyncgenfunction(inner)


@dataclass(frozen=True, slots=True)
class StreamTaker:
    """Takes observations of streams, with those of their stages."""

    taker: Taker
    stages: Stages
    stream: Stream

    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations, fewer if time is up or a request fails."""
        taker, answer = self.taker, None
        taker.has_late = False
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            opening = taker.opening()
            begin = self.stream.begin()
            answer = call()
            if self._is_last(request, answer, opening, begin, until):
                break
        taker.answer = answer

    async def take_awaiting(self, request: Request, count: int, until: int) -> None:
        """Take observations of streams that are consumed in an event loop."""
        taker, answer = self.taker, None
        taker.has_late = False
        for call in request.calls(count):
            answer = None
            opening = taker.opening()
            begin = self.stream.begin()
            answer = await call()
            if self._is_last(request, answer, opening, begin, until):
                break
        taker.answer = answer

    def _is_last(
        self, request: Request, answer: Any, opening: tuple[Any, ...], begin: int, until: int
    ) -> bool:
        """Keep a call that has just ended; return whether to take no more of them now."""
        taker = self.taker
        end = taker.clock()
        closed = taker.closing(opening, begin, end)
        if request.is_checked and taker.refuses(request, answer, end - begin):
            return True
        if not isinstance(answer, Exception):
            self.stages.keep(taker, self.stream.reached_ns)
        taker.keep(closed)
        return end >= until or taker.has_late


@contextmanager
def _entered(answer: Any) -> Iterator[Any]:
    """Enter a context manager that is not a stream itself, such as that of ``httpx.stream``."""
    if isinstance(answer, AbstractContextManager) and not _is_iterable(answer, _READERS):
        with answer as source:
            yield source
    else:
        yield answer


@asynccontextmanager
async def _entered_awaiting(answer: Any) -> AsyncIterator[Any]:
    if isinstance(answer, AbstractAsyncContextManager) and not _is_iterable(
        answer, (*_ASYNC_READERS, "content")
    ):
        async with answer as source:
            yield source
    else:
        with _entered(answer) as source:
            yield source


def _is_iterable(answer: Any, readers: Iterable[str]) -> bool:
    kind = type(answer)
    return any(hasattr(kind, name) for name in ("__iter__", "__aiter__", *readers))


def _lines(response: Any) -> Iterator[Any]:
    """Return the lines of a response as they arrive.

    The one of requests waits for 512 bytes by default. Without chunks, it is told to wait for one.
    """
    raw = getattr(response, "raw", None)
    if hasattr(response, "iter_content") and raw is not None:
        size = None if getattr(raw, "chunked", False) else 1
        return filter(_has_text, response.iter_lines(chunk_size=size))
    return filter(_has_text, response.iter_lines())


def _has_text(line: str | bytes) -> bool:
    """Whether a line is not empty: events of a server are separated by lines that are."""
    return bool(line.strip())


async def _not_empty(lines: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for line in lines:
        if _has_text(line):
            yield line


async def _awaiting(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk
