"""What the Locust gate costs: its listener for each request, and requests/s with and without it.

    python benchmarks/locust_listener.py [--check] [--json FILE]

Listener: 20 000 `request` events of the shape that Locust's `FastHttpUser` fires, with our listener
and with an empty one, in turns; the least of 30 rounds each. Requests/s: one user without a pause
against a loopback server, in one process in which the listener is switched on and off again and
again, in random order within each pair of turns, so that both meet the same machine; the loss is
the median over all pairs. It is told by the clock and by the CPU time of the process, since the
clock is also about who else runs here; the goal is kept by the better one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from goals import at_most, conclude, parser

MOST_NS, MOST_LOSS = 3_000, 0.02
TURN_S = 0.2
EVENTS, NAMES = 20_000, 5
SERVER = Path(__file__).resolve().parents[1] / "tests" / "locust_gate" / "server.py"


def listener(rounds: int) -> dict[str, float]:
    """Nanoseconds for each event, in this process."""
    import time

    from locust.event import EventHook

    from pytest_hancock_latency.locust_gate.listener import Listener

    def nothing(request_type: str, name: str, response_time: float, **_: Any) -> None:
        """As short as a listener can be."""

    hooks = {"ours": EventHook(), "empty": EventHook()}
    hooks["ours"].add_listener(Listener().on_request)
    hooks["empty"].add_listener(nothing)
    events = [_event(number) for number in range(EVENTS)]
    least = dict.fromkeys(hooks, float("inf"))
    for _ in range(rounds):
        for name, hook in hooks.items():
            began = time.thread_time_ns()
            for event in events:
                hook.fire(**event)
            least[name] = min(least[name], (time.thread_time_ns() - began) / EVENTS)
    return {**least, "added": least["ours"] - least["empty"]}


def _event(number: int) -> dict[str, Any]:
    return {
        "request_type": "GET",
        "name": f"/path/{number % NAMES}",
        "context": {},
        "response": None,
        "exception": None,
        "start_time": 1_800_000_000 + number / 500,
        "url": "http://127.0.0.1/path",
        "response_length": 16,
        "response_time": 1.0 + number % 977 / 100,
    }


def pace(seconds: int) -> dict[str, float]:
    """Requests a second with the listener and without, in one process; medians over pairs."""
    import random
    import time

    import gevent
    from locust import FastHttpUser, constant, events, task
    from locust.env import Environment

    from pytest_hancock_latency.locust_gate.listener import Listener

    server = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = f"http://127.0.0.1:{server.stdout.readline().strip()}"

    class Hurried(FastHttpUser):
        host = address
        wait_time = constant(0)

        @task
        def ask(self) -> None:
            self.client.get("/wait/0", name="/wait")

    environment = Environment(user_classes=[Hurried], events=events)
    runner, ours = environment.create_local_runner(), Listener()
    counted: dict[str, list[float]] = {"with": [], "without": []}
    costs: dict[str, list[float]] = {"with": [], "without": []}
    try:
        runner.start(1, spawn_rate=1)
        gevent.sleep(1)
        for _ in range(round(seconds / TURN_S)):
            for which in random.sample(list(counted), 2):
                if which == "with":
                    events.request.add_listener(ours.on_request)
                began, before = time.perf_counter(), environment.stats.total.num_requests
                used = time.process_time()
                gevent.sleep(TURN_S)
                done = environment.stats.total.num_requests - before
                counted[which].append(done / (time.perf_counter() - began))
                costs[which].append(done / (time.process_time() - used))
                if which == "with":
                    events.request.remove_listener(ours.on_request)
        runner.quit()
    finally:
        server.kill()
        server.wait()
    medians = {which: statistics.median(each) for which, each in counted.items()}
    return {**medians, "loss": _loss(counted), "loss_cpu": _loss(costs)}


def _loss(counted: dict[str, list[float]]) -> float:
    pairs = zip(counted["with"], counted["without"], strict=True)
    return 1 - statistics.median(a / b for a, b in pairs)


def main(chosen: argparse.Namespace) -> int:
    """Measure both, each in a process of its own, since importing Locust patches the library."""
    figures = {part: _apart(part, getattr(chosen, part)) for part in ("listener", "pace")}
    cost, speed = figures["listener"], figures["pace"]
    print(f"listener: ours {cost['ours']:.0f} ns, an empty one {cost['empty']:.0f} ns an event")
    print(f"requests/s: with it {speed['with']:.0f}, without it {speed['without']:.0f}")
    print(f"lost: {speed['loss']:.2%} by the clock, {speed['loss_cpu']:.2%} by CPU time")
    goals = [
        at_most("listener_ns", cost["added"], MOST_NS),
        at_most("requests_lost_share", min(speed["loss"], speed["loss_cpu"]), MOST_LOSS),
    ]
    return conclude("locust_listener", figures, goals, chosen)


def _apart(part: str, number: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, f"--{part}", str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("--listener", type=int, default=30, metavar="N", help="rounds of events")
    made.add_argument("--pace", type=int, default=20, metavar="N", help="seconds of each")
    made.add_argument("--part", choices=("listener", "pace"), help=argparse.SUPPRESS)
    asked = made.parse_args()
    if asked.part:
        print(
            json.dumps({"listener": listener, "pace": pace}[asked.part](getattr(asked, asked.part)))
        )
        sys.exit(0)
    sys.exit(main(asked))
