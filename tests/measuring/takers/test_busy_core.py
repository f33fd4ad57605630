"""Four processes spin on the core of the measured code: real processes, several times each.

The function takes 2.5 ms of CPU time and its p95 limit is 4 ms. With four others on its core the
clock says about 15 ms; what the code took is still 2.5 ms.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.machine_speed import KnownSpeed
from pytest_hancock_latency.core.quantile import P95
from pytest_hancock_latency.core.sample import Sample
from pytest_hancock_latency.core.undisturbed import LEAST_PROBES, ReferenceSpeed
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.measuring.shapes.closed_loop import ClosedLoop
from pytest_hancock_latency.measuring.takers.probes import Probes
from pytest_hancock_latency.measuring.takers.schedstat import NoScheduler, Scheduler

RUNS = int(os.environ.get("HANCOCK_TESTS_REPEATS", "4"))
"""A change has to pass four of each in about a minute; `make long` does twenty."""
SPINNERS = 4
MS = 1_000_000
SPIN = """
import os
if os.fork():
    os._exit(0)  # a busy child would be this process's own fault
while os.path.exists("/proc/{tested}"):  # also if the tests are killed
    for _ in range(1_000_000):
        pass
"""
# An endless wait for the verdict would be no better than a wrong one.
LONGEST_NS = 20_000 * MS


def _counts_waits() -> bool:
    try:
        Scheduler().close()
    except NoScheduler:
        return False
    return hasattr(os, "sched_setaffinity")


pytestmark = [
    pytest.mark.skipif(not _counts_waits(), reason="the kernel does not tell run-queue wait here"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def busy_core() -> Iterator[SessionSpeed]:
    """This thread, and four spinning processes, on one core; the speed of the machine before."""
    probes = Probes(system_clock)
    probes.run_several(LEAST_PROBES)
    own = ReferenceSpeed.of(probes.times)
    earlier = replace(own, source="before the spinners") if own else None
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    command = [sys.executable, "-c", SPIN.format(tested=os.getpid())]
    spinners = [subprocess.Popen(command, start_new_session=True) for _ in range(SPINNERS)]
    for spinner in spinners:
        spinner.wait()
    yield SessionSpeed(lambda: KnownSpeed(earlier))
    for spinner in spinners:
        os.killpg(spinner.pid, signal.SIGKILL)
    os.sched_setaffinity(0, allowed)


def compute(cpu_ns: int) -> None:
    """Use up this much CPU time of the calling thread, however long that takes."""
    until = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < until:
        pass


def computes() -> None:
    compute(2_500_000)


def sleeps_as_well() -> None:
    compute(2_500_000)
    time.sleep(0.006)


# Fifteen times their limit: next to four spinners and to other machines on the host, the probes
# take up to four times as long, which code that is measured by its CPU time does not.
LOW_MS = 0.8


def computes_more() -> None:
    compute(12_000_000)


def computes_in_a_thread_of_its_own() -> None:
    worker = threading.Thread(target=compute, args=(12_000_000,))
    worker.start()
    worker.join()


def measured(call: Callable[[], None], speed: SessionSpeed, limit_ms: float = 4) -> Sample:
    judge = SequentialJudge(parse_terms({"p95": limit_ms}).budget(), Policy())
    plan = Plan(time_limit_ns=LONGEST_NS, speed=speed)
    return ClosedLoop(plan, system_clock).measure(Request(call), judge)


def outcomes(call: Callable[[], None], speed: SessionSpeed, limit_ms: float = 4) -> Counter[str]:
    verdicts = (measured(call, speed, limit_ms).verdict for _ in range(RUNS))
    return Counter(verdict.outcome.value for verdict in verdicts if verdict)


def test_code_within_its_budget_is_never_blamed_for_time_others_took(
    busy_core: SessionSpeed,
) -> None:
    assert outcomes(computes, busy_core)[Outcome.EXCEEDED] == 0


@pytest.mark.parametrize(
    ("call", "limit_ms"),
    [(sleeps_as_well, 4), (computes_more, LOW_MS), (computes_in_a_thread_of_its_own, LOW_MS)],
)
def test_code_over_its_budget_is_always_exceeded(
    call: Callable[[], None], limit_ms: float, busy_core: SessionSpeed
) -> None:
    assert outcomes(call, busy_core, limit_ms) == {Outcome.EXCEEDED: RUNS}


def test_attributed_latency_differs_from_raw_latency(busy_core: SessionSpeed) -> None:
    sample = measured(computes, busy_core)
    assert sample.attributed_quantile_ns(P95) < 4 * MS < sample.quantile_ns(P95)
