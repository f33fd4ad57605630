"""What is measured: a function, views and a server, whose latencies are known.

With VERSUS_SLOW=1, a few calls of each take twice the limit: the p99 (of the burst: the p95) is
then at twice its limit, and the median stays.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from flask import Flask

LIMITS_MS = {
    "function": 1.0,
    "flask": 6.0,
    "fastapi": 12.0,
    "slow": 80.0,
    "burst": 400.0,
    "load": 40.0,
}
"""At least twice what the code takes on an idle machine."""
SHARE = 0.04
"""Calls that are slow: more than the one in a hundred that a p99 allows."""
SHARE_OF_BURST = 0.12
"""More than the one in twenty that a p95 allows."""
_SLOW = os.environ.get("VERSUS_SLOW") == "1"


def spin(ms: float) -> None:
    """Computes for so many milliseconds of CPU time."""
    end = time.thread_time() + ms / 1000
    while time.thread_time() < end:
        pass


def _takes(task: str, usual: Callable[[], None], share: float = SHARE) -> None:
    if _SLOW and random.random() < share:
        time.sleep(2 * LIMITS_MS[task] / 1000)
        return
    usual()


def function() -> None:
    """Computes for 0.2 ms."""
    _takes("function", lambda: spin(0.2))


def flask_app(task: str) -> Flask:
    """An application whose `/` takes what the task says."""
    usual = {
        "flask": lambda: spin(1.5),
        "slow": lambda: time.sleep(0.03),
        "burst": lambda: spin(1.0),
        "load": lambda: spin(1.5),
    }[task]
    share = SHARE_OF_BURST if task == "burst" else SHARE
    app = Flask("subject")

    @app.get("/")
    def view() -> dict[str, str]:
        _takes(task, usual, share)
        return {"status": "ok"}

    return app


load_app = flask_app("load")
"""For gunicorn."""


def fastapi_app() -> object:
    """An application with a coroutine that computes for 1.5 ms."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def view() -> dict[str, str]:
        _takes("fastapi", lambda: spin(1.5))
        return {"status": "ok"}

    return app
