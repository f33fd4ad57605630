"""The same request on a schedule of 20 ms: as an open loop, and as a closed one."""

from __future__ import annotations

import random

from locust import FastHttpUser, constant_pacing, task

from pytest_hancock_latency.locust_gate import OpenLoop

EVERY_S = 0.02


def ask(user: FastHttpUser) -> None:
    """Mostly 1 ms; one in forty takes 60."""
    ms = 60 if random.random() < 1 / 40 else 1
    user.client.get(f"/wait/{ms}", name=f"/{type(user).__name__.lower()}")


class Open(OpenLoop, FastHttpUser):
    arrival_rate = 1 / EVERY_S

    @task
    def wait(self) -> None:
        ask(self)


class Closed(FastHttpUser):
    wait_time = constant_pacing(EVERY_S)

    @task
    def wait(self) -> None:
        ask(self)
