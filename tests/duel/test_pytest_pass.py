"""Passes and duels by real pytest processes: which samples are compared, and which left out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import exp
from pathlib import Path
from random import Random

import pytest

from pytest_hancock_latency.duel import pytest_pass, side_process
from pytest_hancock_latency.duel.pytest_pass import PytestPass
from pytest_hancock_latency.duel.run_duel import PassResult, SampleKey, run_duel
from pytest_hancock_latency.duel.sides import two_sides
from pytest_hancock_latency.errors import DuelError
from pytest_hancock_latency.runs.duel import Duel, DuelOutcome, DuelRule

from .conftest import Commit

if sys.platform == "win32":  # no descriptors are handed down there
    pytest.skip("a duel needs POSIX", allow_module_level=True)

CODE = "VERSION = {version!r}\n\ndef f():\n    return sum(range({work}))\n"
BOTH = """\
from measured_code import f

def test_f(sample):
    sample(f)
"""
F = SampleKey("test_it.py::test_f", "")


@pytest.fixture
def versions(commit: Commit) -> Commit:
    """Commit a base that has measured code, and then these files as head."""
    commit({"measured_code.py": CODE.format(version="base", work=10_000), "test_it.py": BOTH})

    def head(files: dict[str, str], work: int = 10_000) -> str:
        return commit({"measured_code.py": CODE.format(version="head", work=work), **files})

    return head  # type: ignore[return-value]


def one_pass(
    arguments: Sequence[str] = ("-q",),
    *,
    own_tests: bool = False,
    settled: frozenset[SampleKey] = frozenset(),
) -> PassResult:
    with two_sides("HEAD~1", arguments, own_tests=own_tests) as sides:
        return PytestPass(sides, arguments)(settled, Random(1))


def duel(rule: DuelRule | None = None) -> Duel:
    arguments = ["-q"]
    with two_sides("HEAD~1", arguments) as sides:
        passes = PytestPass(sides, arguments)
        versions = sides[0].version, sides[1].version
        return run_duel(passes, versions, rule or DuelRule(), random=Random(1))


def test_a_pass_gives_the_ratio_of_the_medians(versions: Commit) -> None:
    versions({"test_it.py": BOTH, "pytest.ini": "[pytest]\n"})
    result = one_pass()
    assert {F} == result.ratios.keys()
    assert exp(result.ratios[F]) < 1.9
    base_ns, head_ns = result.latencies_ns[F]
    assert head_ns / base_ns == pytest.approx(exp(result.ratios[F]), rel=0.5)
    assert (result.left_out, result.remarks) == ({}, ())


def test_each_side_measures_its_own_code(versions: Commit) -> None:
    versions({"test_it.py": BOTH}, work=40_000)  # type: ignore[call-arg]
    assert exp(one_pass().ratios[F]) > 2


WAITING = """\
import sqlite3, threading, time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from measured_code import f

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        f()
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass

@pytest.fixture
def port():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port
        server.shutdown()

def get(port):
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()

def test_sleep(sample):
    sample(time.sleep, 0.002)

def test_pool(sample):
    with ThreadPoolExecutor(2) as pool:
        sample(lambda: pool.submit(f).result())

def test_server(sample, port):
    sample(get, port)

def test_fastapi(sample):
    app = FastAPI()
    app.get("/")(lambda: f())
    with TestClient(app) as client:
        sample(client.get, "/")

def test_sqlite(sample, tmp_path):
    connection = sqlite3.connect(tmp_path / "rows.db", isolation_level=None)
    connection.execute("create table rows (x)")
    sample(connection.execute, "insert into rows values (1)")
    connection.close()
"""


def test_calls_that_wait_for_others_are_compared_too(versions: Commit) -> None:
    versions({"test_it.py": WAITING, "pytest.ini": "[pytest]\n"})
    result = one_pass(["-q", "-p", "no:cacheprovider"])
    names = ("sleep", "pool", "server", "fastapi", "sqlite")
    assert [SampleKey(f"test_it.py::test_{name}", "") for name in names] == [*result.ratios]
    assert (result.left_out, result.remarks) == ({}, ())


def test_every_closed_loop_takes_turns_and_other_loads_are_left_out(versions: Commit) -> None:
    test = """\
import asyncio
from measured_code import f
from pytest_hancock_latency import latency_budget

@latency_budget(p50=1000, regression="10%")
def test_whole():
    f()

@latency_budget(p50=0.000001)
def test_exceeded(sample):
    sample(f, name="x")
    sample(f, name="y", check=lambda answer: answer > 0)

