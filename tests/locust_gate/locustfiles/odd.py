"""A user that reports EVENTS events of NAMES names quickly, one in ODD_EVERY of them invalid."""

from __future__ import annotations

import itertools
import os
import time

import gevent
from locust import User, task

from pytest_hancock_latency import locust_gate  # noqa: F401

EVENTS = int(os.environ.get("EVENTS", "10000"))
ODD_EVERY = int(os.environ.get("ODD_EVERY", "0"))
NAMES = int(os.environ.get("NAMES", "1"))
MS = float(os.environ.get("MS", "5"))
BATCH = 1_000
ODD = (
    {"name": None},
    {"name": 7},
    {"name": b"/bytes"},
    {"request_type": None},
    {"response_time": 1e300},
    {"response_time": float("nan")},
    {"response_time": "12"},
    {"start_time": float("inf")},
    {"start_time": -1e300},
    {"start_time": 4.0},
    {"response_time": None, "exception": ConnectionError()},
)


class Odd(User):
    @task
    def report(self) -> None:
        fire, odd = self.environment.events.request.fire, itertools.cycle(ODD)
        for number in range(EVENTS):
            event = {
                "request_type": "GET",
                "name": f"/items/{number % NAMES}",
                "response_time": MS,
                "response_length": 0,
                "exception": None,
                "start_time": time.time(),
                "context": {},
            }
            if ODD_EVERY and number % ODD_EVERY == ODD_EVERY - 1:
                event |= next(odd)
            fire(**event)
            if number % BATCH == BATCH - 1:
                gevent.sleep(0)
        while True:
            gevent.sleep(1)
