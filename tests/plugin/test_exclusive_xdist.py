"""Gates that run alone in sessions of pytest-xdist: what runs when, and that no session hangs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.plugin.exclusive import HAS_LOCKS

from .conftest import Errors, Suite

pytest.importorskip("xdist")
pytestmark = pytest.mark.skipif(not HAS_LOCKS, reason="this system has no record locks")

# Of each test, the worker, and when its fixtures began and ended.
CONFTEST = """
import json, os, time
from pathlib import Path
import pytest

HERE = Path(__file__).parent

@pytest.fixture(autouse=True)
def span(request):
    began = time.monotonic_ns()
    yield
    span = [request.node.name, os.environ.get("PYTEST_XDIST_WORKER"), began, time.monotonic_ns()]
    with (HERE / "spans").open("a") as file:
        file.write(json.dumps(span) + "\\n")

def note(name):
    (HERE / name).touch()

def wait_for(name):
    until = time.monotonic() + 60
    while not (HERE / name).exists():
        assert time.monotonic() < until, name
        time.sleep(0.002)
"""
GATES = """
from conftest import note, wait_for

@pytest.mark.parametrize("number", range(6))
@latency_budget(p50=500, samples=1, max_samples=20)
def test_gate(sample, number): sample(time.sleep, 0.001)
"""
TESTS = """
@pytest.mark.parametrize("number", range(40))
def test_plain(number): time.sleep(0.01)
"""
MIXED = GATES + TESTS
SHORT_WAITS = """
from pytest_hancock_latency.plugin import exclusive
exclusive.LONGEST_NS = 2_000_000_000
"""
HAS_HOOKS = """
def test_hooks(request):
    manager = request.config.pluginmanager
    with (HERE / "hooks").open("a") as file:
        file.write(f"{manager.has_plugin('hancock_latency_exclusive')}\\n")
"""


@dataclass(frozen=True)
class Span:
    """When a test ran."""

    name: str
    worker: str
    began_ns: int
    ended_ns: int

    def overlaps(self, span: Span) -> bool:
        return self.began_ns < span.ended_ns and span.began_ns < self.ended_ns


def spans(suite: Suite) -> list[Span]:
    lines = (suite.path / "spans").read_text(encoding="utf-8").splitlines()
    return [Span(*json.loads(line)) for line in lines]


def overlaps(suite: Suite) -> list[tuple[str, str]]:
    """Gates, each with a test that ran at the same time."""
    found = spans(suite)
    return [
        (gate.name, span.name)
        for gate in found
        if "gate" in gate.name
        for span in found
        if span is not gate and gate.overlaps(span)
    ]


def samples(suite: Suite, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = suite.artifact(*arguments)["samples"]
    return found


@pytest.fixture
def project(suite: Suite) -> Suite:
    suite.path.joinpath("conftest.py").write_text(CONFTEST, encoding="utf-8")
    return suite


@pytest.mark.parametrize("workers", ["2", pytest.param("4", marks=pytest.mark.long)])
def test_no_test_runs_while_a_gate_measures(project: Suite, workers: str) -> None:
    project.write(MIXED)
    artifact = project.artifact("-n", workers)
    assert len(spans(project)) == 46
    assert len({span.worker for span in spans(project)}) == int(workers)
    assert overlaps(project) == []
    measured = [sample["measurement"] for sample in artifact["samples"]]
    assert [(m["alone"], m["waited_ns"] >= 0) for m in measured] == [(True, True)] * 6
    assert not [each for m in measured for each in m["advice"] if each["kind"] == "not-alone"]
    assert artifact["settings"]["exclusive"] == "auto"
    waited = artifact["exclusive"]
    assert waited["gates_waited_ns"] == sum(m["waited_ns"] for m in measured)
    assert waited["tests_waited_ns"] >= 0


@pytest.mark.long
@pytest.mark.parametrize("distribution", ["worksteal", "loadscope", "loadfile", "loadgroup"])
def test_however_tests_are_distributed_gates_run_alone(project: Suite, distribution: str) -> None:
    project.write(MIXED, "test_first.py")
    project.write("pytestmark = pytest.mark.xdist_group('second')\n" + MIXED, "test_second.py")
    result = project.run("-n", "2", f"--dist={distribution}")
    result.assert_outcomes(passed=92)
    assert overlaps(project) == []


@pytest.mark.long
def test_where_each_worker_runs_every_test_gates_run_alone(project: Suite) -> None:
    project.write(MIXED)
    result = project.run("-n", "2", "--dist=each")
    result.assert_outcomes(passed=92)
    assert overlaps(project) == []


@pytest.mark.long
def test_tests_that_follow_each_other_do_not_keep_a_gate_waiting(project: Suite) -> None:
    """Both other workers always run one of their tests; a gate begins when these have ended."""
    project.write(GATES, "test_gates.py")
    many = TESTS.replace("range(40)", "range(300)").replace("0.01", "0.005")
    project.write(many, "test_first.py")
    project.write(many, "test_second.py")
    measured = samples(project, "-n", "3", "--dist=loadfile")
    found = spans(project)
    gates = [span for span in found if "gate" in span.name]
    assert len(found) == 606
    for gate, sample in zip(gates, measured, strict=True):
        asked_ns = gate.began_ns - sample["measurement"]["waited_ns"]
        between = [span for span in found if asked_ns < span.began_ns < gate.began_ns]
        assert len(between) <= 4  # of each worker, one that has begun and one that has its turn
        assert sample["measurement"]["alone"]


def test_a_worker_that_is_killed_in_a_gate_lets_the_others_run(project: Suite) -> None:
    project.write(
        MIXED
        + """