def test_rounds(sample):
    for _ in sample.rounds():
        with sample.observe():
            f()

def test_await(sample):
    async def g():
        f()
    asyncio.run(sample(g))

def test_loads(sample):
    sample.burst(f, requests=2)
    sample.at_rate(f, per_second=2, name="rate")
    sample.pairs(f, lambda: f())
"""
    test = test.replace("asyncio.run(sample(g))", "asyncio.run(awaited(sample, g))")
    test += "\nasync def awaited(sample, g):\n    await sample(g)\n"
    versions({"test_it.py": test})
    result = one_pass()
    tests = [("test_whole", ""), ("test_exceeded", "x"), ("test_exceeded", "y")]
    tests += [("test_rounds", ""), ("test_await", "")]
    assert [SampleKey(f"test_it.py::{test}", name) for test, name in tests] == [*result.ratios]
    assert {key.test: float(share) for key, share in result.regressions.items()} == {
        "test_it.py::test_whole": 0.1
    }
    assert {key.title: why for key, why in result.left_out.items()} == {
        "test_it.py::test_loads": "a burst: not measured in turns",
        "test_it.py::test_loads [rate]": "an arrival rate: not measured in turns",
        "test_it.py::test_loads [f]": "pairs: not measured in turns",
        "test_it.py::test_loads [<lambda>]": "pairs: not measured in turns",
    }
    assert result.remarks == ()


def test_a_sample_without_a_warm_up_takes_turns_as_well(versions: Commit) -> None:
    test = "from pytest_hancock_latency import latency_budget\n" + BOTH
    marked = test.replace("def test_f", "@latency_budget(p50=9, warmup=0)\ndef test_f")
    versions({"test_it.py": marked})
    result = one_pass()
    assert {F} == result.ratios.keys()
    assert result.remarks == ()


def test_each_side_gets_every_argument_once(versions: Commit, tmp_path: Path) -> None:
    written = tmp_path / "options"
    conftest = f"""\
def pytest_addoption(parser):
    parser.addoption("--label", action="append", default=[])

def pytest_sessionstart(session):
    option = session.config.option
    with open({str(written)!r}, "a") as file:
        print(option.label, option.verbose, option.file_or_dir, file=file)
"""
    versions({"conftest.py": conftest, "test_it.py": BOTH})
    one_pass(["-v", "--label", "x", "test_it.py"])
    assert written.read_text().splitlines() == ["['x'] 1 ['test_it.py']"] * 2


def test_slow_calls_get_fewer_turns(
    versions: Commit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pytest_pass, "LONG_S", 0.0)
    counted = tmp_path / "calls"
    test = f"""\
def test_f(sample):
    calls = []
    sample(lambda: calls.append(1))
    with open({str(counted)!r}, "a") as file:
        print(len(calls), file=file)
"""
    versions({"test_it.py": test})
    one_pass()
    expected = 5 + side_process.CALLS * pytest_pass.LEAST_TURNS
    assert [str(expected)] * 2 == counted.read_text().split()


@pytest.mark.long
def test_a_pytest_inside_a_side_is_no_side(versions: Commit) -> None:
    test = """\
pytest_plugins = ["pytester"]

def test_inner(pytester):
    pytester.makepyfile("def test_g(sample): sample(sum, [1])")
    pytester.runpytest_subprocess("-p", "hancock_latency").assert_outcomes(passed=1)
"""
    versions({"test_it.py": BOTH, "test_inner.py": test})
    result = one_pass()
    assert result.remarks == ()
    assert {F} == result.ratios.keys()
    assert (result.left_out, result.remarks) == ({}, ())


def test_what_is_settled_is_not_measured_again(versions: Commit) -> None:
    versions({"test_it.py": BOTH + "\n\ndef test_g(sample):\n    sample(f)\n"})
    result = one_pass(settled=frozenset([F]))
    assert [SampleKey("test_it.py::test_g", "")] == [*result.ratios]
    assert result.left_out == {}


@pytest.mark.parametrize("extra_first", [True, False])
def test_a_sample_that_one_side_lacks_is_left_out(versions: Commit, extra_first: bool) -> None:
    extra = "def test_extra(sample):\n    sample(f)\n\n"
    head, _, test = BOTH.partition("\n\n")
    versions({"test_it.py": f"{head}\n\n{extra}{test}" if extra_first else f"{BOTH}\n{extra}"})
    result = one_pass(own_tests=True)
    assert {F} == result.ratios.keys()
    assert {SampleKey("test_it.py::test_extra", ""): "base did not measure it"} == result.left_out


def test_tests_in_another_order_on_each_side_release_each_other(commit: Commit) -> None:
    a, b = (f"def test_{name}(sample):\n    sample(sum, [1])\n\n" for name in "ab")
    commit({"test_it.py": a + b})
    commit({"test_it.py": b + a})
    result = one_pass(own_tests=True)
    assert len(result.ratios) + len(result.left_out) == 2


def test_a_request_that_fails_on_one_side_releases_the_other(versions: Commit) -> None:
    test = """\
