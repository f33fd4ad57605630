"""Locust's own table, which has to survive whatever clients report."""

from __future__ import annotations

import json
import math

import pytest
from locust.stats import RequestStats, get_stats_summary

from pytest_hancock_latency.locust_gate.locust_table import guard


@pytest.mark.parametrize("odd", [math.nan, math.inf, "12", 1e300, None])
def test_the_table_of_locust_can_be_printed_and_sent_whatever_was_reported(odd: object) -> None:
    stats = RequestStats()
    guard(stats)
    for name in ("/it", None, 5, b"/\xff", "/\ud800"):
        stats.log_request("GET", name, odd, odd)
        stats.log_error("GET", name, "\ud800")
    assert stats.total.num_requests == 5
    assert "Aggregated" in get_stats_summary(stats)[-1]
    assert json.dumps(stats.serialize_stats(), allow_nan=False).encode()
    assert stats.serialize_errors()
