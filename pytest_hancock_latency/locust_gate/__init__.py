"""The gate for Locust: one import in a locustfile, and its run is judged.

    from pytest_hancock_latency import locust_gate  # noqa: F401 - switches the gate on

All requests that Locust reports are counted in mergeable histograms, also on workers. The master
judges them against the budgets of the same file as pytest, with the same statistics.

    request events  →  Listener  →  increments  →  RunJudge  →  records  →  artifacts, exit code

Importing this imports Locust, which patches the standard library for gevent: import it only in
locustfiles.
"""

from __future__ import annotations

from locust import events

from .open_loop import OpenLoop
from .registration import Registration

__all__ = ["OpenLoop"]

_REGISTERED = Registration(events)
