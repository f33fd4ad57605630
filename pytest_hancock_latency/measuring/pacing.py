"""What several takers observed, put together; and latencies counted from an intended start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.sample import Observations
from .taking import Taker

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds


@dataclass(slots=True)
class Pace:
    """Intended starts of the requests that one taker observed, in its order."""

    due: list[int] = field(default_factory=list)
    """On the clock."""
    woken_late: list[int] = field(default_factory=list)
    """Run-queue wait between going to sleep until then and sending: the machine's doing."""

    def __len__(self) -> int:
        return len(self.due)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Observations of one taker, their starts counted from `begin` on the clock."""

    seen: Observations
    begin: int
    pace: Pace = field(default_factory=Pace)


def part_of(taker: Taker, pace: Pace | None = None) -> Part:
    """Everything that a taker took."""
    return Part(taker.observations(), taker.begin, pace or Pace())


def joined(parts: Sequence[Part], begin: int) -> Observations:
    """Observations of several takers in one, by their start, which counts from `begin`."""
    import numpy as np

    seen = [part.seen for part in parts]
    start = np.concatenate([part.seen.start_ns + (part.begin - begin) for part in parts])
    order = np.argsort(start, kind="stable")

    def together(columns: Sequence[Nanoseconds | None]) -> Nanoseconds | None:
        known = [column for column in columns if column is not None]
        return np.concatenate(known)[order] if len(known) == len(columns) else None

    wall = np.concatenate([each.wall_ns for each in seen])[order]
    taken = np.concatenate([each.attributed_ns for each in seen])[order]
    return Observations(
        wall,
        taken,
        start[order],
        together([each.blocked for each in seen]),  # type: ignore[arg-type, misc]
        together([each.least_ns for each in seen]),
        together([each.wait_ns for each in seen]),
    )


def from_intended_start(part: Part) -> Part:
    """The same observations, each counted from its intended start."""
    import numpy as np

    seen, pace = part.seen, part.pace
    lag = send_lag(part)
    ours = lag - np.minimum(lag, np.array(pace.woken_late, dtype=np.int64))
    return Part(
        Observations(
            seen.wall_ns + lag,
            seen.attributed_ns + ours,
            seen.start_ns - lag,
            seen.blocked,
            None if seen.least_ns is None else seen.least_ns + ours,
            seen.wait_ns,
        ),
        part.begin,
        pace,
    )


def send_lag(part: Part) -> Nanoseconds:
    """From the intended start of each observation to its start, never negative."""
    import numpy as np

    due = np.array(part.pace.due, dtype=np.int64)
    lag: Nanoseconds = np.maximum(0, part.seen.start_ns + part.begin - due)
    return lag
