"""What measuring costs, beside a bare loop and pytest-benchmark: time and memory per observation.

    python benchmarks/overhead.py [--rounds 200] [--check] [--json FILE]

The bare loop is two readings of the clock, the call, and storing the difference. Contestants take
turns, in a new order every round; costs are the least of all rounds, because whatever else runs
only ever adds. Costs per observation are marginal: a long sample less a short one, over the
difference of their numbers. What is done once per sample does not count. The reported p50 is of a
call that takes 100 µs by the clock; a second bare loop beside the first shows how far such a
difference can be trusted.
"""

from __future__ import annotations

import gc
import inspect
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.quantile import P50, P99
from pytest_hancock_latency.core.sample import Observations, Sample
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.shapes.closed_loop import ClosedLoop
from pytest_hancock_latency.measuring.takers.bare import BareTaker

Call = Callable[[], Any]
Measure = Callable[[Call, int], Sequence[float]]
"""Takes a call and a number; the latencies that it reports, in ns."""

# Short enough to fit between two preemptions, now and then, on a busy machine.
SHORT, LONG = 500, 5_500
BRACKETED_SHORT, BRACKETED_LONG = 50, 250
BLOCKED: Final = (100, 600)
IN_TREE: Final = 4
BLOCK: Final = 25
CALM: Final = 0.1
MILLION: Final = 1_000_000
NO_END_NS: Final = 1 << 60
PLAN: Final = Plan(warmup=5, time_limit_ns=NO_END_NS, max_samples=MILLION)


def nothing() -> None:
    """The shortest call there is: all that is seen is the loop."""


def lasting(ns: int) -> Call:
    """A function that takes so long by the clock, however fast the machine is just now.

    Fixed work would vary by microseconds from turn to turn, and hide the nanoseconds looked for.
    Ends are spread over two steps of its loop, or all calls of a block would overshoot alike.
    """
    spread = cycle([ns + 37 * turn % 160 for turn in range(160)])

    def call() -> None:
        clock = time.perf_counter_ns
        end = clock() + next(spread)
        while clock() < end:
            pass

    return call


def bare(call: Call, count: int) -> Sequence[float]:
    """Two readings of the clock, the call, and storing the difference."""
    clock = time.perf_counter_ns
    kept: list[int] = []
    keep = kept.append
    for _ in repeat(None, count):
        t0 = clock()
        call()
        keep(clock() - t0)
    return kept


def sampled(call: Call, count: int, *, attribution: bool, judged: bool = False) -> Sample:
    """A whole sample by the loop of the plugin.

    judged: with a budget that stays inconclusive: p50 is nearly its limit, so that it looks often.
    """
    plan = replace(PLAN, samples=count, attribution=attribution)
    judge = None
    if judged:
        # Nothing passes before the least number is reached, and nothing exceeds.
        limits = (Limit(P50, NO_END_NS), Limit(P99, NO_END_NS))
        judge = SequentialJudge(LatencyBudget(limits), Policy(least=count, most=count))
    warmed = None if attribution else ()
    return ClosedLoop(plan, system_clock).measure(Request(call), judge, warmed)


def taking(call: Call, count: int) -> Sequence[float]:
    """Ours: taking observations and making columns of them, as far as a rival's loop goes."""
    taker = BareTaker(system_clock)
    taker.take(Request(call), count, NO_END_NS)
    return taker.observations().wall_ns  # type: ignore[return-value]


def without_attribution(call: Call, count: int) -> Sequence[float]:
    """Ours: a whole sample of latencies alone, with its slowest observations and advice."""
    return sampled(call, count, attribution=False).observations.wall_ns  # type: ignore[return-value]


def judged_without(call: Call, count: int) -> Sequence[float]:
    """The same with a judge that looks at them."""
    sample = sampled(call, count, attribution=False, judged=True)
    return sample.observations.wall_ns  # type: ignore[return-value]


def with_attribution(call: Call, count: int) -> Sequence[float]:
    """Ours: with what the machine did."""
    return _bracketed(sampled(call, count, attribution=True))


def judged_with(call: Call, count: int) -> Sequence[float]:
    """Ours: with what the machine did, and a judge that looks at it."""
    return _bracketed(sampled(call, count, attribution=True, judged=True))


