"""Recorded requests with what the kernel counted meanwhile, replayed from any of them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from pytest_hancock_latency.core.attribution import (
    READING_NS,
    Brackets,
    waits_in_window,
    without_own_threads,
)
from pytest_hancock_latency.core.undisturbed import ProbeTimes, ReferenceSpeed, surroundings

from .engine import Columns, Flags, Nanoseconds, Numbers, Prepared

FOLDER: Final = Path(__file__).resolve().parents[1] / "traces"
NAMES: Final = tuple(
    [f"small_{state}" for state in ("quiet", "busy", "burst", "duty10")]
    + ["mid_natural"]
    + [f"heavy_{state}" for state in ("quiet", "busy", "burst")]
    + [f"io_{state}" for state in ("quiet", "natural", "busy", "burst")]
)
BLOCKING: Final = tuple(name for name in NAMES if name.startswith("io_"))
_PROBE_EVERY: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One file, with the wait that the engine finds in it."""

    wall: Nanoseconds
    wait: Nanoseconds
    cpu: Nanoseconds
    since_previous: Nanoseconds
    blocked: Flags
    probe: Nanoseconds

    def __len__(self) -> int:
        return len(self.wall)


@lru_cache
def recording(name: str) -> Recording:
    """Read a trace by its name."""
    with np.load(FOLDER / f"{name}.npz") as read:
        column = {each: read[each].astype(np.int64) for each in read.files}
    nothing = np.full(len(column["wall"]), READING_NS)
    brackets = Brackets(
        wall=column["wall"],
        thread_cpu=column["thread_cpu"],
        process_cpu=column["process_cpu"],
        run_queue=column["run_queue"],
        gap_before=nothing,  # what fell outside of the window was taken off by the recorder
        gap_after=nothing,
    )
    return Recording(
        wall=column["wall"],
        wait=without_own_threads(waits_in_window(brackets), brackets),
        cpu=column["thread_cpu"],
        since_previous=column["since_previous"],
        blocked=column["voluntary_switches"] > 0,
        # The probe is meant to see a slow host, not that the thread was preempted in it.
        probe=column["probe"] - np.minimum(column["probe_run_queue"], column["probe"]),
    )


@lru_cache
def reference() -> ReferenceSpeed:
    """Return the speed of the machine on which all traces were recorded."""
    fastest_ns = min(float(np.quantile(recording(name).probe, 0.05)) for name in NAMES)
    return ReferenceSpeed(fastest_ns, 1.0, "other traces")


@dataclass(eq=False)
class Replayed(Prepared):
    """A feed that normalises by the probes so far, as the measuring loop does."""

    probe: Nanoseconds = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def seen(self) -> Columns:
        """See `Feed`."""
        columns = self.columns.first(self.n)
        if not self.n:
            return columns
        of = np.arange(self.n) // _PROBE_EVERY
        probes = self.probe[: int(of[-1]) + 1]
        nothing = np.zeros(len(probes), dtype=np.int64)  # only the arithmetic probe was recorded
        times = ProbeTimes(probes, nothing, nothing > 0)
        speed: Numbers = surroundings(times, of, reference()).slowness
        return Columns(
            columns.wall, columns.wait, columns.cpu, speed, columns.start, columns.blocked
        )


def replay(
    name: str, random: np.random.Generator, slower: float = 1.0, most: int = 20_000
) -> Replayed:
    """The trace from a random request on, round and round.

    slower: what the code itself took, as far as it did not wait for the core, times this.
    """
    kept = recording(name)
    first = int(random.integers(len(kept) // _PROBE_EVERY)) * _PROBE_EVERY
    at = (first + np.arange(most)) % len(kept)
    wall, wait, cpu = kept.wall[at], kept.wait[at], kept.cpu[at]
    extra = np.rint((slower - 1) * (wall - wait)).astype(np.int64)
    # The first request of a recording was preceded by nothing: it starts when the last one ended.
    gap = np.where(at == 0, kept.wall[at - 1], kept.since_previous[at])
    gap[0] = 0
    start = np.cumsum(gap)
    start[1:] += np.cumsum(extra)[:-1]
    probes = (first // _PROBE_EVERY + np.arange(-(-most // _PROBE_EVERY))) % len(kept.probe)
    columns = Columns(wall + extra, wait, cpu + extra, np.ones(most), start, kept.blocked[at])
    return Replayed(columns, probe=kept.probe[probes])


def quiet_quantiles_ms(name: str, shares: tuple[float, ...]) -> dict[float, float]:
    """What the code takes when nothing else runs, in ms: the truth that budgets are set by."""
    code = name.partition("_")[0]
    quiet = recording(f"{code}_quiet" if code != "mid" else name)
    wall = quiet.wall if code != "mid" else quiet.wall - quiet.wait
    return {share: float(np.quantile(wall, share)) / 1e6 for share in shares}
