"""A locustfile with only the gate: ``locust -f mine.py,"$(python -m …locust_gate)"``."""

import pytest_hancock_latency.locust_gate  # noqa: F401 - importing it switches the gate on