from measured_code import VERSION, f

calls = 0

def test_failing(sample):
    def failing():
        global calls
        calls += 1
        if VERSION == "head" and calls > 20:
            raise ValueError("not today")
    sample(failing)
"""
    versions({"test_it.py": test + "\n" + BOTH})
    result = one_pass()
    failing = SampleKey("test_it.py::test_failing", "")
    assert {F} == result.ratios.keys()
    assert {failing: "head did not finish it"} == result.left_out
    assert [*result.remarks] == ["head: test_it.py::test_failing failed: ValueError: not today"]


def test_a_side_that_is_killed_releases_the_other(versions: Commit) -> None:
    test = """\
import os
from measured_code import VERSION

def test_killed(sample):
    sample(f)
    if VERSION == "head":
        os.kill(os.getpid(), 9)

def test_never_reached(sample):
    sample(f)
"""
    versions({"test_it.py": BOTH + "\n" + test})
    result = one_pass()
    assert [F, SampleKey("test_it.py::test_killed", "")] == [*result.ratios]
    never = SampleKey("test_it.py::test_never_reached", "")
    assert {never: "head did not measure it"} == result.left_out
    assert [*result.remarks] == ["head was killed by SIGKILL"]


@pytest.mark.long
def test_a_side_that_hangs_is_stopped_and_releases_the_other(
    versions: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_process, "HANG_S", 3.0)
    test = """\
import threading
from measured_code import VERSION

def test_hanging(sample):
    if VERSION == "base":
        threading.Event().wait()
    sample(f)
"""
    versions({"test_it.py": BOTH + "\n" + test})
    result = one_pass()
    assert {F} == result.ratios.keys()
    assert [*result.remarks] == ["base did not answer for 3 s and was stopped"]


def test_imports_from_the_folder_of_the_user_are_reported(
    versions: Commit, repository: Path
) -> None:
    lines = f"import sys\nsys.path.insert(0, {str(repository)!r})\nimport measured_code\n"
    versions({"test_it.py": BOTH, "conftest.py": lines})
    assert [
        f"{side} imported {repository}/measured_code.py, which belongs to neither version: "
        "install the package in editable mode, or put it on pythonpath"
        for side in ("base", "head")
    ] == sorted(one_pass().remarks)


@pytest.mark.long
def test_a_duel_goes_on_until_every_sample_is_settled(versions: Commit) -> None:
    versions({"test_it.py": BOTH}, work=30_000)  # type: ignore[call-arg]
    result = duel()
    (only,) = result.samples
    assert DuelOutcome.SLOWER is only.verdict.outcome
    assert only.verdict.passes == result.passes == len(only.log_ratios)
    assert only.title == "test_it.py::test_f"


def test_a_base_that_does_not_import_is_one_line(commit: Commit) -> None:
    commit({"measured_code.py": "raise RuntimeError('broken')", "test_it.py": BOTH})
    commit({"measured_code.py": CODE.format(version="head", work=10), "test_it.py": BOTH})
    with pytest.raises(DuelError) as refused:
        duel()
    assert str(refused.value) == (
        "nothing was compared: base: test_it.py failed: RuntimeError: broken; "
        "test_it.py::test_f: base did not measure it"
    )


def test_a_suite_without_a_sample_is_one_line(versions: Commit) -> None:
    versions({"test_it.py": "def test_nothing():\n    pass\n"})
    with pytest.raises(DuelError) as refused:
        duel()
    assert str(refused.value) == (
        "nothing was compared: no test on either side uses the sample fixture"
    )


def test_a_pytest_that_refuses_its_arguments_is_one_line(versions: Commit) -> None:
    versions({"pytest.ini": "[pytest]\naddopts = --no-such-option\n"})
    with pytest.raises(DuelError) as refused:
        duel()
    assert "pytest ended with exit code 4: " in str(refused.value)
    assert "unrecognized arguments: --no-such-option" in str(refused.value)
