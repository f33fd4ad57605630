"""Users that report latencies of MS without sending requests, and failures if FAIL is set."""

from __future__ import annotations

import itertools
import os
import time

import gevent
from locust import User, task

from pytest_hancock_latency import locust_gate  # noqa: F401
from pytest_hancock_latency.measuring.takers.schedstat import Scheduler

# Waiting for a CPU cannot affect invented latencies. With the real counter, a busy machine would
# exclude windows of the run, and an exceeded limit could become inconclusive.
Scheduler.read = lambda _: b"1 0 1"  # type: ignore[method-assign]

MS = [float(ms) for ms in os.environ.get("MS", "5").split("|") if ms]
EVERY_S = float(os.environ.get("EVERY_S", "0.001"))


class Reporter(User):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.latencies = itertools.cycle(MS)

    @task
    def report(self) -> None:
        gevent.sleep(EVERY_S)
        if not MS:
            return
        self.environment.events.request.fire(
            request_type="GET",
            name="/it",
            response_time=next(self.latencies),
            response_length=0,
            exception=ConnectionError() if os.environ.get("FAIL") else None,
            start_time=time.time(),
            context={},
        )


class Idle(User):
    @task
    def nothing(self) -> None:
        gevent.sleep(1)
