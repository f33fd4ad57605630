"""What a shared machine does to latencies, with what the engine would see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from .distributions import Distribution
from .engine import NS_PER_MS, Columns, Numbers, Prepared

MOST: Final = 5_000
LONGEST_NS: Final = 60_000 * NS_PER_MS
Noise = Callable[[Distribution, np.random.Generator], Prepared]

_PROBE_SPREAD: Final = 0.03


def _feed(code_ms: Numbers, wait_ms: Numbers, speed: Numbers) -> Prepared:
    """A thread that never blocks: code that ran, and waits for the core in between."""
    cpu, wait = (np.rint(each * NS_PER_MS).astype(np.int64) for each in (code_ms, wait_ms))
    wall = cpu + wait
    start = np.cumsum(wall) - wall
    n = int(np.searchsorted(start, LONGEST_NS))
    return Prepared(Columns(wall, wait, cpu, speed, start, np.zeros(len(wall), bool)).first(n))


def _nothing(n: int) -> Numbers:
    return np.zeros(n)


def clean(of: Distribution, random: np.random.Generator) -> Prepared:
    """An idle machine."""
    return _feed(of.draw(random, MOST), _nothing(MOST), np.ones(MOST))


def preempted(share: float) -> Noise:
    """A share of the observations waits 5 to 50 ms for the core; the kernel counts it."""

    def noise(of: Distribution, random: np.random.Generator) -> Prepared:
        hit = random.random(MOST) < share
        return _feed(of.draw(random, MOST), hit * random.uniform(5, 50, MOST), np.ones(MOST))

    return noise


def slow_bursts(of: Distribution, random: np.random.Generator) -> Prepared:
    """The host is three times as slow for about 50 requests at a time, 5 % of them in all."""
    share, length, times = 0.05, 50, 3.0
    begins, ends = share / (1 - share) / length, 1 / length
    slow, states = bool(random.random() < share), np.empty(MOST, bool)
    for at, chance in enumerate(random.random(MOST)):
        states[at] = slow
        slow = chance >= ends if slow else chance < begins
    seen = times * np.exp(_PROBE_SPREAD * random.standard_normal(MOST))
    code = of.draw(random, MOST) * np.where(states, times, 1.0)
    return _feed(code, _nothing(MOST), np.where(states, seen, 1.0))


def slow_run(of: Distribution, random: np.random.Generator) -> Prepared:
    """The host is slower all the time, by a tenth or so, and the probe knows it from before."""
    factor = float(np.exp(abs(0.1 * random.standard_normal())))
    seen = np.maximum(1, factor * np.exp(_PROBE_SPREAD * random.standard_normal(MOST)))
    return _feed(of.draw(random, MOST) * factor, _nothing(MOST), seen)


def in_phases(mean_s: float, share: float) -> Noise:
    """Code, not a machine, that is slow in phases: half of its calls take ten times as long then.

    mean_s: length of a slow phase, on average; it ends at any time with the same chance (Markov).
    share: of the calls that are slow in the long run.
    """

    def noise(of: Distribution, random: np.random.Generator) -> Prepared:
        code = of.draw(random, MOST)
        slow_phases = 2 * share
        call_ms = float(np.mean(code)) * (1 + 9 * share)
        ends = call_ms / (1_000 * mean_s)
        begins = ends * slow_phases / (1 - slow_phases)
        slow, states = bool(random.random() < slow_phases), np.empty(MOST, bool)
        for at, chance in enumerate(random.random(MOST)):
            states[at] = slow
            slow = chance >= ends if slow else chance < begins
        hit = states & (random.random(MOST) < 1 / 2)
        return _feed(code * np.where(hit, 10.0, 1.0), _nothing(MOST), np.ones(MOST))

    return noise


NOISES: Final[dict[str, Noise]] = {
    "preempted 0.5 %": preempted(0.005),
    "preempted 2 %": preempted(0.02),
    "slow bursts": slow_bursts,
    "slow run": slow_run,
}
