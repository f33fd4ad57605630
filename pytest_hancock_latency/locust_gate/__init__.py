"""The gate for Locust: one import line in a locustfile, and its run is judged.

    from pytest_hancock_latency import locust_gate  # noqa: F401 - switches the gate on

Every request that Locust reports is counted in mergeable histograms, on workers too; the master
judges them against the budgets of the same file that pytest reads, by the same evidence.

    request events  →  Listener  →  increments  →  Totals  →  records  →  artifacts, exit code

Importing this imports Locust, which patches the standard library for gevent: only locustfiles do.
"""

from __future__ import annotations

from locust import events

from .open_loop import OpenLoop
from .registration import Registration

__all__ = ["OpenLoop"]

_REGISTERED = Registration(events)