@latency_budget(p50=500, samples=1)
def test_gate_dies(sample):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    result = project.run("-n", "2")
    result.assert_outcomes(passed=46, failed=1)
    result.stdout.fnmatch_lines(
        ["*worker 'gw*' crashed while running 'test_it.py::test_gate_dies'*"]
    )
    assert overlaps(project) == []


LONG = """
from conftest import note, wait_for

def test_long():
    note("begun")
    wait_for("measured")
"""
NEXT_TO_LONG = """
from conftest import note, wait_for

def test_until_the_long_one_runs(): wait_for("begun")

@latency_budget(p50=500, samples=1, max_samples=20)
def test_gate(sample):
    sample(time.sleep, 0.001)
    note("measured")
"""


def test_a_long_test_is_not_waited_for_and_the_gate_says_so(project: Suite) -> None:
    project.write(LONG, "test_first.py")
    project.write(NEXT_TO_LONG, "test_second.py")
    result = project.run("-n", "2", "--dist=loadfile", "--latency-json=artifact.json")
    result.assert_outcomes(passed=3)
    advice = (
        "not alone: test_first.py::test_long in another worker had already run for 3 s and went "
        "on; run gates in a session of their own, without -n"
    )
    title = "test_second.py::test_gate"
    result.stdout.fnmatch_lines([f"advice for {title}: {advice} (not-alone)"])
    (sample,) = json.loads((project.path / "artifact.json").read_text())["samples"]
    assert sample["measurement"]["alone"] is False
    assert 0 < sample["measurement"]["waited_ns"] < 60_000_000_000
    assert [entry["text"] for entry in sample["measurement"]["advice"]] == [advice]


FILE_LOCK = """
import json
from filelock import FileLock

@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.getbasetemp().parent / "data.json"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            time.sleep(0.2)
            path.write_text(json.dumps("made once"))
        return json.loads(path.read_text())

@pytest.mark.parametrize("number", range(6))
@latency_budget(p50=500, samples=1, max_samples=20)
def test_gate(sample, data, number): sample(time.sleep, 0.001)

@pytest.mark.parametrize("number", range(20))
def test_plain(data, number): assert data == "made once"
"""


