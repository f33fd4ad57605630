"""Projects of other kinds, each with a gate that holds and one that is broken, for real.

The gates that hold are the blocks of docs/recipes.md, with limits for a busy machine.
"""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
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
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in NEEDED), reason="needs the projects that are gated"
    ),
]

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
HEALTH_AND_RED = {"test_health": "within", "test_red": "exceeded"}
PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def recipes() -> dict[str, str]:
    """The blocks of the page by their headings, one for each."""
    blocks, chapter, heading = {}, "", ""
    text = PAGE.read_text(encoding="utf-8")
    for mark, title, block in re.findall(
        r"^(##+) ([^\n]*)$|^```python\n(.*?)^```", text, re.M | re.S
    ):
        if mark:
            chapter = title if mark == "##" else chapter
            heading = title if mark == "##" else f"{chapter}: {title}"
        else:
            assert heading not in blocks, heading
            blocks[heading] = block
    return blocks


def recipe(heading: str, budget: str = "@FAST") -> str:
    """A block of the page, with a budget for a busy machine."""
    return re.sub(r"@latency_budget\(.*\)", budget, recipes()[heading])


def test_every_recipe_is_run() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(recipes()) == PAGE.read_text(encoding="utf-8").count("```python")
    assert [heading for heading in recipes() if f'recipe("{heading}"' not in here] == []


FASTAPI = """
import asyncio
from fastapi import FastAPI

app = FastAPI()

@app.get("/health")
def health(): return {}

@app.get("/slow")
def slow(): time.sleep(0.01); return {}

@app.get("/slow-coroutine")
async def slow_coroutine(): await asyncio.sleep(0.01); return {}
"""


def test_fastapi_with_functions(suite: Suite) -> None:
    suite.write(FASTAPI, "shop.py")
    source = f"""
{recipe("FastAPI: Functions")}
@SLOW
def test_red(sample, client): sample(client.get, "/slow")
"""
    assert outcomes(suite, source) == HEALTH_AND_RED


def test_fastapi_with_coroutines(suite: Suite) -> None:
    suite.write(FASTAPI, "shop.py")
    source = f"""
{recipe("FastAPI: Coroutines")}
@SLOW
@pytest.mark.anyio
async def test_red(sample):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as c:
        await sample(lambda: c.get("/slow-coroutine"))
"""
    assert outcomes(suite, source, "-p", "anyio") == HEALTH_AND_RED


DJANGO = """
import django
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def fast(request): return HttpResponse("ok")

def slow(request): time.sleep(0.01); return HttpResponse("ok")

def books(request):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return HttpResponse(str(cursor.fetchone()[0]))

urlpatterns = [path("health", fast), path("slow", slow), path("books", books)]

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
        STATIC_URL="/static/",
    )
    django.setup()
"""


def test_django_with_the_client_of_pytest_django(suite: Suite) -> None:
    source = f"""{DJANGO}
{recipe("Django: The test client")}
@SLOW
def test_red(sample, client): sample(client.get, "/slow")
"""
    found = outcomes(suite, source, "-p", "pytest_django.plugin")
    assert found == {**HEALTH_AND_RED, "test_books": "within"}


def test_django_with_a_live_server(suite: Suite) -> None:
    source = DJANGO + recipe("Django: A live server")
    assert outcomes(suite, source, "-p", "pytest_django.plugin") == {"test_health": "within"}


@pytest.mark.parametrize("case", ["SimpleTestCase", "TestCase", "TransactionTestCase"])
def test_django_with_its_own_test_cases(suite: Suite, case: str) -> None:
    source = f"""{DJANGO}
{recipe("Django: Django's own test cases").replace("TestCase", case)}
    @SLOW
    def test_red(self): self.client.get("/slow")

    def test_ungated(self): self.client.get("/health")
"""
    assert outcomes(suite, source, "-p", "pytest_django.plugin") == HEALTH_AND_RED


