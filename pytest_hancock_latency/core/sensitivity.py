"""What the sessions of a test show: its sensitivities, and its reference of the memory probe.

The CPU time of a call follows powers of the two probes around it, and these powers differ from test
to test: integer arithmetic does not suffer from evicted caches, look-ups in a large dictionary
suffer from little else.

    log CPU time = level of the session + a · log p + b · log m

Each session has its own level, since the code may have changed in between. Of each session, medians
over blocks of successive calls are kept. A probe is much shorter than a call, and the noise of
single probes makes the powers appear smaller than they are (a of integer arithmetic: 0.6 from
single calls, 1.0 from blocks). The fit is iteratively reweighted least squares with Huber's weights
(P. J. Huber, *Robust Statistics*, 1981, chapter 7), so that a few blocks with a slow path of the
code do not change it.

The sample that is judged is never among these sessions: slow code would explain itself. Fitted that
way, 15 of 120 samples of unchanged code were exceeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Self

from .late_numpy import np
from .undisturbed import KnownTest, Surroundings, memory_reference

if TYPE_CHECKING:
    from .attribution import Nanoseconds, Numbers

Point = tuple[float, float, float]
"""Logarithms of p, of m and of the CPU time in ns, as medians over a block of calls."""

LEAST_SESSIONS: Final = 3
"""Fewer sessions may all have had the same neighbour."""
_ENOUGH_SESSIONS: Final = 5
"""Of so many, the second fastest is the reference, as for the speed of the machine: a single wrong
measurement does not count."""
MOST_BLOCKS: Final = 25
"""Blocks of a session: half a second of a long sample each, shorter than most phases of a host."""
LEAST_BLOCKS: Final = 10
LEAST_CALLS: Final = 10
"""Calls of a block. The median of so many probes repeats within 3 %. Calls of more than 50 ms have
no sensitivities: in the time for a sample there are fewer than a hundred, and the probes around
such a call say little about its middle."""
_LEAST_SPREAD: Final = 0.07
"""Standard deviation of log p within sessions, as far as log m does not explain it, and vice versa.
Noise of 3 % then makes the powers at most a sixth smaller, which is about what `_ADDED` adds. Where
m varied by 0.02 to 0.04, its fitted powers were anything from −1 to 1."""
_ADDED: Final = 0.1
"""Too large a power only misses some slow code; too small a power blames unchanged code."""
_LARGEST: Final = (1.5, 1.2)
"""Of eight works, none had larger powers; a larger one would excuse whatever the code does."""
_HUBER: Final = 1.345
"""Residuals count less beyond this many standard deviations: 95 % efficient for normal noise."""
_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_ROUNDS: Final = 50
_TINY: Final = 1e-9
"""Residuals below it are exact: rounding is far coarser."""
_LARGEST_LOGARITHM: Final = 100.0
_DIGITS: Final = 3
"""Of logarithms: a tenth of a percent."""


@dataclass(frozen=True, slots=True)
class ProbedSession:
    """What one session shows of a test, from calls of the probing phase that never blocked."""

    points: tuple[Point, ...]
    """Empty if there were too few calls."""
    memory_ns: float | None
    """The low quantile of its memory probes; None if there were too few."""

    def __post_init__(self) -> None:
        numbers = [number for point in self.points for number in point]
        if not all(abs(number) <= _LARGEST_LOGARITHM for number in numbers):
            raise ValueError(f"not logarithms of probes and CPU times: {self.points}")
        if self.memory_ns is not None and not 0 < self.memory_ns < inf:
            raise ValueError(f"not the time of a memory probe: {self.memory_ns}")

    @classmethod
    def of(cls, cpu_ns: Nanoseconds, around: Surroundings, memory_ns: Nanoseconds) -> Self | None:
        """Return what these calls show; None if there are too few.

        Args:
            cpu_ns: CPU time of each call, in the order in which they were made.
            around: the speed of the machine around each call.
            memory_ns: the memory probe before each call.
        """
        is_known = (around.arithmetic > 0) & (around.memory > 0) & (cpu_ns > 0)
        rows = np.log(np.stack([around.arithmetic, around.memory, cpu_ns], axis=1)[is_known])
        blocks = min(MOST_BLOCKS, len(rows) // LEAST_CALLS)
        parts = np.array_split(rows, blocks) if blocks >= LEAST_BLOCKS else []
        medians = [np.median(part, axis=0).round(_DIGITS).tolist() for part in parts]
        reference_ns = memory_reference(memory_ns[is_known])
        if not medians and reference_ns is None:
            return None
        return cls(tuple((p, m, cpu) for p, m, cpu in medians), reference_ns)


def known_test(sessions: Sequence[ProbedSession]) -> KnownTest:
    """Return what sessions of a test together show; nothing if there are too few of them."""
    references = sorted(each.memory_ns for each in sessions if each.memory_ns is not None)
    is_known = len(references) >= LEAST_SESSIONS
    return KnownTest(
        powers=_powers([each.points for each in sessions if each.points]),
        memory_ns=references[len(references) >= _ENOUGH_SESSIONS] if is_known else None,
    )


def _powers(sessions: Sequence[Sequence[Point]]) -> tuple[float, float] | None:
    """Return the powers of p and m, slightly enlarged; None if they are not determined."""
    if len(sessions) < LEAST_SESSIONS:
        return None
    rows = np.concatenate([np.array(points) for points in sessions])
    session = np.repeat(np.arange(len(sessions)), [len(points) for points in sessions])
    levels = (session[:, None] == np.arange(len(sessions))).astype(float)
    probes = rows[:, :2] - levels @ (levels.T @ rows[:, :2] / levels.sum(axis=0)[:, None])
    covariance = np.cov(probes.T, bias=True)
    # Over the variance of one probe, the determinant is what it leaves unexplained of the other.
    if np.linalg.det(covariance) <= _LEAST_SPREAD**2 * covariance.diagonal().max():
        return None
    powers = _fit(np.column_stack([rows[:, :2], levels]), rows[:, 2])[:2] + _ADDED
    a, b = np.clip(powers, 0.0, _LARGEST).tolist()
    return a, b


def _fit(design: Numbers, values: Numbers) -> Numbers:
    """Return the coefficients of a linear model, fitted robustly."""
    weights: Numbers = np.ones(len(values))
    coefficients: Numbers = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        weighted = design * root[:, None], values * root
        coefficients = np.linalg.lstsq(*weighted, rcond=None)[0].astype(np.float64)
        residuals = np.abs(values - design @ coefficients)
        near = _HUBER * _NORMAL * np.median(residuals)
        weights = np.minimum(1.0, np.maximum(near, _TINY) / np.maximum(residuals, _TINY))
    return coefficients