def _bracketed(sample: Sample) -> Sequence[float]:
    if not sample.measurement.bracket:
        raise SystemExit(f"no bracket here: {sample.measurement.why_no_bracket}")
    return sample.observations.wall_ns  # type: ignore[return-value]


def pedantic(call: Call, count: int) -> Sequence[float]:
    """pytest-benchmark, one iteration per round."""
    fixture = _benchmark_fixture()
    fixture.pedantic(call, rounds=count, iterations=1)
    return [seconds * 1e9 for seconds in fixture.stats.stats.data]


def _benchmark_fixture() -> Any:
    """The `benchmark` fixture without a session around it."""
    from pytest_benchmark.fixture import BenchmarkFixture

    said: Mapping[str, Any] = {
        "node": SimpleNamespace(name="overhead", nodeid="overhead"),
        "disable_gc": False,
        "timer": SimpleNamespace(target=time.perf_counter),
        "warmup": False,
        "add_stats": lambda stats: None,
        "disabled": False,
        "cprofile": False,
    }
    parameters = list(inspect.signature(BenchmarkFixture.__init__).parameters)[1:]
    return BenchmarkFixture(**{name: said.get(name, 0) for name in parameters})


def rivals() -> dict[str, Measure]:
    """pytest-benchmark where it is installed."""
    try:
        import pytest_benchmark.fixture  # noqa: F401
    except ImportError:
        print("pytest-benchmark is not installed: left out")
        return {}
    return {"pytest-benchmark": pedantic}


def marginal_ns(
    contestants: Mapping[str, Measure], call: Call, counts: tuple[int, int], rounds: int
) -> dict[str, float]:
    """Least marginal time per observation, of all rounds.

    The time that the calls themselves report to have taken is not part of it.
    """
    least = {(name, count): float("inf") for name in contestants for count in counts}
    order = list(least)
    for _ in range(rounds):
        random.shuffle(order)
        for name, count in order:
            begin = time.perf_counter_ns()
            walls = contestants[name](call, count)
            around = time.perf_counter_ns() - begin - float(np.sum(walls))
            least[name, count] = min(least[name, count], around)
    short, long = counts
    return {n: (least[n, long] - least[n, short]) / (long - short) for n in contestants}


def with_windows(measure: Measure) -> Measure:
    """The same, reporting no latencies: the windows then count as cost."""

    def measured(call: Call, count: int) -> Sequence[float]:
        measure(call, count)
        return ()

    return measured


def p50_over_bare(contestants: Mapping[str, Measure], call: Call, rounds: int) -> dict[str, float]:
    """How much more than the bare loop's is reported as p50, at the tenth percentile of blocks.

    A block in which the machine did something else says nothing about the contestant.
    """
    reported: dict[str, list[float]] = {name: [] for name in ("bare loop", *contestants)}
    order = list(reported)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            measure = contestants.get(name, bare)
            reported[name].append(float(np.median(measure(call, BLOCK))))
    calm = {name: float(np.quantile(each, CALM)) for name, each in reported.items()}
    return {name: calm[name] - calm["bare loop"] for name in contestants}


