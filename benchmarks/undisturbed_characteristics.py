"""How often unchanged code is exceeded next to neighbours, and slower code is not, on recordings.

    python benchmarks/undisturbed_characteristics.py [--trials 1] [--folder FOLDER] [--check]

Each recording (`record_surroundings.py`) is played from a random call on to the very judge of a
closed loop, for 5 s, at p95 and p99. The truth, that is the quantile on an undisturbed machine, and
the reference speed come from the *other* states: leave one out. The truth is the lowest quantile,
over those states of the same work, of the CPU time of calls that began undisturbed. Each state
counts as an earlier session: the reference speed is that of all its works together, as pytest's
cache keeps it.

Everything is played twice: without and with what these sessions know about the test, its
sensitivities and its own reference of the memory probe. The second rows are named "known test".

unchanged    the limit is 1.25, 1.5 and 2 times the truth: none may be exceeded
slower       all calls take 1.5, 2 and 3 times as long, the limit is the truth: none may be within;
             the p99 of sqlite is counted apart
slow path    2 to 5 % of the calls at p99, 10 to 15 % at p95, take 5 or 30 times as long, limit 1.25
             times the truth, with and without evicting the caches that the next probe needs
no reference the same unchanged code, with the reference speed of the recording itself

The largest evidence of each unchanged run is its share of what shows *exceeded*, as logarithms.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from goals import at_most, conclude, parser

from pytest_hancock_latency.core.attribution import Circumstances, Windows, attribute
from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.evidence import boundaries
from pytest_hancock_latency.core.sample import Observations, Probed
from pytest_hancock_latency.core.sensitivity import ProbedSession, known_test
from pytest_hancock_latency.core.undisturbed import (
    UNKNOWN_TEST,
    KnownTest,
    ProbeTimes,
    ReferenceSpeed,
    surroundings,
)
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import LOOK_EVERY_NS, Policy, SequentialJudge
from pytest_hancock_latency.measuring.takers.bracketed import GUARD_NS
from pytest_hancock_latency.plugin.kept_speed import reference_of as reference_of_sessions

FOLDER: Final = Path(__file__).resolve().parent / "surroundings"
SECONDS: Final = 5
GATES: Final = 200
LEAST_TRUE: Final = 100
"""Calls that began undisturbed in a state whose quantile is taken for the truth."""
QUANTILES: Final = (Fraction(95, 100), Fraction(99, 100))
SLOW_SHARES: Final = {QUANTILES[0]: (0.10, 0.15), QUANTILES[1]: (0.02, 0.05)}
NOT_SHOWN: Final = ("sqlite", QUANTILES[1])
"""Its slowest hundredth of calls writes pages back, and takes five times as long as the others: if
all calls take three times as long, one in fifty is over that p99, which 5 s do not show."""
FULL_ARITHMETIC: Final = 1.25
FULL_MEMORY: Final = 1.4
KNOWN: Final = ", known test"
EVICTED: Final = 3.0
"""How many times longer the memory probe takes after the caches were evicted."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The columns of one file."""

    start: Any
    wall: Any
    cpu: Any
    process_cpu: Any
    wait: Any
    blocked: Any
    arithmetic: Any
    memory: Any

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file of `record_surroundings.py`."""
        with np.load(path) as content:
            return cls(*content["rows"].T)

    @property
    def probes(self) -> ProbeTimes:
        """The probes, of which one is before each call."""
        return ProbeTimes(self.arithmetic, self.memory, np.zeros(len(self.wall), bool))

    def began_undisturbed(self, reference: ReferenceSpeed) -> Any:
        """Whether both probes before each call were at full speed."""
        return (self.arithmetic < FULL_ARITHMETIC * reference.arithmetic_ns) & (
            self.memory < FULL_MEMORY * reference.memory_ns
        )

    def rotated(self, at: int) -> Recording:
        """Return the calls from this one on, round and round."""
        order = (np.arange(len(self.wall)) + at) % len(self.wall)
        steps = np.diff(self.start, append=self.start[-1] + np.median(np.diff(self.start)))
        start = np.concatenate([[0], np.cumsum(steps[order])[:-1]]).astype(np.int64)
        return Recording(
            start,
            *(
                getattr(self, name)[order]
                for name in ("wall", "cpu", "process_cpu", "wait", "blocked")
            ),
            self.arithmetic[order],
            self.memory[order],
        )

    def slower(self, factors: Any, *, evicts: bool = False) -> Recording:
        """Return the calls with each taking so many times as long."""
        memory = self.memory.astype(float)
        if evicts:
            memory[1:] = np.where(factors[:-1] > 1, EVICTED * memory[1:], memory[1:])
        scaled = (
            (getattr(self, name) * factors).astype(np.int64)
            for name in ("wall", "cpu", "process_cpu", "wait")
        )
        return Recording(self.start, *scaled, self.blocked, self.arithmetic, memory)


def judged(
    played: Recording,
    limit_ns: float,
    quantile: Fraction,
    reference: ReferenceSpeed,
    known: KnownTest = UNKNOWN_TEST,
) -> tuple[Outcome, float]:
    """Return the outcome after 5 s at most, and the largest share of the evidence for exceeded."""
    count = int(np.searchsorted(played.start, SECONDS * 1_000_000_000))
    around = surroundings(played.probes, np.arange(len(played.wall)), reference, known)
    attribution = attribute(_circumstances(played, around.slowness), _no_windows())
    blocked = played.blocked > 0
    budget, policy = LatencyBudget((Limit(quantile, int(limit_ns)),)), Policy(gates=GATES)
    judge = SequentialJudge(budget, policy)
    table = boundaries(1 - quantile, policy.alpha_within, policy.alpha_of_part(budget))
    counts_from, looked_at, n, largest = 2**62, 0, 0, 0.0
    while n < count:
        n = min(count, max(n + 1, int(np.searchsorted(played.start, looked_at + LOOK_EVERY_NS))))
        looked_at = int(played.start[n - 1])
        part = slice(0, n)
        observations = Observations(
            played.wall[part],
            attribution.attributed[part],
            played.start[part],
            at_most_ns=attribution.at_most[part],
            probed=Probed(
                played.start[part] >= counts_from,
                (around.undisturbed_before & ~blocked)[part],
                (around.undisturbed_after & ~blocked)[part],
                np.where(blocked, 1.0, around.together)[part],
            ),
        )
        judge.look(observations, room=count)
        (limit,) = judge.verdict(observations).limits
        counted, over = limit.evidence
        if over:
            largest = max(largest, table.exceeded_share(counted, over))
        if judge.needs_probing and counts_from == 2**62:
            counts_from = looked_at + GUARD_NS
        if limit.outcome is not Outcome.INCONCLUSIVE:
            return limit.outcome, largest
    return Outcome.INCONCLUSIVE, largest


def _circumstances(played: Recording, slowness: Any) -> Circumstances:
    count = len(played.wall)
    nothing, blocked = np.zeros(count, np.int64), played.blocked > 0
    waits = np.minimum(played.wait, np.maximum(0, played.wall - played.cpu))
    return Circumstances(
        start=played.start,
        wall=played.wall,
        run_queue=waits,
        own_wait=waits,
        thread_cpu=played.cpu,
        slowness=slowness,
        blocked=blocked,
        tree_wait=nothing,
        tree_cpu=played.cpu,
        own_work=nothing,
        siblings_cpu=np.maximum(0, played.process_cpu - played.cpu),
        queued=np.zeros(count, bool),
        unseen=blocked,
        timed_out=np.zeros(count, bool),
        window=nothing,
    )


def _no_windows() -> Windows:
    nothing, no = np.array([0.0]), np.array([False])
    return Windows(nothing, nothing, nothing, calm=no, disk=nothing, busy_children=no)


def reference_of(recordings: list[Recording], source: str) -> ReferenceSpeed:
    """Return the fastest reference speed of these recordings."""
    return ReferenceSpeed(
        min(float(np.quantile(each.arithmetic, 0.05)) for each in recordings),
        min(float(np.quantile(each.memory, 0.02)) for each in recordings),
        source,
    )


def session_of(recording: Recording, reference: ReferenceSpeed) -> ProbedSession | None:
    """Return what a session shows of a test that was recorded in it; None if it is too short."""
    at = np.flatnonzero(recording.blocked == 0)
    around = surroundings(recording.probes, at, reference)
    return ProbedSession.of(recording.cpu[at], around, recording.memory[at])


def kept_speed(works: dict[str, dict[str, Recording]], left_out: str) -> ReferenceSpeed:
    """Return the speed that pytest's cache has after all states but this one."""
    states = {state for recordings in works.values() for state in recordings} - {left_out}
    speeds = []
    for state in states:
        together = [recordings[state] for recordings in works.values() if state in recordings]
        arithmetic = np.concatenate([each.arithmetic for each in together])
        memory = np.concatenate([each.memory for each in together])
        speeds.append([float(np.quantile(arithmetic, 0.05)), float(np.quantile(memory, 0.02))])
    reference = reference_of_sessions(speeds)
    assert reference is not None
    return replace(reference, source="other states")