def test_aiohttp(suite: Suite) -> None:
    shop = """
import asyncio
from aiohttp import web

async def health(request): return web.Response(text="ok")

async def slow(request): await asyncio.sleep(0.01); return web.Response(text="ok")

def make_app():
    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/slow", slow)])
    return app
"""
    source = f"""
import asyncio
import aiohttp
{recipe("aiohttp")}
@SLOW
def test_red(sample):
    async def test():
        async with TestClient(TestServer(make_app())) as client:
            async def get():
                async with client.get("/slow") as answer: return await answer.text()
            await sample(get)
    asyncio.run(test())

@FAST
def test_not_awaited(sample):
    async def test():
        async with aiohttp.ClientSession() as session:
            sample(session.get, "http://127.0.0.1:1/").close()
    asyncio.run(test())
"""
    suite.write(shop, "shop.py")
    assert outcomes(suite, source, "-p", "anyio") == HEALTH_AND_RED
    suite.run("-k", "not_awaited").stdout.fnmatch_lines(
        "sample without a name was started but never finished: write `await sample(...)` for "
        "coroutine functions, and do not leave sample.rounds() early"
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
    methods = {"Say": handler(fast), "Slow": handler(slow)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("demo.Echo", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
"""


def test_grpc_with_functions(suite: Suite) -> None:
    source = f"""{GRPC}
{recipe("gRPC")}
@SLOW
def test_red(sample, address):
    with grpc.insecure_channel(address) as channel:
        sample(channel.unary_unary("/demo.Echo/Slow", plain, plain), b"x")
"""
    assert outcomes(suite, source) == {"test_saying_something": "within", "test_red": "exceeded"}


def test_grpc_with_coroutines(suite: Suite) -> None:
    source = f"""{GRPC}
def gated(sample, address, method):
    async def test():
        async with grpc.aio.insecure_channel(address) as channel:
            await sample(channel.unary_unary(method, plain, plain), b"x")
    asyncio.run(test())

@FAST
def test_green(sample, address): gated(sample, address, "/demo.Echo/Say")

@SLOW
def test_red(sample, address): gated(sample, address, "/demo.Echo/Slow")
"""
    assert outcomes(suite, source) == GREEN_AND_RED


SLOW_SCRIPT = "local x = 1; for i = 1, 3000000 do x = (x * 5 + 1) % 65536 end"


def test_redis_with_functions(suite: Suite, redis_port: int) -> None:
    source = f"""
{recipe("Redis: Functions").replace("6379", str(redis_port))}
@SLOW
def test_red(sample, store): sample(store.eval, "{SLOW_SCRIPT}", 0)
"""
    assert outcomes(suite, source) == {"test_set": "within", "test_red": "exceeded"}


def test_redis_with_coroutines(suite: Suite, redis_port: int) -> None:
    source = f"""
import asyncio
{recipe("Redis: Coroutines").replace("6379", str(redis_port))}
@SLOW
def test_red(sample):
    async def test():
        async with redis.asyncio.Redis(port={redis_port}) as store:
            await sample(store.eval, "{SLOW_SCRIPT}", 0)
    asyncio.run(test())
"""
    found = outcomes(suite, source, "-p", "anyio")
    assert found == {"test_set": "within", "test_red": "exceeded"}


def test_sqlalchemy(suite: Suite, tmp_path: Path) -> None:
    shop = f"""
from sqlalchemy import create_engine, event, text

engine = create_engine("sqlite:///{tmp_path}/books.db")

@event.listens_for(engine, "connect")
def connected(connection, record):
    connection.create_function("nap", 1, lambda ms: time.sleep(ms / 1000))

with engine.begin() as connection:
    connection.execute(text("create table books (id integer primary key, title text)"))
    connection.execute(text("insert into books (title) values ('Die unendliche Geschichte')"))
"""
    source = f"""
{recipe("SQLAlchemy: A query")}
{recipe("SQLAlchemy: A write that is undone")}
@SLOW
def test_red(sample):
    def nap():
        with engine.connect() as connection: return connection.execute(text("select nap(10)")).all()
    sample(nap)
"""
    suite.write(shop, "shop.py")
    assert outcomes(suite, source) == {
        "test_newest_books": "within",
        "test_adding_a_book": "within",
        "test_red": "exceeded",
    }
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        assert connection.execute("select count(*) from books").fetchone() == (1,)


def test_a_program_that_is_started(suite: Suite) -> None:
    source = f"""
{recipe("Subprocesses", budget="@latency_budget(p50=2000, samples=10)")}
def program(code):
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)

@SLOW
def test_red(sample): sample(program, "import time; time.sleep(0.01)")
"""
    assert outcomes(suite, source) == {"test_start": "within", "test_red": "exceeded"}


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
