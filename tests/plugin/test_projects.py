"""Projects of other kinds, each with a gate that holds and one that is broken, for real."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import Suite

# The environments of tox that go without one of them go without this module.
NEEDED = (
    "aiohttp",
    "celery",
    "django",
    "fastapi",
    "grpc",
    "pytest_django",
    "pytest_trio",
    "redis",
    "sqlalchemy",
)
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason="needs the projects that are gated"
)

FAST = "latency_budget(p50=500, samples=20)"
SLOW = "latency_budget(p50=1, p95=2)"
"""What a call that sleeps 10 ms is not within."""


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Redis."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = ["redis-server", "--port", str(port), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
        process.kill()


def outcomes(suite: Suite, source: str, *arguments: str) -> dict[str, str]:
    """What became of each sample, by the name of its test."""
    suite.write(source.replace("@FAST", f"@{FAST}").replace("@SLOW", f"@{SLOW}"))
    samples = suite.artifact(*arguments)["samples"]
    return {sample["test"].rpartition("::")[2]: sample["outcome"] for sample in samples}


GREEN_AND_RED = {"test_green": "within", "test_red": "exceeded"}


def test_fastapi_with_functions(suite: Suite) -> None:
    source = """
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()

@app.get("/fast")
def fast(): return {}

@app.get("/slow")
def slow(): time.sleep(0.01); return {}

@pytest.fixture
def client():
    with TestClient(app) as client: yield client

@FAST
def test_green(sample, client): sample(client.get, "/fast")

@SLOW
def test_red(sample, client): sample(client.get, "/slow")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_fastapi_with_coroutines(suite: Suite) -> None:
    source = """
import asyncio
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/fast")
async def fast(): return {}

@app.get("/slow")
async def slow(): await asyncio.sleep(0.01); return {}

@pytest.fixture
def anyio_backend(): return "asyncio"

def client():
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")

@FAST
@pytest.mark.anyio
async def test_green(sample):
    async with client() as c: await sample(c.get, "/fast")

@SLOW
@pytest.mark.anyio
async def test_red(sample):
    async with client() as c: await sample(lambda: c.get("/slow"))
"""
    assert outcomes(suite, source, "-p", "anyio") == GREEN_AND_RED


DJANGO = """
import django
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def fast(request): return HttpResponse("ok")

def slow(request): time.sleep(0.01); return HttpResponse("ok")

def database(request):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return HttpResponse(str(cursor.fetchone()[0]))

urlpatterns = [path("fast", fast), path("slow", slow), path("database", database)]

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
    )
    django.setup()
"""


def test_django_with_the_client_of_pytest_django(suite: Suite) -> None:
    source = f"""{DJANGO}
@FAST
def test_green(sample, client): sample(client.get, "/fast")

@SLOW
def test_red(sample, client): sample(client.get, "/slow")

@FAST
@pytest.mark.django_db
def test_database(sample, client): sample(client.get, "/database")
"""
    found = outcomes(suite, source, "-p", "pytest_django.plugin")
    assert found == {**GREEN_AND_RED, "test_database": "within"}


@pytest.mark.parametrize("case", ["SimpleTestCase", "TestCase", "TransactionTestCase"])
def test_django_with_its_own_test_cases(suite: Suite, case: str) -> None:
    source = f"""{DJANGO}
from django.test import {case}

class TestViews({case}):
    @FAST
    def test_green(self):
        assert self.client.get("/fast").status_code == 200

    @SLOW
    def test_red(self): self.client.get("/slow")

    def test_ungated(self): self.client.get("/fast")
"""
    assert outcomes(suite, source, "-p", "pytest_django.plugin") == GREEN_AND_RED


def test_aiohttp(suite: Suite) -> None:
    source = """
import asyncio
import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

async def fast(request): return web.Response(text="ok")

async def slow(request): await asyncio.sleep(0.01); return web.Response(text="ok")

async def gated(sample, path):
    app = web.Application()
    app.add_routes([web.get("/fast", fast), web.get("/slow", slow)])
    async with TestClient(TestServer(app)) as client:
        async def get():
            async with client.get(path) as answer: return await answer.text()
        await sample(get)

@FAST
def test_green(sample): asyncio.run(gated(sample, "/fast"))

@SLOW
def test_red(sample): asyncio.run(gated(sample, "/slow"))

@FAST
def test_not_awaited(sample):
    async def test():
        async with aiohttp.ClientSession() as session:
            sample(session.get, "http://127.0.0.1:1/").close()
    asyncio.run(test())
"""
    assert outcomes(suite, source) == GREEN_AND_RED
    suite.run("-k", "not_awaited").stdout.fnmatch_lines(
        "sample without a name was begun and never finished: "
        "write `await sample(...)` for what is awaited, and do not leave its rounds"
    )


