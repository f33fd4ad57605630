"""What the shapes of load do and cost: arrivals on schedule, coroutines, bursts.

    python benchmarks/loads.py [--check] [--json FILE]

Arrivals: 2 000 starts a second for 5 s of a call that takes 0.2 ms; the schedule is kept, or the
sample says *saturated*. Coroutines: what sampling 1 000 calls in one loop adds to each over a bare
await loop, side by side, as the least of many rounds. Bursts: 120 webhooks of which 80 are valid,
24 threads, 200 times in a row, every answer in its place.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from hancock_app import Settings, create_app
from hancock_app.webhooks.signatures import SIGNATURE_HEADER, sign
from pytest_hancock_latency import Sampler
from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.shapes.coroutines import take_awaiting
from pytest_hancock_latency.measuring.takers.bare import BareTaker
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode

RATE, SECONDS = 2_000, 5
CALLS, ROUNDS = 1_000, 30
FAR = 2**62
COROUTINE_GOAL_NS = 3_000
BURSTS, WEBHOOKS, THREADS = 200, 120, 24
SECRET = "a-secret-of-the-benchmark"


def sampler(plan: Plan) -> Sampler:
    """A sampler without a budget."""
    return Sampler(ItemSettings("loads", Mode.REPORT, plan, None, strict=False, gates=1))


def arrivals() -> dict[str, Any]:
    """The send lag at 2 000 arrivals a second."""
    measure = sampler(Plan())
    sample = measure.at_rate(time.sleep, 0.0002, per_second=RATE, duration=f"{SECONDS}s")
    saturated = any(advice.code == "saturated" for advice in sample.measurement.advice)
    lag_ms = (sample.measurement.send_lag_ns or 0) / 1e6
    return {"started": sample.n, "send_lag_p99_ms": lag_ms, "saturated": saturated}


def coroutines() -> dict[str, Any]:
    """Nanoseconds that sampling adds to each of 1 000 coroutine calls."""

    async def nothing() -> None:
        """As short as a coroutine can be."""

    async def bare() -> int:
        begin = time.thread_time_ns()
        for _ in range(CALLS):
            await nothing()
        return time.thread_time_ns() - begin

    async def sampled() -> int:
        taker = BareTaker(system_clock)  # what calls as short as this one get
        begin = time.thread_time_ns()
        await take_awaiting(taker, Request(nothing), CALLS, FAR)
        taker.observations()
        return time.thread_time_ns() - begin

    async def rounds() -> tuple[int, int]:
        both = [(await bare(), await sampled()) for _ in range(ROUNDS)]
        return min(plain for plain, _ in both), min(measured for _, measured in both)

    plain, measured = asyncio.run(rounds())
    return {"bare_ns": plain / CALLS, "added_ns": (measured - plain) / CALLS}


def bursts() -> dict[str, Any]:
    """How many of 200 bursts had every answer in its place."""
    app = create_app(Settings(rate_limit=0, webhook_secret=SECRET))
    valid = [position % 3 != 0 for position in range(WEBHOOKS)]

    def sending(position: int) -> Any:
        body = b'{"event": "alert", "number": %d}' % position
        signature = sign(SECRET if valid[position] else "another-secret", body)
        return lambda: post(app.test_client(), body, signature)

    def post(client: FlaskClient, body: bytes, signature: str) -> int:
        headers = {SIGNATURE_HEADER: signature}
        sent = client.post(
            "/v1/webhook", data=body, content_type="application/json", headers=headers
        )
        return sent.status_code

    calls = [sending(position) for position in range(WEBHOOKS)]
    expected = tuple(200 if is_valid else 401 for is_valid in valid)
    exact = sum(
        sampler(Plan()).burst(calls, concurrency=THREADS).answers == expected for _ in range(BURSTS)
    )
    return {"bursts": BURSTS, "exact": exact}


def main() -> int:
    """Measure, print, judge; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    asked = parser.parse_args()
    rate, awaited, burst = arrivals(), coroutines(), bursts()
    if asked.json:
        figures = {"arrivals": rate, "coroutines": awaited, "bursts": burst}
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    kept = "saturated" if rate["saturated"] else "schedule kept"
    print(f"{'arrivals at ' + str(RATE) + '/s':<28}{rate['started']} started, {kept}")
    print(f"{'':<28}p99 send lag {rate['send_lag_p99_ms']:.3f} ms")
    print(f"{'coroutine call':<28}{awaited['bare_ns']:.0f} ns, sampled +{awaited['added_ns']:.0f}")
    print(f"{'bursts of 120 webhooks':<28}{burst['exact']} of {burst['bursts']} exact")
    good = (
        rate["started"] == RATE * SECONDS
        and awaited["added_ns"] <= COROUTINE_GOAL_NS
        and burst["exact"] == BURSTS
    )
    print(
        f"loads: send lag p99 {rate['send_lag_p99_ms']:.3f} ms ({kept}), coroutine "
        f"+{awaited['added_ns']:.0f} ns (goal {COROUTINE_GOAL_NS}), bursts {burst['exact']} of "
        f"{BURSTS}: {'kept' if good else 'MISSED'}"
    )
    return 1 if asked.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
