"""A locustfile that has nothing but the gate: ``locust -f mine.py,"$(python -m …locust_gate)"``."""

import pytest_hancock_latency.locust_gate  # noqa: F401 - importing it is what switches the gate on