def test_a_fixture_that_is_made_by_one_worker_for_all_is_no_deadlock(project: Suite) -> None:
    """The recipe of pytest-xdist's documentation."""
    pytest.importorskip("filelock")
    project.write(FILE_LOCK)
    project.run("-n", "4").assert_outcomes(passed=26)
    assert overlaps(project) == []


KEPT_LOCK = """
from conftest import HERE, note, wait_for
from filelock import FileLock

@pytest.fixture(scope="module")
def locked():
    with FileLock(HERE / "a lock"):
        yield
"""


@pytest.mark.long
def test_a_lock_that_is_kept_between_two_tests_is_no_deadlock(project: Suite) -> None:
    """A gate waits for a lock of a worker that waits for the gate: nobody waits for that long."""
    pytest.importorskip("filelock")
    (project.path / "conftest.py").write_text(CONFTEST + SHORT_WAITS, encoding="utf-8")
    project.write(
        KEPT_LOCK
        + """
def test_takes_it(locked): note("locked")

def test_has_it(locked): pass
""",
        "test_first.py",
    )
    project.write(
        KEPT_LOCK
        + """
def test_waits(): wait_for("locked")

@latency_budget(p50=500, samples=1, max_samples=20)
def test_gate(sample, locked): sample(time.sleep, 0.001)
""",
        "test_second.py",
    )
    project.run("-n", "2", "--dist=loadfile").assert_outcomes(passed=4)


@pytest.mark.long
def test_tests_that_wait_for_each_other_are_no_deadlock(project: Suite) -> None:
    project.write(GATES)
    for own, awaited in (("b", "c"), ("c", "b")):
        project.write(
            f"""
from conftest import note, wait_for

@pytest.mark.parametrize("number", range(10))
def test_{own}(number):
    note(f"{own}{{number}}")
    wait_for(f"{awaited}{{number}}")
""",
            f"test_{own}.py",
        )
    project.run("-n", "3", "--dist=loadfile").assert_outcomes(passed=26)


def test_waiting_does_not_count_for_pytest_timeout(project: Suite) -> None:
    pytest.importorskip("pytest_timeout")
    project.write(
        """
@latency_budget(p50=500, samples=1, max_samples=20)
@pytest.mark.timeout(60)
def test_gate(sample):
    sample(time.sleep, 0.001)
    time.sleep(2.5)
""",
        "test_first.py",
    )
    project.write(TESTS.replace("range(40)", "range(100)"), "test_second.py")
    arguments = ("-p", "timeout", "--timeout=2", "--dist=loadfile", "--latency-json=artifact.json")
    result = project.run("-n", "2", *arguments)
    result.assert_outcomes(passed=101)
    artifact = json.loads((project.path / "artifact.json").read_text())
    assert artifact["exclusive"]["tests_waited_ns"] > 2_000_000_000
    result.stdout.fnmatch_lines(
        [
            "gates ran alone: they waited * for the tests of other workers, which waited * s for "
            "them, all taken together (--latency-exclusive=off runs them at the same time)"
        ]
    )


@pytest.mark.long
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_gate_that_hangs_ends_by_its_timeout_and_others_go_on(
    project: Suite, method: str
) -> None:
    pytest.importorskip("pytest_timeout")
    project.write(
        MIXED
        + """
@latency_budget(p50=500, samples=1, max_samples=20)
@pytest.mark.timeout(1)
def test_gate_hangs(sample): time.sleep(600)
"""
    )
    result = project.run("-n", "2", "-p", "timeout", f"--timeout-method={method}")
    result.assert_outcomes(passed=46, failed=1)
    assert overlaps(project) == []


