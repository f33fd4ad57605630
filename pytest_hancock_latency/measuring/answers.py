"""Answers that are not finished: work that a call only started, or has not even begun.

A sample looks at a single answer, its first. Nothing is imported to recognise it: what it is, its
protocols and the names of its type and of that type's bases tell. Two lists:

- Refused, because timing it measures nothing: generators, other iterators that compute their
  items when asked, what nobody awaits, context managers that nobody enters. See `_refusal`.
- Advised, because the start of the work may be what counts: `UNFINISHED`, and iterators that can do
  more than that, such as cursors and readers.

`finish=` silences both. A look changes nothing about the answer, and never raises anything but
`Unfinished`: whatever goes wrong while an answer is inspected means that nothing is known of it.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import getattr_static, isasyncgen, isawaitable, iscoroutine, isgenerator
from itertools import islice
from typing import Any, Final

from ..core.advice import Advice, Figure
from ..errors import LatencyError, hides_frame
from .clock import Clock

__tracebackhide__ = hides_frame

_PATIENCE_S: Final = 1.0
"""How long to wait, once a sample, to say how long an answer took to be finished. Many gates have a
second to spare; more would be noticed, and a task that never ends must not hold up a test."""
_MOST_INSIDE: Final = 8
"""Items of a container to look at: those of one list are alike, and a mapping with the parts of a
page or of a reply has few."""
_FAILED_STATUS: Final = 400
"""The lowest HTTP status of an error."""
_ITERATING: Final = frozenset({"send", "throw", "close", "next", "asend", "athrow", "aclose"})
"""Public methods of an iterator that is only that; one with others may be more than its items."""
_MOCKS: Final = ("unittest.mock.", "mock.mock.")


@dataclass(frozen=True, slots=True)
class Lazy:
    """A type whose objects may stand for work that is still to be done."""

    names: tuple[str, ...]
    """Qualified names of the type, or of a base of it, in all versions of its library."""
    is_unfinished: Callable[[Any], bool]
    """Whether an object of it is; only reads attributes, or calls methods that change nothing."""
    state: str
    """Which words of `reporting.advice` say what is missing."""
    finish: str
    """What to pass as `finish=`."""
    wait: Callable[[Any, float], object] | None = None
    """Waits until it is finished, at most for a number of seconds, if that changes nothing else."""
    awaited_finish: str = ""
    """What to pass in an async test, if that is something else."""


def _always(_answer: Any) -> bool:
    """For what has no state to read: once it is finished, it is of another type."""
    return True


def _has_unread_content(response: Any) -> bool:
    """Of requests, whose `_content` is False until it is read."""
    return response._content_consumed is False and response._content is False


def _has_unread_stream(response: Any) -> bool:
    """Of httpx. A function that closed the stream does not want the rest of it."""
    is_read = response.is_stream_consumed or "_content" in vars(response)
    return not is_read and not response.is_closed


def _has_unread_payload(response: Any) -> bool:
    """Of aiohttp; without a body, the stream is at its end from the beginning."""
    return response._body is None and not response.content.at_eof()


def _has_rows(result: Any) -> bool:
    """Of SQLAlchemy: it closes a result by itself when the last row is fetched."""
    if (source := getattr(result, "_real_result", None)) is not None:
        result = source  # of `.scalars()` and `.mappings()`
    if result._soft_closed or getattr(result, "_hard_closed", False):
        return False
    return bool(getattr(result, "returns_rows", True))  # results of the ORM always return rows


def _is_streamed(response: Any) -> bool:
    """Of Werkzeug, whose test client iterates a body up to its first part.

    Every body that is known as a whole has its length in the headers.
    """
    return bool(response.is_streamed) and "Content-Length" not in response.headers


UNFINISHED: Final = (
    Lazy(
        ("concurrent.futures._base.Future", "concurrent.futures.Future"),
        lambda future: not future.done(),
        "running",
        "Future.result",
        lambda future, timeout_s: future.exception(timeout_s),
    ),
    Lazy(("grpc.Future",), lambda call: not call.done(), "running", "grpc.Future.result"),
    Lazy(
        ("threading.Thread",),
        lambda thread: thread.is_alive(),
        "running",
        "Thread.join",
        lambda thread, timeout_s: thread.join(timeout_s),
    ),
    Lazy(
        ("multiprocessing.process.BaseProcess",),
        lambda process: process.is_alive(),
        "running",
        "Process.join",
        lambda process, timeout_s: process.join(timeout_s),
    ),
    Lazy(
        ("multiprocessing.pool.ApplyResult",),
        lambda result: not result.ready(),
        "running",
        "AsyncResult.get",
        lambda result, timeout_s: result.wait(timeout_s),
    ),
    # `poll()` would tell more, but also reap the process.
    Lazy(
        ("subprocess.Popen",),
        lambda process: process.returncode is None,
        "running",
        "Popen.wait",
    ),
    Lazy(
        ("asyncio.subprocess.Process",),
        lambda process: process.returncode is None,
        "running",
        "Process.wait",
    ),
    Lazy(
        ("gevent._gevent_cgreenlet.Greenlet", "gevent.greenlet.Greenlet"),
        lambda greenlet: not greenlet.ready(),
        "running",
        "Greenlet.get",
    ),
    # `ready()` would ask the result backend. An eager result was computed by the call.
    Lazy(
        ("celery.result.AsyncResult",),
        lambda result: (
            "celery.result.EagerResult" not in _names_of(type(result)) and result._cache is None
        ),
        "running",
        "AsyncResult.get",
    ),
    Lazy(("celery.result.ResultSet",), _always, "running", "GroupResult.get"),
    Lazy(
        ("django.db.models.query.QuerySet", "django.db.models.query.RawQuerySet"),
        lambda rows: rows._result_cache is None,
        "lazy",
        "list",
    ),
    Lazy(("peewee.BaseQuery",), lambda query: query._cursor_wrapper is None, "lazy", "list"),
    Lazy(("sqlalchemy.orm.query.Query",), _always, "lazy", "Query.all"),
    Lazy(
        (
            "sqlalchemy.engine.result.Result",
            "sqlalchemy.engine.result.FilterResult",
            "sqlalchemy.ext.asyncio.result.AsyncCommon",
        ),
        _has_rows,
        "unfetched",
        "lambda result: result.all()",
    ),
    Lazy(("polars.lazyframe.frame.LazyFrame",), _always, "lazy", "LazyFrame.collect"),
    Lazy(("dask.base.DaskMethodsMixin",), _always, "lazy", "lambda answer: answer.compute()"),
    Lazy(
        (
            "pandas.core.groupby.groupby.BaseGroupBy",
            "pandas.core.window.rolling.BaseWindow",
            "polars.dataframe.group_by.GroupBy",
        ),
        _always,
        "lazy",
        "lambda groups: groups.sum()",
    ),
    Lazy(
        (
            "pyspark.sql.dataframe.DataFrame",
            "pyspark.sql.connect.dataframe.DataFrame",
            "pyspark.rdd.RDD",
            "pyspark.core.rdd.RDD",
        ),
        _always,
        "lazy",
        "lambda answer: answer.collect()",
    ),
    Lazy(
        ("duckdb.DuckDBPyRelation", "duckdb.duckdb.DuckDBPyRelation", "_duckdb.DuckDBPyRelation"),
        _always,
        "lazy",
        "DuckDBPyRelation.fetchall",
    ),
    Lazy(
        ("jaxlib._jax.ArrayImpl", "jaxlib.xla_extension.ArrayImpl", "jax._src.array.ArrayImpl"),
        lambda array: not array.is_ready(),
        "dispatched",
        "jax.block_until_ready",
    ),
    Lazy(
        ("torch.Tensor",),
        lambda tensor: bool(tensor.is_cuda),
        "dispatched",
        "lambda _: torch.cuda.synchronize()",
    ),
    Lazy(
        ("cupy.ndarray", "cupy._core.core.ndarray"),
        _always,
        "dispatched",
        "lambda _: cupy.cuda.get_current_stream().synchronize()",
    ),
    Lazy(
        ("requests.models.Response",),
        _has_unread_content,
        "unread",
        "lambda response: response.content",
    ),
    Lazy(
        ("httpx.Response", "httpx._models.Response", "httpx2.Response", "httpx2._models.Response"),
        _has_unread_stream,
        "unread",
        "lambda response: response.read()",
        awaited_finish="lambda response: response.aread()",
    ),
    Lazy(
        ("aiohttp.client_reqrep.ClientResponse",),
        _has_unread_payload,
        "unread",
        "lambda response: response.read()",
    ),
    Lazy(
        ("http.client.HTTPResponse",),
        lambda response: not response.isclosed(),
        "unread",
        "lambda response: response.read()",
    ),
    Lazy(
        ("urllib3.response.BaseHTTPResponse", "urllib3.response.HTTPResponse"),
        lambda response: response._body is None and not response.closed,
        "unread",
        "lambda response: response.read()",
    ),
    Lazy(
        ("django.http.response.StreamingHttpResponse",),
        _always,
        "unread",
        "lambda response: response.getvalue()",
    ),
    Lazy(
        ("werkzeug.test.TestResponse",),
        _is_streamed,
        "unread",
        "lambda response: response.get_data()",
    ),
    Lazy(
        ("botocore.response.StreamingBody",),
        lambda body: body._amount_read == 0,
        "unread",
        "lambda body: body.read()",
    ),
    Lazy(("botocore.paginate.PageIterator",), _always, "lazy", "list"),
)
"""What may be meant: the verdict stays, with advice."""

_RESPONSES: Final = frozenset(
    {
        "requests.models.Response",
        "httpx.Response",
        "httpx._models.Response",
        "httpx2.Response",
        "httpx2._models.Response",
        "werkzeug.wrappers.response.Response",
        "werkzeug.test.TestResponse",
        "webob.response.Response",
        "django.http.response.HttpResponseBase",
        "starlette.responses.Response",
        "aiohttp.client_reqrep.ClientResponse",
        "aiohttp.web_response.StreamResponse",
        "urllib3.response.BaseHTTPResponse",
        "http.client.HTTPResponse",
        "falcon.testing.client._ResultBase",
    }
)
"""HTTP responses, of clients and of test clients. Objects of other libraries have a status, too."""
_STATUSES: Final = ("status_code", "status", "status_int")
"""Attributes with the status; a response has one of them as a number at least."""


class Unfinished(LatencyError):
    """A call returned something that has not run yet: an awaitable or an iterator."""

    def __init__(self, message: str, answer: Any, *, can_be_awaited: bool) -> None:
        super().__init__(message)
        self.answer = answer
        self.can_be_awaited = can_be_awaited

    def discard(self) -> None:
        """Discard the answer without a warning that it was never awaited."""
        if isinstance(self.answer, Coroutine | Generator):  # a request of aiohttp is one, too
            self.answer.close()
        elif self.can_be_awaited and callable(cancel := getattr(self.answer, "cancel", None)):
            cancel()  # of a task


@dataclass(slots=True, eq=False)
class Look:
    """The look of a sample at its first answer; call it with each answer, like a check.

    An exception that is an answer, since the request failed, is not looked at.
    """

    subject: str = "the call"
    """What returned the answer, for messages."""
    is_finished: bool = False
    """Whether `finish=` was given, which silences everything but a coroutine nobody awaits."""
    is_checked: bool = False
    """Whether `check=` was given, which decides what a failed answer is."""
    is_awaited: bool = False
    """Whether answers are awaited, so that only what is in them can be unfinished."""
    refuses: bool = True
    """Whether to discard an answer that is refused; otherwise the one who catches it does."""
    waits_by: Clock | None = None
    """Clock to time how long the answer takes to be finished; None to not wait for it."""
    advice: tuple[Advice, ...] = ()
    """What there is to say about the answer, after the look."""
    first_ns: int | None = None
    """Latency of the first call of the warm-up, if it can tell that later calls do less."""
    is_over: bool = False

    def __call__(self, answer: Any) -> None:
        """Look at the first answer; do nothing about later ones.

        Raises:
            Unfinished: it has not run yet, so nothing was measured.
        """
        if self.is_over or issubclass(type(answer), Exception):
            return
        if unfinished := self._unfinished(answer):
            if self.refuses:
                unfinished.discard()
            raise unfinished
        self.is_over = True
        if not self.is_finished:
            self.advice = (*self._about_work(answer), *self._about_status(answer))

    def _unfinished(self, answer: Any) -> Unfinished | None:
        """Return the error about an answer that makes timing it pointless; otherwise None."""
        lacks_await = False
        with suppress(Exception):  # even asking for its class may raise
            lacks_await = self._lacks_await(answer)
        if lacks_await:
            return Unfinished(
                f"{self.subject} returned {kind_of(answer)} that is never awaited: nothing was "
                "measured. Write `await sample(...)` in an async test; bursts and rates need a "
                "function declared with `async def`",
                answer,
                can_be_awaited=True,
            )
        if self.is_finished:
            return None
        with suppress(Exception):
            if reason := _refusal(answer):
                message = f"{self.subject} returned {kind_of(answer)} that {reason}"
                return Unfinished(message, answer, can_be_awaited=False)
        return None

    def _lacks_await(self, answer: Any) -> bool:
        if self.is_awaited:
            # An object may be awaitable and ready, like a pool of connections that was awaited.
            return iscoroutine(answer) or _is_pending_task(answer)
        if self.is_finished:
            return iscoroutine(answer)
        # A collection of dask can be awaited, but hardly ever is.
        return isawaitable(answer) and _LAZY.keys().isdisjoint(_names_of(type(answer)))

    def _about_work(self, answer: Any) -> Iterator[Advice]:
        with suppress(Exception):
            for part in (answer, *_parts_of(answer)):
                if lazy := _unfinished_kind(part):
                    yield self._about_part(answer, part, lazy)
                    return

    def _about_part(self, answer: Any, part: Any, lazy: Lazy) -> Advice:
        figures: dict[str, Figure] = {"answer": kind_of(answer), "state": lazy.state}
        if part is not answer:
            figures["part"] = kind_of(part)
        ns = self._finished_after_ns(part, lazy)
        if ns is not None:
            figures["finish_ns"] = ns
        finish = lazy.awaited_finish if self.is_awaited else ""
        return Advice.of("unfinished-answer", **figures, finish=finish or lazy.finish)

    def _finished_after_ns(self, answer: Any, lazy: Lazy) -> int | None:
        """Return how long the answer took to be finished after its call; None if it is unknown."""
        if self.waits_by is None or lazy.wait is None:
            return None
        begin = self.waits_by()
        with suppress(Exception):  # that of the work itself, or a timeout
            lazy.wait(answer, _PATIENCE_S)
        ns = self.waits_by() - begin
        return None if lazy.is_unfinished(answer) else ns

    def _about_status(self, answer: Any) -> Iterator[Advice]:
        if self.is_checked:
            return
        with suppress(Exception):
            if _RESPONSES.isdisjoint(_names_of(type(answer))):
                return
            for name in _STATUSES:
                status = getattr(answer, name, None)
                if isinstance(status, int) and status >= _FAILED_STATUS:
                    yield Advice.of("failed-answer", status=int(status), attribute=name)
                    return


def kind_of(answer: Any) -> str:
    """``a coroutine``, ``an async_generator``, ``a Future``."""
    name = type(answer).__name__
    is_vowel = name[:1].lower() in "aeiou" or name.startswith("HTTP")
    return f"{'an' if is_vowel else 'a'} {name}"


def _names_of(kind: type) -> Sequence[str]:
    """Return the qualified names of a type and its bases."""
    return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]


def _has(kind: type, *names: str) -> bool:
    """Whether the type has all these attributes; asks neither the object nor a `__getattr__`."""
    return all(any(name in vars(base) for base in kind.__mro__) for name in names)


def _is_mock(kind: type) -> bool:
    """Whether it is a mock, which has every attribute and stands for any answer."""
    return any(name.startswith(_MOCKS) for name in _names_of(kind))


def _is_pending_task(answer: Any) -> bool:
    with suppress(Exception):
        is_future = {"_asyncio.Future", "asyncio.futures.Future"} & {*_names_of(type(answer))}
        return bool(is_future) and not answer.done()
    return False


def _refusal(answer: Any) -> str | None:
    """Return why timing such an answer is pointless, and what to do; None if it is not."""
    kind = type(answer)
    if isasyncgen(answer) or _is_bare_iterator(kind, "__aiter__", "__anext__"):
        return (
            "is never iterated: none of its items were computed. Give finish= a coroutine function "
            "that iterates it, measure one that does, or time its items with sample.stream(...)"
        )
    if isgenerator(answer) or _is_bare_iterator(kind, "__iter__", "__next__"):
        return (
            "is never iterated: none of its items were computed. Give finish=list, which computes "
            "them inside the timed window, measure a function that uses them, or time them with "
            "sample.stream(...)"
        )
    if _is_unentered(answer):
        return (
            "is never entered: none of its code ran. Measure a function that enters it using "
            "`with`, or give finish= one"
        )
    return None


def _is_bare_iterator(kind: type, *methods: str) -> bool:
    """Whether objects of this type are iterators, and nothing else."""
    if not _has(kind, *methods) or _is_file(kind) or _is_mock(kind):
        return False
    return not _can_do_more(kind) and _LAZY.keys().isdisjoint(_names_of(kind))


def _is_file(kind: type) -> bool:
    """Whether it is a file or a stream of bytes: opening it may be what is measured."""
    return issubclass(kind, io.IOBase) or _has(kind, "readline")


def _can_do_more(kind: type) -> bool:
    """Whether an iterator is a resource as well, or has other methods of its own."""
    if kind.__module__ in {"builtins", "itertools"}:
        return False  # `chain.from_iterable` only makes another one
    if _has(kind, "__enter__") or _has(kind, "__aenter__"):
        return True
    names = {name for base in kind.__mro__ if base is not object for name in vars(base)}
    return any(
        callable(getattr_static(kind, name, None))
        for name in names - _ITERATING
        if not name.startswith("_")
    )


def _is_unentered(answer: Any) -> bool:
    """Whether it is the context manager of a generator that has not run, as of `httpx.stream`."""
    names = {"contextlib._GeneratorContextManager", "contextlib._AsyncGeneratorContextManager"}
    if names.isdisjoint(_names_of(type(answer))):
        return False
    return "func" in vars(answer)  # deleted when it is entered


def _parts_of(answer: Any) -> Iterable[Any]:
    """Return the first items of a builtin container; nothing of any other answer."""
    kind = type(answer)  # only exact types: iterating over any other may compute something
    if kind is dict:
        return islice(answer.values(), _MOST_INSIDE)
    return islice(answer, _MOST_INSIDE) if kind in {list, tuple, set, frozenset} else ()


def _unfinished_kind(answer: Any) -> Lazy | None:
    """Return what kind of unfinished answer it is; None if it is finished, or unknown."""
    kind = type(answer)
    if _is_mock(kind):
        return None
    for name in _names_of(kind):
        if lazy := _LAZY.get(name):
            return lazy if lazy.is_unfinished(answer) else None
    if _has(kind, "execute", "fetchone", "description"):
        return None if answer.description is None else _CURSOR
    is_iterator = _has(kind, "__iter__", "__next__") or _has(kind, "__aiter__", "__anext__")
    return _READER if is_iterator and not _is_file(kind) and _can_do_more(kind) else None


_LAZY: Final = {name: lazy for lazy in UNFINISHED for name in lazy.names}
_CURSOR: Final = Lazy((), _always, "unfetched", "lambda cursor: cursor.fetchall()")
"""A cursor of the DB-API after a query; without one, its `description` is None."""
_READER: Final = Lazy((), _always, "iterable", "list")
"""An iterator that is more than that, such as a cursor of pymongo or a reader of pandas."""


# --- finish= --------------------------------------------------------------------------------------


def require_finish(finish: object, caller: str) -> None:
    """Raise LatencyError unless it is a function, or None."""
    if finish is None or callable(finish):
        return
    raise LatencyError(
        f"{caller}(): finish={finish!r} is not callable: pass a function that is called with each "
        "answer, as in finish=list; a keyword of the measured function needs functools.partial"
    )


def finishing(
    call: Callable[[], Any], finish: Callable[[Any], Any], look: Look | None = None
) -> Callable[[], Any]:
    """Return a call whose answer is finished inside the timed window.

    Args:
        look: in an event loop, takes answers that must be awaited before they are finished.
    """

    def finished() -> Any:
        return finish(call())

    def finished_unless_awaitable() -> Any:
        answer = call()
        if look is not None and hasattr(type(answer), "__await__"):
            look(answer)
        return finish(answer)

    return finished if look is None else finished_unless_awaitable


def finishing_coroutine(
    call: Callable[[], Any], finish: Callable[[Any], Any]
) -> Callable[[], Awaitable[Any]]:
    """Return such a call whose answer is awaited before and after, if that is needed."""

    async def finished() -> Any:
        answer = call()
        if hasattr(type(answer), "__await__"):
            answer = await answer
        answer = finish(answer)
        return await answer if hasattr(type(answer), "__await__") else answer

    return finished
