"""The timeline of a run: its observations in intervals of equal length, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from .late_numpy import np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from .attribution import Flags, Nanoseconds
    from .sample import Observations

STRETCHES: Final = 40
"""Few enough for a small screen and for an artifact of hundreds of samples."""
_WORTH_MARKING: Final = 0.1
"""Share of an observation from which time taken by the machine is marked."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Columns with one value for each interval of the run; empty intervals have zeros."""

    stretch_ns: int
    n: tuple[int, ...]
    median_ns: tuple[int, ...]
    max_ns: tuple[int, ...]
    excused: tuple[int, ...]
    """Number of observations of which the machine took more than a tenth."""
    collected: tuple[int, ...]
    """Number of observations during which a garbage collection started."""

    def __len__(self) -> int:
        return len(self.n)

    @classmethod
    def of(cls, observations: Observations, collections_ns: Sequence[int] = ()) -> Self | None:
        """Make the timeline of observations; None if there are none.

        Args:
            collections_ns: start of each garbage collection, ascending, relative to the start of
                measuring.
        """
        if not len(observations):
            return None
        stretch_ns = int(observations.start_ns.max()) // STRETCHES + 1
        at = observations.start_ns // stretch_ns
        stretches = int(at.max()) + 1
        excused = (
            observations.wall_ns - observations.attributed_ns
            > _WORTH_MARKING * observations.wall_ns
        )
        median, largest = _median_and_max(at, observations.wall_ns, stretches)
        return cls(
            stretch_ns=stretch_ns,
            n=tuple(np.bincount(at, minlength=stretches).tolist()),
            median_ns=median,
            max_ns=largest,
            excused=_count(at, excused, stretches),
            collected=_count(at, _hit(observations, collections_ns), stretches),
        )

    def to_plain(self) -> dict[str, Any]:
        """Convert to dicts, lists and numbers."""
        return plain_fields(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Make a timeline from its plain form, which may have more fields.

        Raises:
            ValueError: its columns differ in length.
        """
        stretch_ns, *columns = (plain[field.name] for field in fields(cls))
        if len(set(map(len, columns))) > 1:
            raise ValueError("the columns differ in length")
        return cls(stretch_ns, *map(tuple, columns))


def plain_fields(value: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a dataclass, with tuples as lists.

    Unlike `dataclasses.asdict` it does not recurse, which is ten times faster.
    """
    values = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values}


def _median_and_max(
    at: Nanoseconds, wall_ns: Nanoseconds, stretches: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    order = np.lexsort((wall_ns, at))
    ranked, n = wall_ns[order], np.bincount(at, minlength=stretches)
    end = np.cumsum(n)
    occupied = n > 0
    median, largest = np.zeros(stretches, np.int64), np.zeros(stretches, np.int64)
    median[occupied] = ranked[(end - n + (n - 1) // 2)[occupied]]
    largest[occupied] = ranked[(end - 1)[occupied]]
    return tuple(median.tolist()), tuple(largest.tolist())


def _hit(observations: Observations, collections_ns: Sequence[int]) -> Flags:
    """Return for each observation whether a collection started during it."""
    begins = np.asarray(collections_ns, dtype=np.int64)
    before = np.searchsorted(begins, observations.start_ns, side="left")
    until = np.searchsorted(begins, observations.start_ns + observations.wall_ns, side="right")
    hit: Flags = until > before
    return hit


def _count(at: Nanoseconds, flags: Flags, stretches: int) -> tuple[int, ...]:
    return tuple(np.bincount(at[flags], minlength=stretches).tolist())