def kept_bytes(make: Callable[[], Any], n: int) -> float:
    """Memory that stays allocated for each of n observations, as tracemalloc sees it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del made
    finally:
        tracemalloc.stop()
    return (after - before) / n


def memory(n: int = 10_000) -> dict[str, float]:
    """Bytes kept per observation."""

    def of_rival() -> Any:
        fixture = _benchmark_fixture()
        fixture.pedantic(nothing, rounds=n, iterations=1)
        return fixture.stats

    call = lasting(25_000)
    kept = {
        "bare loop": kept_bytes(lambda: bare(nothing, n), n),
        "ours": kept_bytes(lambda: sampled(nothing, n, attribution=False), n),
        "ours, attribution": kept_bytes(lambda: sampled(call, n, attribution=True), n),
    }
    if rivals():
        kept["pytest-benchmark"] = kept_bytes(of_rival, n)
    return kept


def quantiles_ms(rounds: int) -> float:
    """Least time for p50, p95 and p99 of a million observations, in ms."""
    drawn = np.random.default_rng(1).lognormal(15, 0.5, MILLION).astype(np.int64)
    start = np.cumsum(drawn)
    least = float("inf")
    for _ in range(rounds):
        sample = Sample("million", Observations(drawn, drawn, start))
        begin = time.perf_counter_ns()
        for share in ("p50", "p95", "p99"):
            sample.quantile_ns(share)
        least = min(least, (time.perf_counter_ns() - begin) / 1e6)
    return least


def blocked_ns(rounds: int) -> float:
    """Around a call that waits for a thread, with four other threads in the waiting tree."""
    with ThreadPoolExecutor(IN_TREE) as pool:
        list(pool.map(time.sleep, [0.02] * IN_TREE))  # all of them have started

        def call() -> None:
            pool.submit(time.sleep, 0.0005).result()

        def around(count: int) -> float:
            begin = time.perf_counter_ns()
            walls = with_attribution(call, count)
            return time.perf_counter_ns() - begin - float(sum(walls))

        short, long = BLOCKED
        costs = [(around(long) - around(short)) / (long - short) for _ in range(rounds)]
    return statistics.median(costs)


def measured(rounds: int) -> dict[str, Any]:
    """All figures."""
    plain = {
        "bare loop": bare,
        "ours": taking,
        "ours, whole sample": without_attribution,
        "ours, judged": judged_without,
    }
    bracketed = {"ours": with_attribution, "ours, judged": judged_with}
    whole = {name: with_windows(each) for name, each in {**plain, **rivals()}.items()}
    counts = (BRACKETED_SHORT, BRACKETED_LONG)
    hundred = {
        "bare loop again": bare,
        "ours": without_attribution,
        "ours, attribution": with_attribution,
        **rivals(),
    }
    return {
        "ns_per_observation": marginal_ns(whole, nothing, (SHORT, LONG), rounds),
        "ns_outside_window": marginal_ns(bracketed, lasting(25_000), counts, rounds),
        "ns_around_a_blocked_call": blocked_ns(min(rounds, 20)),
        "p50_over_bare_ns": p50_over_bare(hundred, lasting(100_000), 2 * rounds),
        "bytes_per_observation": memory(),
        "quantiles_of_a_million_ms": quantiles_ms(50),
    }


def tables(figures: Mapping[str, Any]) -> list[str]:
    """The figures for people."""
    per = figures["ns_per_observation"]
    lines = ["cost per observation without attribution, of an empty call"]
    lines += [f"  {n:<22} {ns:9.1f} ns  {ns / per['bare loop']:6.2f} ×" for n, ns in per.items()]
    lines += ["cost per observation with attribution, outside the window"]
    lines += [f"  {n:<22} {ns / 1e3:9.2f} µs" for n, ns in figures["ns_outside_window"].items()]
    lines += ["cost around a call that blocks, with four threads in the tree"]
    lines += [f"  {'ours':<22} {figures['ns_around_a_blocked_call'] / 1e3:9.2f} µs"]
    lines += ["reported p50 of a call of 100 µs, over the bare loop's"]
    lines += [f"  {n:<22} {ns:+9.1f} ns" for n, ns in figures["p50_over_bare_ns"].items()]
    lines += ["kept per observation"]
    lines += [f"  {n:<22} {b:9.1f} B" for n, b in figures["bytes_per_observation"].items()]
    lines += ["p50, p95 and p99 of a million observations"]
    lines += [f"  {'ours':<22} {figures['quantiles_of_a_million_ms']:9.2f} ms"]
    return lines


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=200, help="turns of each (%(default)s)")
    chosen = options.parse_args()
    gc.collect()
    gc.freeze()  # what belongs to this script is no cost of any contestant
    figures = measured(chosen.rounds)
    print("\n".join(tables(figures)))
    per, over = figures["ns_per_observation"], figures["p50_over_bare_ns"]
    kept = figures["bytes_per_observation"]
    goals = [
        at_most("times the bare loop", per["ours"] / per["bare loop"], 1.5),
        at_most("ns outside the window", figures["ns_outside_window"]["ours"], 7_000),
        at_most("ns around a blocked call", figures["ns_around_a_blocked_call"], 40_000),
        at_most("bytes kept", max(kept["ours"], kept["ours, attribution"]), 25),
        at_most("p50 over bare, ns", over["ours"], 20),
        at_most("p50 over bare with attribution, ns", over["ours, attribution"], 20),
        at_most("quantiles of a million, ms", figures["quantiles_of_a_million_ms"], 15),
    ]
    return conclude("overhead", figures, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