def cases(
    draw: np.random.Generator, quantile: Fraction, played: Recording
) -> Iterator[tuple[str, Recording, float]]:
    """Yield name, calls and limit over the truth of each case."""
    for ratio in (1.25, 1.5, 2.0):
        yield f"unchanged, limit {ratio}", played, ratio
    for times in (1.5, 2.0, 3.0):
        yield f"slower {times}", played.slower(np.full(len(played.wall), times)), 1.0
    share = draw.uniform(*SLOW_SHARES[quantile])
    for times in (5.0, 30.0):
        for evicts in (False, True):
            factors = np.where(draw.random(len(played.wall)) < share, times, 1.0)
            name = f"slow path {times:.0f}{', evicts' if evicts else ''}"
            yield name, played.slower(factors, evicts=evicts), 1.25


def main() -> int:
    """Play all recordings, print the table, judge it."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=1)
    options.add_argument("--folder", type=Path, default=FOLDER)
    chosen = options.parse_args()
    draw, works = np.random.default_rng(1), _works(chosen.folder)
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    evidence: dict[str, list[float]] = defaultdict(list)
    for work, states in sorted(works.items()):
        for state, recording in states.items():
            others = [each for name, each in states.items() if name != state]
            reference, own = kept_speed(works, state), reference_of([recording], "")
            sessions = [session_of(each, reference) for each in others]
            known = known_test([each for each in sessions if each is not None])
            tests = {"": UNKNOWN_TEST, KNOWN: known}
            print(f"{work}, {state}: {_words(known)}")
            for quantile in QUANTILES:
                truth_ns = _truth_ns(others, reference_of(others, "other states"), quantile)
                if truth_ns is None:
                    continue
                for _ in range(chosen.trials):
                    played = recording.rotated(int(draw.integers(len(recording.wall))))
                    for case, calls, ratio in cases(draw, quantile, played):
                        is_apart = case.startswith("slower") and (work, quantile) == NOT_SHOWN
                        name = f"{case}, sqlite at p99" if is_apart else case
                        limit_ns = truth_ns * ratio
                        for added, test in tests.items():
                            outcome, share = judged(calls, limit_ns, quantile, reference, test)
                            outcomes[name + added].append(outcome)
                            if name.startswith("unchanged"):
                                evidence[f"{work}, {state}{added}"].append(share)
                        if name.startswith("unchanged"):
                            outcome, _ = judged(calls, limit_ns, quantile, own)
                            outcomes[f"{name}, no reference"].append(outcome)
    return _report(outcomes, evidence, chosen)


def _words(known: KnownTest) -> str:
    powers = "p^{:.2f} m^{:.2f}".format(*known.powers) if known.powers else "powers unknown"
    return f"{powers}, memory reference {(known.memory_ns or 0) / 1000:.1f} µs"


def _works(folder: Path) -> dict[str, dict[str, Recording]]:
    found: dict[str, dict[str, Recording]] = defaultdict(dict)
    for path in sorted(folder.glob("*_*.npz")):
        work, _, state = path.stem.partition("_")
        found[work][state] = Recording.read(path)
    return found


def _truth_ns(
    others: list[Recording], reference: ReferenceSpeed, quantile: Fraction
) -> float | None:
    known = [
        float(np.quantile(each.cpu[began], float(quantile)))
        for each in others
        if (began := each.began_undisturbed(reference)).sum() >= LEAST_TRUE
    ]
    return min(known, default=None)


def _report(
    outcomes: dict[str, list[Outcome]], evidence: dict[str, list[float]], chosen: Any
) -> int:
    print("| case | exceeded | within | inconclusive |\n|---|---|---|---|")
    for name, found in sorted(outcomes.items()):
        counts = (found.count(outcome) for outcome in Outcome if outcome != "not judged")
        within, exceeded, inconclusive = counts
        print(f"| {name} | {exceeded} | {within} | {inconclusive} |")
    print("\nlargest share of the evidence for exceeded, unchanged code")
    for name, shares in sorted(evidence.items(), key=lambda item: -max(item[1]))[:8]:
        print(f"  {name}: {max(shares):.2f}")
    every = [share for shares in evidence.values() for share in shares]

    def count(start: str, outcome: Outcome) -> int:
        return sum(
            found.count(outcome) for name, found in outcomes.items() if name.startswith(start)
        )

    def share(name: str, outcome: Outcome) -> float:
        return outcomes[name].count(outcome) / max(1, len(outcomes[name]))

    def missed(name: str) -> float:
        return 1 - share(name, Outcome.EXCEEDED)

    slow_paths = sum(len(found) for name, found in outcomes.items() if name.startswith("slow p"))
    limits = {"slower 1.5": 0.25, "slower 2.0": 0.15, "slower 3.0": 0.05}
    goals = [
        at_most("unchanged code exceeded", count("unchanged", Outcome.EXCEEDED), 0),
        *(at_most(f"{name}, missed", missed(name), most) for name, most in limits.items()),
        *(at_most(f"{name}{KNOWN}, missed", missed(name + KNOWN), missed(name)) for name in limits),
        at_most("slower code within", count("slower", Outcome.WITHIN), 0),
        at_most("slow paths within", count("slow p", Outcome.WITHIN) / max(1, slow_paths), 0.05),
        at_most("99th percentile of the evidence", float(np.quantile(every, 0.99)), 0.5),
    ]
    figures = {"outcomes": outcomes, "evidence": evidence}
    return conclude("undisturbed_characteristics", figures, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
