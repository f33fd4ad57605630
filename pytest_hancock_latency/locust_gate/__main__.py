"""Prints the path of a locustfile with only the gate, to add with ``-f`` to others.

locust -f locustfile.py,"$(python -m pytest_hancock_latency.locust_gate)"
"""

from pathlib import Path

print(Path(__file__).with_name("locustfile.py"))
