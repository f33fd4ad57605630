"""Prints where the locustfile lies that has nothing but the gate, for ``-f`` beside others.

locust -f locustfile.py,"$(python -m pytest_hancock_latency.locust_gate)"
"""

from pathlib import Path

print(Path(__file__).with_name("locustfile.py"))