def test_a_gate_that_hangs_keeps_others_waiting_for_a_limited_time(project: Suite) -> None:
    (project.path / "conftest.py").write_text(CONFTEST + SHORT_WAITS, encoding="utf-8")
    project.write(
        """
from conftest import note, wait_for

@latency_budget(p50=500, samples=1, max_samples=20)
def test_gate(sample):
    sample(time.sleep, 0.001)
    note("measured")
    wait_for("the end")
""",
        "test_first.py",
    )
    project.write(
        """
from conftest import note, wait_for

def test_first(): wait_for("measured")

@pytest.mark.parametrize("number", range(20))
def test_plain(number): note("the end" if number == 19 else "not yet")
""",
        "test_second.py",
    )
    project.run("-n", "2", "--dist=loadfile").assert_outcomes(passed=22)


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("-x",), ("--maxfail=2",)], ids=" ".join)
def test_a_session_that_stops_at_a_failure_ends(project: Suite, arguments: Sequence[str]) -> None:
    project.write(MIXED.replace("time.sleep(0.01)", "assert number != 7"))
    project.write(
        "@latency_budget(p50=0.01, samples=1)\ndef test_gate(sample): sample(cpu.use, 0.002)\n",
        "test_second.py",
    )
    result = project.run("-n", "4", *arguments)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    assert overlaps(project) == []


@pytest.mark.long
def test_a_child_that_a_test_forks_takes_no_part(project: Suite) -> None:
    project.write(
        GATES
        + """
import os

@pytest.mark.parametrize("number", range(20))
def test_forks(number):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
"""
    )
    result = project.run("-n", "2", "-W", "ignore::DeprecationWarning")
    result.assert_outcomes(passed=26)
    assert overlaps(project) == []


INNER = """
import time
from pytest_hancock_latency import latency_budget

@latency_budget(p50=500, samples=1)
def test_gate(sample): sample(time.sleep, 0.001)

def test_plain(): pass
"""
# numpy cannot be imported again after pytester has removed it with all that a session imported.
NESTED = f"""
import numpy

@pytest.mark.parametrize("how", ["runpytest_inprocess", "runpytest_subprocess"])
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("is_gate", [False, pytest.param(True, marks=latency_budget(p50="100s"))])
def test_nested(pytester, sample, how, workers, is_gate):
    pytester.makepyfile({INNER!r})
    sample(int)
    getattr(pytester, how)("-p", "hancock_latency", *workers).assert_outcomes(passed=2)
"""


@pytest.mark.long
def test_sessions_inside_a_test_do_not_wait_for_those_outside(project: Suite) -> None:
    project.write(NESTED + TESTS)
    project.run("-n", "2", "-p", "pytester").assert_outcomes(passed=48)


def has_hooks(suite: Suite, *arguments: str) -> set[str]:
    """Whether the hooks are registered, in all workers."""
    suite.write(f"from conftest import HERE\n{HAS_HOOKS}", "test_hooks.py")
    log = suite.path / "hooks"
    log.unlink(missing_ok=True)
    result = suite.run(*arguments)
    assert result.ret == 0, result.outlines
    return set(log.read_text(encoding="utf-8").split())