GRPC = """
import asyncio
import grpc
from concurrent.futures import ThreadPoolExecutor

def plain(data): return data

def fast(request, context): return request

def slow(request, context): time.sleep(0.01); return request

def handler(implementation): return grpc.unary_unary_rpc_method_handler(implementation)

@pytest.fixture(scope="module")
def address():
    server = grpc.server(ThreadPoolExecutor(2))
    methods = {"Fast": handler(fast), "Slow": handler(slow)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("demo.Echo", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
"""


def test_grpc_with_functions(suite: Suite) -> None:
    source = f"""{GRPC}
@FAST
def test_green(sample, address):
    with grpc.insecure_channel(address) as channel:
        sample(channel.unary_unary("/demo.Echo/Fast", plain, plain), b"x")

@SLOW
def test_red(sample, address):
    with grpc.insecure_channel(address) as channel:
        sample(channel.unary_unary("/demo.Echo/Slow", plain, plain), b"x")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_grpc_with_coroutines(suite: Suite) -> None:
    source = f"""{GRPC}
def gated(sample, address, method):
    async def test():
        async with grpc.aio.insecure_channel(address) as channel:
            await sample(channel.unary_unary(method, plain, plain), b"x")
    asyncio.run(test())

@FAST
def test_green(sample, address): gated(sample, address, "/demo.Echo/Fast")

@SLOW
def test_red(sample, address): gated(sample, address, "/demo.Echo/Slow")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


SLOW_SCRIPT = "local x = 1; for i = 1, 3000000 do x = (x * 5 + 1) % 65536 end"


def test_redis_with_functions(suite: Suite, redis_port: int) -> None:
    source = f"""
import redis

@pytest.fixture
def store():
    with redis.Redis(port={redis_port}) as store: yield store

@FAST
def test_green(sample, store): sample(store.set, "key", "value")

@SLOW
def test_red(sample, store): sample(store.eval, "{SLOW_SCRIPT}", 0)
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_redis_with_coroutines(suite: Suite, redis_port: int) -> None:
    source = f"""
import asyncio
import redis.asyncio

def gated(sample, method, *arguments):
    async def test():
        async with redis.asyncio.Redis(port={redis_port}) as store:
            await sample(getattr(store, method), *arguments)
    asyncio.run(test())

@FAST
def test_green(sample): gated(sample, "set", "key", "value")

@SLOW
def test_red(sample): gated(sample, "eval", "{SLOW_SCRIPT}", 0)
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_sqlalchemy(suite: Suite, tmp_path: Path) -> None:
    source = f"""
from sqlalchemy import create_engine, event, text

engine = create_engine("sqlite:///{tmp_path}/rows.db")

@event.listens_for(engine, "connect")
def connected(connection, record):
    connection.create_function("nap", 1, lambda ms: time.sleep(ms / 1000))

def query(sql):
    with engine.connect() as connection: return connection.execute(text(sql)).all()

@FAST
def test_green(sample): sample(query, "select 1")

@SLOW
def test_red(sample): sample(query, "select nap(10)")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_a_program_that_is_started(suite: Suite) -> None:
    source = """
import subprocess, sys

def program(code):
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)

@latency_budget(p50=2000, samples=10)
def test_green(sample): sample(program, "")

@SLOW
def test_red(sample): sample(program, "import time; time.sleep(0.01)")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_a_websocket_of_starlette(suite: Suite) -> None:
    source = """
import asyncio
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient

async def echo(socket):
    await socket.accept()
    while True:
        message = await socket.receive_text()
        if message == "bye": break
        await asyncio.sleep(float(message))
        await socket.send_text(message)
    await socket.close()

client = TestClient(Starlette(routes=[WebSocketRoute("/", echo)]))

def gated(sample, message):
    with client.websocket_connect("/") as socket:
        def exchange():
            socket.send_text(message)
            return socket.receive_text()
        sample(exchange)
        socket.send_text("bye")

@FAST
def test_green(sample): gated(sample, "0")

@SLOW
def test_red(sample): gated(sample, "0.01")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_celery_in_eager_mode(suite: Suite) -> None:
    source = """
from celery import Celery

app = Celery("demo", broker="memory://")
app.conf.task_always_eager = True

@app.task
def fast(): return 1

@app.task
def slow(): time.sleep(0.01)

@FAST
def test_green(sample): sample(fast.delay)

@SLOW
def test_red(sample): sample(lambda: slow.delay().get())
"""
    assert outcomes(suite, source) == GREEN_AND_RED


def test_trio(suite: Suite) -> None:
    source = """
import trio

@FAST
@pytest.mark.trio
async def test_green(sample): await sample(trio.sleep, 0)

@SLOW
@pytest.mark.trio
async def test_red(): await trio.sleep(0.01)
"""
    assert outcomes(suite, source, "-p", "pytest_trio.plugin") == GREEN_AND_RED
