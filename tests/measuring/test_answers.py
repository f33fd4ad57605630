"""Which answers are refused, which get advice, and which are right."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import csv
import glob
import http.client
import io
import itertools
import multiprocessing
import multiprocessing.pool
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock
from xml.etree import ElementTree

import aiohttp
import gevent
import httpx
import numpy as np
import pytest
import requests
import urllib3
from celery.result import AsyncResult, EagerResult
from django.db.models.query import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from flask import Flask
from starlette.responses import PlainTextResponse

from pytest_hancock_latency.measuring.answers import UNFINISHED, Look, Unfinished
from pytest_hancock_latency.reporting.advice import advice_words

from .stand_ins import dask_collection, sqlalchemy_result, stand_in

LONG_S = 30
"""Nothing here waits for work that is still running; what was started is ended."""
BODY = b"x" * 1_000_000
"""More than a socket buffers, so that the end of it has not arrived."""


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        with contextlib.suppress(OSError):  # of a client that does not read it
            self.wfile.write(BODY)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def ending() -> Iterator[contextlib.ExitStack]:
    """Ends what a case started."""
    with contextlib.ExitStack() as stack:
        yield stack


Ending = contextlib.ExitStack


def seen(answer: Any, **how: Any) -> str:
    """Return ``refused``, ``right``, or the states that advice names."""
    look = Look(**how)
    try:
        look(answer)
    except Unfinished:
        return "refused"
    return ", ".join(str(each.figures.get("state", each.kind)) for each in look.advice) or "right"


# --- iterators and what nobody enters -------------------------------------------------------------


class Countdown:
    """A minimal iterator, as a class of a project would be."""

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        raise StopIteration


class Reader(Countdown):
    """An iterator that can do more, as cursors and consumers of messages can."""

    def commit(self) -> None:
        """Never called."""


class AsyncCountdown:
    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration


def rows() -> Iterator[int]:
    yield 1


async def async_rows() -> AsyncIterator[int]:
    yield 1


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def async_transaction() -> AsyncIterator[None]:
    yield


REFUSED: dict[str, Callable[[], Any]] = {
    "a generator": rows,
    "an async generator": async_rows,
    "map": lambda: map(int, "12"),
    "filter": lambda: filter(None, [1]),
    "zip": lambda: zip([1], [2], strict=True),
    "enumerate": lambda: enumerate([1]),
    "reversed": lambda: reversed([1]),
    "iter": lambda: iter([1]),
    "itertools.count": itertools.count,
    "itertools.chain": lambda: itertools.chain([1], [2]),
    "itertools.groupby": lambda: itertools.groupby([1]),
    "itertools.tee": lambda: itertools.tee([1])[0],
    "re.finditer": lambda: re.finditer("a", "a"),
    "csv.reader": lambda: csv.reader([]),
    "csv.DictReader": lambda: csv.DictReader([]),
    "glob.iglob": lambda: glob.iglob("*"),
    "Path.glob": lambda: Path().glob("*"),
    "an iterator of a project": Countdown,
    "an async iterator of a project": AsyncCountdown,
    "a context manager": transaction,
    "an async context manager": async_transaction,
    "httpx.stream": lambda: httpx.stream("GET", "http://127.0.0.1:9"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any]) -> None:
    assert seen(make()) == "refused"


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_finish_silences_the_refusal(make: Callable[[], Any]) -> None:
    assert seen(make(), is_finished=True) == "right"


def test_a_map_over_a_pool_is_refused(ending: Ending) -> None:
    pool = ending.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    assert seen(pool.map(int, "1")) == "refused"
    workers = ending.enter_context(multiprocessing.pool.ThreadPool(1))
    assert seen(workers.imap(int, "1")) == "refused"


def test_a_parser_of_events_is_not_right(ending: Ending) -> None:
    # It is a mere iterator at first, and can be closed as well from Python 3.13 on.
    assert seen(ElementTree.iterparse(io.StringIO("<a/>"))) == "refused"


# --- work that goes on ----------------------------------------------------------------------------


def future(ending: Ending) -> Any:
    event = threading.Event()
    pool = ending.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    ending.callback(event.set)
    return pool.submit(event.wait, LONG_S)


def thread(ending: Ending) -> Any:
    event = threading.Event()
    started = threading.Thread(target=event.wait, args=(LONG_S,))
    started.start()
    ending.callback(started.join)
    ending.callback(event.set)
    return started


def process(ending: Ending) -> Any:
    started = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(LONG_S,))
    started.start()
    ending.callback(started.join)
    ending.callback(started.kill)
    return started


def program(ending: Ending) -> Any:
    started = ending.enter_context(
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG_S})"])
    )
    ending.callback(started.kill)
    return started


def result_of_a_pool(ending: Ending) -> Any:
    event = threading.Event()
    pool = ending.enter_context(multiprocessing.pool.ThreadPool(1))
    ending.callback(event.set)
    return pool.apply_async(event.wait, (LONG_S,))


def cursor(ending: Ending) -> Any:
    return ending.enter_context(contextlib.closing(sqlite3.connect(":memory:"))).execute("select 1")


def flask_stream(_: Ending) -> Any:
    app = Flask("streams")
    app.add_url_rule("/", "rows", lambda: (f"{number}" for number in range(9)))
    return app.test_client().get("/")


def grpc_call() -> Any:
    base = type("Future", (), {"__module__": "grpc", "done": lambda _: False})
    return stand_in("grpc._channel._MultiThreadedRendezvous", base, Countdown)


ADVISED: dict[str, tuple[Callable[[Ending], Any], str]] = {
    "a future": (future, "running"),
    "a list of futures": (lambda ending: [1, future(ending)], "running"),
    "a thread": (thread, "running"),
    "a process": (process, "running"),
    "a program": (program, "running"),
    "a result of a pool": (result_of_a_pool, "running"),
    "a greenlet": (lambda _: gevent.spawn(int), "running"),
    "a call of gRPC": (lambda _: grpc_call(), "running"),
    "a result of Celery": (lambda _: AsyncResult("id", app=Mock()), "running"),
    "a QuerySet": (lambda _: QuerySet(), "lazy"),
    "a context with a QuerySet": (lambda _: {"books": QuerySet()}, "lazy"),
    "a query of peewee": (
        lambda _: stand_in(
            "peewee.ModelSelect",
            type("BaseQuery", (), {"__module__": "peewee"}),
            _cursor_wrapper=None,
        ),
        "lazy",
    ),
    "a result of SQLAlchemy": (lambda _: sqlalchemy_result(), "unfetched"),
    "scalars of SQLAlchemy": (
        lambda _: sqlalchemy_result("ScalarResult", _real_result=sqlalchemy_result()),
        "unfetched",
    ),
    "a Query of SQLAlchemy": (lambda _: stand_in("sqlalchemy.orm.query.Query"), "lazy"),
    "a LazyFrame": (lambda _: stand_in("polars.lazyframe.frame.LazyFrame"), "lazy"),
    "groups of pandas": (
        lambda _: stand_in(
            "pandas.core.groupby.generic.DataFrameGroupBy",
            type("BaseGroupBy", (), {"__module__": "pandas.core.groupby.groupby"}),
        ),
        "lazy",
    ),
    "a collection of dask": (lambda _: dask_collection(), "lazy"),
    "a frame of Spark": (lambda _: stand_in("pyspark.sql.dataframe.DataFrame"), "lazy"),
    "a relation of duckdb": (lambda _: stand_in("_duckdb.DuckDBPyRelation"), "lazy"),
    "an array of JAX": (
        lambda _: stand_in("jaxlib._jax.ArrayImpl", is_ready=lambda: False),
        "dispatched",
    ),
    "a CUDA tensor": (lambda _: stand_in("torch.Tensor", is_cuda=True), "dispatched"),
    "an array of CuPy": (lambda _: stand_in("cupy.ndarray"), "dispatched"),
    "a cursor": (cursor, "unfetched"),
    "pages of botocore": (lambda _: stand_in("botocore.paginate.PageIterator"), "lazy"),
    "a reply of S3": (
        lambda _: {"Body": stand_in("botocore.response.StreamingBody", _amount_read=0)},
        "unread",
    ),
    "a streamed response of Django": (
        lambda _: StreamingHttpResponse([b"a"], content_type="text/plain; charset=utf-8"),
        "unread",
    ),
    "a streamed response of Flask": (flask_stream, "unread"),
    "an iterator that can do more": (lambda _: Reader(), "iterable"),
    "a folder that is read": (
        lambda ending: ending.enter_context(os.scandir(tempfile.gettempdir())),
        "iterable",
    ),
}


@pytest.mark.parametrize(("make", "state"), ADVISED.values(), ids=ADVISED)
def test_what_may_be_meant_gets_advice(
    make: Callable[[Ending], Any], state: str, ending: Ending
) -> None:
    assert seen(make(ending)) == state


@pytest.mark.parametrize(("make", "_"), ADVISED.values(), ids=ADVISED)
def test_finish_silences_the_advice(make: Callable[[Ending], Any], _: str, ending: Ending) -> None:
    assert seen(make(ending), is_finished=True) == "right"


STREAMED: dict[str, Callable[[str, Ending], Any]] = {
    "requests": lambda url, ending: ending.enter_context(requests.get(url, stream=True)),
    "httpx": lambda url, ending: ending.enter_context(httpx.stream("GET", url)),
    "urllib": lambda url, ending: ending.enter_context(urllib.request.urlopen(url)),
    "urllib3": lambda url, ending: ending.enter_context(
        urllib3.PoolManager().request("GET", url, preload_content=False)
    ),
}


@pytest.mark.parametrize("get", STREAMED.values(), ids=STREAMED)
def test_a_body_gets_advice_until_it_is_read(
    get: Callable[[str, Ending], Any], url: str, ending: Ending
) -> None:
    response = get(url, ending)
    assert seen(response) == "unread"
    for _ in response.iter_content() if isinstance(response, requests.Response) else ():
        pass
    response.read() if hasattr(response, "read") else None
    assert seen(response) == "right"


# --- answers that are right -----------------------------------------------------------------------


class Magical:
    """Has every attribute, as proxies and clients of remote objects have."""

    def __getattr__(self, name: str) -> Any:
        return 404


class Raising:
    """A stranger whose every attribute raises, even its class."""

    @property
    def description(self) -> None:
        raise RuntimeError

    execute = fetchone = status_code = description

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError


def finished_future() -> Any:
    done: concurrent.futures.Future[int] = concurrent.futures.Future()
    done.set_result(1)
    return done


def read_queryset() -> Any:
    queryset: Any = QuerySet()
    queryset._result_cache = []
    return queryset


def flask_response() -> Any:
    app = Flask("answers")
    app.add_url_rule("/", "page", lambda: {"a": 1})
    return app.test_client().get("/")


def sqlite_connection() -> Any:
    return sqlite3.connect(":memory:")


RIGHT: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a number": lambda: 1,
    "text": lambda: "text",
    "a list": lambda: [1, [2]],
    "a mapping": lambda: {"a": {"b": 1}},
    "a view": {}.keys,
    "a range": lambda: range(3),
    "a type": lambda: int,
    "a module": lambda: types.ModuleType("module"),
    "an array": lambda: np.ones(3),
    "a file": io.StringIO,
    "an exception": lambda: ValueError("an answer"),
    "a finished future": finished_future,
    "a thread before its start": threading.Thread,
    "a mock": Mock,
    "a magical mock": MagicMock,
    "an async mock": AsyncMock,
    "a mock of a future": lambda: MagicMock(spec=concurrent.futures.Future),
    "a mock of a response": lambda: Mock(spec=requests.Response, status_code=404),
    "an object with every attribute": Magical,
    "an object whose attributes raise": Raising,
    "a recognised object whose attributes raise": lambda: stand_in("torch.Tensor"),
    "an eager result of Celery": lambda: EagerResult("id", 3, "SUCCESS"),
    "a QuerySet that was read": read_queryset,
    "fetched rows of SQLAlchemy": lambda: sqlalchemy_result(_soft_closed=True),
    "an update of SQLAlchemy": lambda: sqlalchemy_result(returns_rows=False),
    "an array of JAX that is ready": lambda: stand_in("jaxlib._jax.ArrayImpl", is_ready=lambda: 1),
    "a tensor of the CPU": lambda: stand_in("torch.Tensor", is_cuda=False),
    "an entered context manager": lambda: (manager := transaction(), manager.__enter__())[0],
    "a response of Django": lambda: HttpResponse(b"x", content_type="text/plain; charset=utf-8"),
    "a response of Flask": flask_response,
    "a connection of sqlite": sqlite_connection,
    "an insert": lambda: sqlite_connection().execute("create table books (title)"),
}


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_ordinary_answers_get_no_remark(make: Callable[[], Any]) -> None:
    assert seen(make()) == "right"


def test_a_whole_response_gets_no_remark(url: str) -> None:
    assert [seen(requests.get(url)), seen(httpx.get(url))] == ["right", "right"]
    assert seen(urllib3.PoolManager().request("GET", url)) == "right"


def test_the_names_of_each_kind_are_its_own() -> None:
    names = [name for lazy in UNFINISHED for name in lazy.names]
    assert len(names) == len(set(names))


# --- answers that are awaited ---------------------------------------------------------------------


def test_a_task_that_nobody_awaits_is_refused() -> None:
    async def test() -> tuple[str, str, str]:
        task, ready = asyncio.ensure_future(asyncio.sleep(LONG_S)), asyncio.sleep(0)
        try:
            return seen(task, refuses=False), seen(task, is_awaited=True), seen(ready)
        finally:
            task.cancel()

    assert asyncio.run(test()) == ("refused", "refused", "refused")


def test_an_awaited_answer_may_be_awaitable_and_ready() -> None:
    class Pool:
        def __await__(self) -> Iterator[None]:
            yield

    assert (seen(Pool()), seen(Pool(), is_awaited=True)) == ("refused", "right")


def test_a_body_of_aiohttp_gets_advice_until_it_is_read(url: str) -> None:
    async def test() -> tuple[str, str, str]:
        async with aiohttp.ClientSession() as session:
            nobody_awaits = seen(session.get(url))
            async with session.get(url) as response:
                unread = seen(response, is_awaited=True)
                await response.read()
                return nobody_awaits, unread, seen(response, is_awaited=True)

    assert asyncio.run(test()) == ("refused", "unread", "right")


def test_a_streamed_body_of_httpx_is_to_be_read_by_a_coroutine(url: str) -> None:
    async def test() -> str:
        async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
            look = Look(is_awaited=True)
            look(response)
            return advice_words(look.advice[0])

    assert asyncio.run(test()) == (
        "the call returned a Response whose body was not read, which is not part of the "
        "latencies: to include it, give finish=lambda response: response.aread()"
    )


def test_a_coroutine_that_finish_returns_is_refused() -> None:
    assert seen(asyncio.sleep(0), is_finished=True) == "refused"


# --- the status of a response ---------------------------------------------------------------------


def failing_response_of_flask(_: str) -> Any:
    return Flask("empty").test_client().get("/missing")


FAILING: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.get(f"{url}missing"),
    "httpx": lambda url: httpx.get(f"{url}missing"),
    "urllib3": lambda url: urllib3.PoolManager().request("GET", f"{url}missing"),
    "Flask": failing_response_of_flask,
    "Starlette": lambda _: PlainTextResponse("", 404),
    "Django": lambda _: HttpResponse(b"", status=500, content_type="text/plain; charset=utf-8"),
}


@pytest.mark.parametrize("get", FAILING.values(), ids=FAILING)
def test_a_failed_response_gets_advice_unless_answers_are_checked(
    get: Callable[[str], Any], url: str
) -> None:
    assert seen(get(url)) == "failed-answer"
    assert seen(get(url), is_checked=True) == "right"


def test_the_advice_names_the_attribute_of_the_library(url: str) -> None:
    look = Look()
    connection = http.client.HTTPConnection(url.split("/")[2])
    connection.request("GET", "/missing")
    with contextlib.closing(connection), connection.getresponse() as response:
        response.read()
        look(response)
    assert [dict(each.figures) for each in look.advice] == [{"status": 404, "attribute": "status"}]


# --- one look -------------------------------------------------------------------------------------


def test_only_the_first_answer_is_looked_at() -> None:
    look = Look()
    for answer in (1, map(int, "1")):
        look(answer)
    assert look.advice == ()


def test_a_failed_request_is_not_looked_at() -> None:
    look = Look()
    look(ValueError("refused"))
    assert not look.is_over
    with pytest.raises(Unfinished):
        look(map(int, "1"))


def test_a_refusal_ends_no_look_so_that_each_caller_of_a_burst_stops() -> None:
    look = Look()
    for _ in range(2):
        with pytest.raises(Unfinished):
            look(rows())


def test_the_time_until_a_future_is_finished_is_told() -> None:
    look = Look(waits_by=time.perf_counter_ns)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        look(pool.submit(time.sleep, 0.05))
    assert 10_000_000 < look.advice[0].figures["finish_ns"] < 1_000_000_000  # type: ignore[operator]


def test_a_future_that_does_not_end_is_not_waited_for(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_hancock_latency.measuring.answers._PATIENCE_S", 0.01)
    look = Look(waits_by=time.perf_counter_ns)
    look(future(ending))
    assert "finish_ns" not in look.advice[0].figures


def test_an_iterator_is_not_consumed_by_the_look() -> None:
    items = map(int, "12")
    with pytest.raises(Unfinished):
        Look()(items)
    assert list(items) == [1, 2]