PROXIES = ("-p", "xdist", "--dist=load", "--px", "id=p//popen", "--px", "id=q//popen")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-n", "2", "--latency=off"),
        ("-n", "2", "--latency-exclusive=off"),
        ("-n", "2", "-k", "not gate"),
        pytest.param(("-p", "xdist", "-n0"), marks=pytest.mark.long),
        pytest.param(("-n", "1"), marks=pytest.mark.long),
        pytest.param(
            (*PROXIES, "--tx", "popen//via=p", "--tx", "popen//via=q"), marks=pytest.mark.long
        ),
        pytest.param((*PROXIES, "--tx", "popen", "--tx", "popen//via=p"), marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_where_there_is_nothing_to_wait_for_no_hook_is_registered(
    project: Suite, arguments: Sequence[str]
) -> None:
    project.write(GATES)
    assert has_hooks(project, *arguments) == {"False"}


@pytest.mark.parametrize(
    "condition", [pytest.param("skip", marks=pytest.mark.long), "skipif(True, reason='')"]
)
def test_gates_that_are_skipped_are_not_waited_for(project: Suite, condition: str) -> None:
    project.write(f"pytestmark = pytest.mark.{condition}\n{GATES}")
    assert has_hooks(project, "-n", "2") == {"False"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", "2", "--latency=report"),
        pytest.param(("-n", "2", "--latency-exclusive=on"), marks=pytest.mark.long),
        pytest.param(("-n", "2", "-p", "no:tmpdir"), marks=pytest.mark.long),
        pytest.param(("-p", "xdist", "--tx", "2*popen", "--dist=load"), marks=pytest.mark.long),
        pytest.param(("-n", "2", "--basetemp=temporary"), marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_the_workers_of_a_session_with_gates_have_the_hook(
    project: Suite, arguments: Sequence[str]
) -> None:
    project.write(GATES)
    assert has_hooks(project, *arguments) == {"True"}


@pytest.mark.long
def test_a_session_that_only_repeats_other_tests_has_no_hook(project: Suite) -> None:
    """They are selected after the budgets were read."""
    project.write(GATES)
    check = "    assert request.config.option.lf\n"
    project.write(f"from conftest import HERE\n{HAS_HOOKS}{check}", "test_again.py")
    cached = ("-p", "cacheprovider", "-n", "2")
    project.run(*cached).assert_outcomes(passed=6, failed=1)
    project.run(*cached, "--lf").assert_outcomes(passed=1)
    assert (project.path / "hooks").read_text(encoding="utf-8").split() == ["True", "False"]


@pytest.mark.parametrize(("exclusive", "hooks"), [("auto", {"False"}), ("on", {"True"})])
def test_a_default_budget_lets_tests_run_alone_only_if_told_to(
    project: Suite, exclusive: str, hooks: set[str]
) -> None:
    """It may be that of all tests, which would then run one by one."""
    arguments = ("--latency-default=max=20s", f"--latency-exclusive={exclusive}")
    assert has_hooks(project, "-n", "2", *arguments) == hooks


@pytest.mark.parametrize("source", ["ini", pytest.param("environment", marks=pytest.mark.long)])
def test_it_can_be_switched_off_for_a_project(
    project: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    if source == "ini":
        pytester.makeini("[pytest]\nlatency_exclusive = off\n")
    else:
        monkeypatch.setenv("HANCOCK_LATENCY_EXCLUSIVE", "off")
    project.write(GATES)
    assert has_hooks(project, "-n", "2") == {"False"}


@pytest.fixture
def without_locks(project: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions in which fcntl cannot be imported, as on Windows."""
    code = "import sys\nsys.modules['fcntl'] = None\n"
    project.path.joinpath("without_locks.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(project.path))


@pytest.mark.usefixtures("without_locks")
def test_a_system_without_record_locks_runs_gates_next_to_each_other(project: Suite) -> None:
    project.write(GATES)
    assert has_hooks(project, "-p", "without_locks", "-n", "2") == {"False"}


@pytest.mark.usefixtures("without_locks")
def test_a_system_without_record_locks_cannot_be_told_to(project: Suite, errors: Errors) -> None:
    project.write(GATES)
    assert errors("-p", "without_locks", "-n", "2", "--latency-exclusive=on") == [
        "ERROR: latency_exclusive=on needs record locks (fcntl), which this system does not have: "
        "run gates without pytest-xdist, or set it to auto"
    ]


@pytest.mark.usefixtures("without_locks")
def test_without_workers_no_record_locks_are_needed(project: Suite) -> None:
    project.write(GATES)
    result = project.run("-p", "without_locks", "--latency-exclusive=on")
    result.assert_outcomes(passed=6)


@pytest.mark.long
def test_no_lock_file_remains(project: Suite, tmp_path: Path) -> None:
    project.write(GATES)
    folder = tmp_path / "temporary"
    project.run("-n", "2", f"--basetemp={folder}").assert_outcomes(passed=6)
    assert [path.name for path in folder.iterdir() if path.is_file()] == []
