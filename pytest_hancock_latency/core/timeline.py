"""The course of a run: its observations in a few stretches of equal length, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from .attribution import Flags, Nanoseconds
    from .sample import Observations

STRETCHES: Final = 40
"""As many as a small screen can show, and an artifact of hundreds of samples can hold."""
_WORTH_MARKING: Final = 0.1
"""The machine took at least this share of an observation: below, it did not matter."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Columns with one value for each stretch of the run; empty stretches have zeros."""

    stretch_ns: int
    n: tuple[int, ...]
    median_ns: tuple[int, ...]
    max_ns: tuple[int, ...]
    excused: tuple[int, ...]
    """Observations of which the machine took over a tenth: preempted, or on a slow host."""
    collected: tuple[int, ...]
    """Observations in which a garbage collection began."""

    def __len__(self) -> int:
        return len(self.n)

    @classmethod
    def of(cls, observations: Observations, collections_ns: Sequence[int] = ()) -> Self | None:
        """The course of observations; None where there is none.

        collections_ns: when each garbage collection began, ascending, from the start of measuring.
        """
        if not len(observations):
            return None
        import numpy as np

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
        """Dicts, lists and numbers only."""
        return plain_fields(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The timeline of this plain form, which may have more fields.

        Raises:
            ValueError: its columns differ in length.
        """
        stretch_ns, *columns = (plain[field.name] for field in fields(cls))
        if len(set(map(len, columns))) > 1:
            raise ValueError("the columns differ in length")
        return cls(stretch_ns, *map(tuple, columns))


def plain_fields(value: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass, tuples as lists.

    Unlike `dataclasses.asdict` it does not go into them, which is ten times faster.
    """
    values = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values}


def _median_and_max(
    at: Nanoseconds, wall_ns: Nanoseconds, stretches: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    import numpy as np

    order = np.lexsort((wall_ns, at))
    ranked, n = wall_ns[order], np.bincount(at, minlength=stretches)
    end = np.cumsum(n)
    occupied = n > 0
    median, largest = np.zeros(stretches, np.int64), np.zeros(stretches, np.int64)
    median[occupied] = ranked[(end - n + (n - 1) // 2)[occupied]]
    largest[occupied] = ranked[(end - 1)[occupied]]
    return tuple(median.tolist()), tuple(largest.tolist())


def _hit(observations: Observations, collections_ns: Sequence[int]) -> Flags:
    """Whether a collection began in each of the observations."""
    import numpy as np

    begins = np.asarray(collections_ns, dtype=np.int64)
    before = np.searchsorted(begins, observations.start_ns, side="left")
    until = np.searchsorted(begins, observations.start_ns + observations.wall_ns, side="right")
    hit: Flags = until > before
    return hit


def _count(at: Nanoseconds, flags: Flags, stretches: int) -> tuple[int, ...]:
    import numpy as np

    return tuple(np.bincount(at[flags], minlength=stretches).tolist())
