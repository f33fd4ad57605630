"""What a gate would have noticed: how much slower its calls had to be for the verdict *exceeded*.

By the distribution of attributed latency that was measured: if all calls take 1 + x times as long,
the share over the limit is that over limit / (1 + x) now. The gate notices it if so large a share
shows *exceeded* in as many calls as it would make at most. A limit far above the latencies needs a
large x. So does one of a high percentile with few calls.

What the machine may excuse counts against it: of CPU time, only that of the undisturbed machine is
blamed on the code, and if its speed is not known, less by the margin of `core.undisturbed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..core.evidence import ALPHA_WITHIN, alpha_of_gate, boundaries
from ..core.histogram import Histogram, index_of
from ..core.record import Record
from ..core.verdict import LimitVerdict

MOST_TIMES: Final = 1000.0
"""The largest slowdown that is tried: a limit that holds even then limits nothing."""
TAIL: Final = Fraction(2, 100)
"""Share of the calls that a slow path, a cache miss or a collision may affect."""
TAIL_TIMES: Final = 3.0
"""How many times longer they then take."""
DOUBLING: Final = 1.0
"""A slowdown that a gate should notice."""
_STRIDE: Final = 1.2
"""Factor between the slowdowns that a first, coarse search tries."""
_HALVINGS: Final = 12
"""To 0.00005 of it."""
_BETWEEN: Final = 0.5
"""Share of the bucket of the limit that counts as over it."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """What one limit would have noticed."""

    part: LimitVerdict
    in_use: float
    """The quantile over the limit: 0.5 if half of it is in use."""
    slowdown: float | None
    """The smallest share by which all calls would have to be slower; None if none suffices."""
    notices_tail: bool
    """Whether it would notice `TAIL` of the calls taking `TAIL_TIMES` times as long."""


def noticed_by(record: Record, gates: int = 1) -> list[Noticed]:
    """Return what each limit of a record would have noticed; nothing without a histogram.

    Args:
        gates: number of gates in the build that share the false-alarm probability.
    """
    raw = record.histogram
    limits = record.verdict.limits if record.verdict else ()
    if record.verdict is None or not limits or raw is None or not raw.n or record.is_of_bursts:
        return []
    attributed = record.attributed_histogram or raw
    alpha = alpha_of_gate(gates) / (len(limits) + bool(record.verdict.failures.allowed))
    return [_noticed(part, record, attributed, alpha) for part in limits]


def slowdown_of(record: Record, gates: int = 1) -> float | None:
    """Return the smallest slowdown of all calls that one of the limits notices; None if none does.

    Args:
        gates: as of `noticed_by`.
    """
    return least_slowdown(noticed_by(record, gates))


def least_slowdown(limits: Iterable[Noticed]) -> float | None:
    """Return the smallest slowdown that one of some limits notices; None if none does."""
    return min((limit.slowdown for limit in limits if limit.slowdown is not None), default=None)


def _noticed(part: LimitVerdict, record: Record, attributed: Histogram, alpha: float) -> Noticed:
    limit_ns, allowed, n = part.limit.limit_ns, part.limit.allowed, attributed.n
    table = boundaries(allowed, ALPHA_WITHIN, alpha)
    blamed = _blamed_share(record)

    def shows(over: float, times: float) -> bool:
        """Whether so many of the calls over the limit show it, if all take so much longer."""
        most = _most_calls(record, times)
        if not allowed:  # about the calls that were made
            return over >= 1
        return table.shows_exceeded(most, int(over * most / n))

    def is_noticed(times: float) -> bool:
        return shows(_over(attributed, limit_ns / (times * blamed)), times)

    slow, fast = float(TAIL), 1 - float(TAIL)
    over_tail = fast * _over(attributed, limit_ns / blamed) + slow * _over(
        attributed, limit_ns / blamed / TAIL_TIMES
    )
    return Noticed(
        part=part,
        in_use=_quantile_ns(part, record) / limit_ns if limit_ns else 1.0,
        slowdown=_smallest(is_noticed),
        notices_tail=shows(over_tail, fast + slow * TAIL_TIMES),
    )


def _smallest(is_noticed: Callable[[float], bool]) -> float | None:
    """Return the smallest slowdown that is noticed, by bisection; None if none is.

    A large one may not be: so few calls fit into the time then that they show nothing.
    """
    low = high = 1.0
    while not is_noticed(high):
        if high >= MOST_TIMES:
            return None
        low, high = high, high * _STRIDE
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if is_noticed(middle) else (middle, high)
    return high - 1


def _over(histogram: Histogram, limit_ns: float) -> float:
    """Return about how many observations are over a limit."""
    edge = index_of(int(limit_ns))
    below, up_to = histogram.before(edge), histogram.before(edge + 1)
    return histogram.n - below - _BETWEEN * (up_to - below)


def _quantile_ns(part: LimitVerdict, record: Record) -> int:
    known = record.quantiles_ns.get(part.limit.label)
    if known is not None or record.histogram is None:
        return known or 0
    return record.histogram.quantile_ns(part.limit.quantile)


def _most_calls(record: Record, times: float) -> int:
    """Return how many calls the gate would make at most if all took so much longer."""
    measured = record.measurement
    if measured.room is None:
        return record.n
    by_time = measured.room / times
    return int(by_time if measured.max_samples is None else min(measured.max_samples, by_time))


def _blamed_share(record: Record) -> float:
    """Return the share of a latency that counts for *exceeded*, whatever the machine does."""
    measured = record.measurement
    on_cpu = measured.cpu_share or 0.0
    return 1 - on_cpu + on_cpu / (measured.slowness or 1.0)
