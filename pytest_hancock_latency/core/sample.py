"""A sample: the set of observations judged together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from ..errors import LatencyError, NothingMeasured
from .advice import Advice
from .attribution import SLOW_MACHINE, UNSEEN
from .budget import FIRST, GAP, Limit, parse_share
from .duration import NS_PER_MS
from .late_numpy import np
from .paired import Pair, PairedComparison, compare
from .quantile import COLUMNS, MAXIMUM, label, parse_quantile, rank
from .verdict import Outcome, Verdict

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers know it wherever it is not installed

    from .attribution import Flags, Nanoseconds, Numbers

    Answer_co = TypeVar("Answer_co", covariant=True, default=Any)
else:
    from typing import TypeVar  # has no default before Python 3.13

    Answer_co = TypeVar("Answer_co", covariant=True)

ONE_CALLER: Final = frozenset({"closed", "pairs"})
"""Loops in which one caller makes calls one after another."""
FROM_PROMETHEUS: Final = "prometheus"
"""The "loop" of requests that Prometheus counted."""
GROWTH: Final = "growth"
"""The loop of a function that is called with inputs of several sizes in turns. The sample is of the
largest, which is not the same in every run."""
REPEATED_BURSTS: Final = "bursts"
"""The loop of a burst that was repeated: its requests depend on each other, its bursts do not."""
_OF_STAGE: Final = " · "
UNDELAYED: Final = 0.9
"""Share of its time that a call that timed out must have taken itself to be blamed for it."""
_ATTRIBUTE: Final = re.compile(r"(p\d+(?:_\d+)?)_(ms|ns)", re.ASCII)


def name_of_stage(sample: str, clock: str) -> str:
    """Return the name of the sample of a stage: ``chat · first``, or ``first``."""
    return f"{sample}{_OF_STAGE}{clock}" if sample else clock


def name_of_whole(stage: str, clock: str) -> str:
    """Return the name of the sample of whole calls from that of one of their stages."""
    return stage.removesuffix(clock).removesuffix(_OF_STAGE)


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """What the probes around each observation showed, shape (n,); for judging."""

    counts: Flags
    """Whether it counts for *exceeded*: it began in the probing phase, half a second after its
    start at least."""
    undisturbed_before: Flags
    undisturbed_after: Flags
    together: Numbers | None = None
    """See `undisturbed.Surroundings`; None if it is unknown."""

    def of(self, kept: Flags | Nanoseconds | slice) -> Probed:
        """Return what was shown of some of the observations."""
        return Probed(
            self.counts[kept],
            self.undisturbed_before[kept],
            self.undisturbed_after[kept],
            None if self.together is None else self.together[kept],
        )

    def followed_by(self, later: Probed) -> Probed:
        """Return what was shown of both."""
        together = [
            np.ones(len(part.counts)) if part.together is None else part.together
            for part in (self, later)
        ]
        return Probed(
            np.concatenate([self.counts, later.counts]),
            np.concatenate([self.undisturbed_before, later.undisturbed_before]),
            np.concatenate([self.undisturbed_after, later.undisturbed_after]),
            np.concatenate(together),
        )

    @property
    def has_begun(self) -> bool:
        """Whether any observation has been probed."""
        return bool(self.counts.any() or self.undisturbed_before.any())


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Columns of a sample in measuring order, each of shape (n,), integer nanoseconds."""

    wall_ns: Nanoseconds
    """Raw latency, as measured."""
    attributed_ns: Nanoseconds
    """Attributed latency: time the code took. The same array as `wall_ns` without attribution."""
    start_ns: Nanoseconds
    """Start of each observation, relative to the start of measuring."""
    excused_ns: Mapping[str, Numbers] = field(default_factory=dict)
    """Time that the machine took of each observation, by cause; only while measuring."""
    provisional: Flags | None = None
    """Observations whose attributed latency may still rise; None if there are none."""
    at_most_ns: Nanoseconds | None = None
    """At most what the code took, see `Attribution`; None if unknown."""
    probed: Probed | None = None
    """What the probes around each observation showed; None without a probing phase."""
    slowness: Numbers | None = None
    """By how much slower than undisturbed the machine was; only while measuring."""
    timed_out: Flags | None = None
    """Observations that timed out, and so count as failures as well; None if there are none."""

    def __len__(self) -> int:
        return len(self.wall_ns)

    @property
    def span_ns(self) -> int:
        """Time from the start of measuring to the end of the last observation."""
        return int((self.start_ns + self.wall_ns).max()) if len(self) else 0

    @property
    def blamed(self) -> Flags | None:
        """Of those that timed out, those that the machine did not delay; None if none timed out.

        How long the others would have taken is unknown: an undisturbed machine may have answered
        in time.
        """
        if self.timed_out is None:
            return None
        blamed: Flags = self.timed_out & (self.attributed_ns >= UNDELAYED * self.wall_ns)
        return blamed

    @property
    def excused_failures(self) -> int:
        """Number of time-outs that the machine may have caused."""
        blamed = self.blamed
        if self.timed_out is None or blamed is None:
            return 0
        return int(self.timed_out.sum() - blamed.sum())

    @property
    def comparable_ns(self) -> Nanoseconds:
        """Latency for comparing two versions that were measured in turns, of shape (n,).

        Attributed latency, but without two excuses, which give code the benefit of the doubt and do
        not help to compare. Waiting for something unseen on a busy machine: it would hide whatever
        the code waits for. A slow machine: it slows down both versions alike, and each process
        estimates it by itself, so that it made medians of identical code differ by 4 to 10 % on a
        busy machine instead of 2 to 3 %.
        """
        excused = [
            self.excused_ns[cause] for cause in (UNSEEN, SLOW_MACHINE) if cause in self.excused_ns
        ]
        latencies_ns: Nanoseconds = sum(excused, self.attributed_ns).astype("int64")
        return latencies_ns

    def without(self, flags: Flags | None) -> Observations:
        """Return the observations that are not flagged; all of them if there are no flags."""
        return self if flags is None else self._only(~flags)

    def between(self, first: int, end: int) -> Observations:
        """Return the observations from position `first` up to, but without, `end`."""
        return self._only(slice(first, end))

    def at(self, positions: Nanoseconds) -> Observations:
        """Return the observations at these positions."""
        return self._only(positions)

    def _only(self, kept: Flags | Nanoseconds | slice) -> Observations:
        return Observations(
            self.wall_ns[kept],
            self.attributed_ns[kept],
            self.start_ns[kept],
            {cause: times[kept] for cause, times in self.excused_ns.items()},
            provisional=None if self.provisional is None else self.provisional[kept],
            at_most_ns=None if self.at_most_ns is None else self.at_most_ns[kept],
            probed=self.probed.of(kept) if self.probed else None,
            slowness=None if self.slowness is None else self.slowness[kept],
            timed_out=None if self.timed_out is None else self.timed_out[kept],
        )

    def followed_by(self, later: Observations, offset_ns: int) -> Observations:
        """Return both together, without circumstances.

        Args:
            offset_ns: time from the start of measuring these to that of the later ones.
        """
        both, at_most_ns = (self, later), None
        if any(part.at_most_ns is not None for part in both):
            at_most_ns = np.concatenate(
                [part.wall_ns if part.at_most_ns is None else part.at_most_ns for part in both]
            )
        return Observations(
            np.concatenate([self.wall_ns, later.wall_ns]),
            np.concatenate([self.attributed_ns, later.attributed_ns]),
            np.concatenate([self.start_ns, later.start_ns + offset_ns]),
            provisional=joined_flags(both, "provisional"),
            at_most_ns=at_most_ns,
            probed=self._probed_or_not().followed_by(later._probed_or_not())
            if self.probed or later.probed
            else None,
            timed_out=joined_flags(both, "timed_out"),
        )

    def _probed_or_not(self) -> Probed:
        """What the probes showed: nothing without a probing phase."""
        nothing = np.zeros(len(self), bool)
        return self.probed or Probed(nothing, nothing, nothing)

    def without_circumstances(self) -> Observations:
        """Return only the columns that a sample keeps."""
        probed = self.probed if self.probed is not None and self.probed.has_begun else None
        return Observations(
            self.wall_ns,
            self.attributed_ns,
            self.start_ns,
            at_most_ns=self.at_most_ns,
            probed=probed,
            timed_out=self.timed_out,
        )


def joined_flags(
    parts: Sequence[Observations], name: Literal["provisional", "timed_out"]
) -> Flags | None:
    """Return the flags of all parts, one after another; None if none has any."""
    flags: list[Flags | None] = [getattr(part, name) for part in parts]
    if all(flag is None for flag in flags):
        return None
    return np.concatenate(
        [
            np.zeros(len(part), bool) if flag is None else flag
            for part, flag in zip(parts, flags, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Slow:
    """One of the slowest observations, with what the machine did meanwhile."""

    position: int
    start_ns: int
    wall_ns: int
    attributed_ns: int
    causes: tuple[str, ...] = ()
    """From `attribution.CAUSES`; if empty, the code was slow."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """How a sample was measured."""

    loop: str = "closed"
    clock: str | None = None
    """The stage of each call that the sample is of, such as the first item of a stream; None if it
    is of whole calls."""
    bracket: bool = False
    why_no_bracket: str | None = None
    warmup_ns: tuple[int, ...] = ()
    elapsed_ns: int = 0
    started_unix_s: float | None = None
    """Start by the wall clock; together with the end, it places the histogram in time."""
    ended_unix_s: float | None = None
    followed: tuple[str, ...] = ()
    """Threads and processes whose waits for a CPU were followed, in words; empty if no call
    blocked."""
    send_lag_ns: int | None = None
    """p99 of the time from the intended to the actual start; open loop only."""
    probe_ns: int | None = None
    """Median CPU time of the arithmetic probe meanwhile; None if it was hardly ever run."""
    room: int | None = None
    """About how many observations the time allowed at most; None if unknown, or fixed."""
    max_samples: int | None = None
    """How many observations the plan allowed at most; None if unknown, or fixed."""
    cpu_share: float | None = None
    """Share of the time in which the calling thread had a CPU; None if unknown."""
    slowness: float | None = None
    """By how much slower than undisturbed the machine may have been beyond what attributed latency
    excuses, so that CPU time is divided by this for *exceeded*; None if nothing is excused."""
    alone: bool | None = None
    """Whether the other workers of pytest-xdist waited meanwhile; None if they were not asked."""
    waited_ns: int | None = None
    """How long the test itself waited for the other workers; None if it did not have to."""
    slowest: tuple[Slow, ...] = ()
    advice: tuple[Advice, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample(Generic[Answer_co]):
    """The set of observations judged together, and the verdict on it.

    Integer nanoseconds inside, ``_ms`` floats outside: any percentile is an attribute, as in
    ``sample.p95_ms`` or ``sample.p99_9_ms``. Quantiles are of raw latency, by nearest rank.

    For type checkers it is generic in the type of its answer, `Sample[int]`; that may be left out.

    >>> sample = measure(sorted, [3, 1, 2])
    >>> sample.p50_ms <= sample.p99_9_ms <= sample.max_ms
    True
    """

    name: str
    observations: Observations
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed requests by class; they have no latency in the sample."""
    verdict: Verdict | None = None
    measurement: Measurement = field(default_factory=Measurement)
    answer: Answer_co = None  # type: ignore[assignment]  # only a Sample[None] is made without one
    """The last return value of the function, even if it failed its check; closed loop and pairs.

    ``assert sample(client.get, "/health").answer.status_code == 200``
    """
    collections_ns: Sequence[int] = ()
    """Start of each garbage collection, relative to the start of measuring; if observed."""
    pair: Pair | None = None
    """For `faster_than`; only of samples that were measured in pairs."""
    is_switched_off: bool = False
    """Mode ``off``: nothing was measured or judged, and ``assert sample(f).within`` passes."""

    def __len__(self) -> int:
        return len(self.observations)

    def without_answers(self: Sample[Any]) -> Sample[None]:
        """Return the sample without its answers, which may be large."""
        return replace(self, answer=None)

    @property
    def n(self) -> int:
        """Number of observations."""
        return len(self.observations)

    @property
    def failed(self) -> int:
        """Number of failures."""
        return sum(self.failures.values())

    def quantile_ns(self, quantile: str | Fraction) -> int:
        """Return a quantile of raw latency in integer nanoseconds, by nearest rank.

        Raises:
            QuantileError: it is not a percentile.
            NothingMeasured: the sample has no observations.
        """
        return self._at(self.observations.wall_ns, self._usual, parse_quantile(quantile))

    def quantile_ms(self, quantile: str | Fraction) -> float:
        """Return a quantile of raw latency in milliseconds: ``sample.quantile_ms("99.9%")``."""
        return self.quantile_ns(quantile) / NS_PER_MS

    def attributed_quantile_ns(self, quantile: Fraction) -> int:
        """Return a quantile of attributed latency in integer nanoseconds."""
        return self._at(self.observations.attributed_ns, self._usual_attributed, quantile)

    @property
    def max_ms(self) -> float:
        """The largest raw latency in milliseconds."""
        return self.quantile_ns(MAXIMUM) / NS_PER_MS

    def faster_than(self, other: Sample, by: str | float = 0) -> PairedComparison:
        """Compare with the other sample of a pair: whether this one is shown to be faster.

        ``new, old = sample.pairs(parse, legacy_parse)``, then
        ``assert new.faster_than(old, by="20%")``.

        Raises:
            LatencyError: the two were not measured in pairs by `sample.pairs`.
        """
        if self.pair is None or other.pair is None or self.pair.key is not other.pair.key:
            raise LatencyError(
                f"{self.name!r} and {other.name!r} were not measured in pairs: "
                "use sample.pairs(one, other)"
            )
        latencies = self.pair.latencies_ns, other.pair.latencies_ns
        return compare((self.name, other.name), latencies, parse_share("by", by))

    @property
    def within(self) -> bool:
        """Whether the verdict is *within*; always true in mode ``off``, which has no verdict."""
        if self.verdict is None:
            return self.is_switched_off
        return self.verdict.outcome is Outcome.WITHIN

    if TYPE_CHECKING:
        # At run time, any percentile is an attribute. Editors complete these, and type checkers
        # report every other name, which is usually a mistake; `quantile_ms` covers the rest.
        @property
        def p50_ms(self) -> float: ...

        @property
        def p75_ms(self) -> float: ...

        @property
        def p90_ms(self) -> float: ...

        @property
        def p95_ms(self) -> float: ...

        @property
        def p99_ms(self) -> float: ...

        @property
        def p99_9_ms(self) -> float: ...

        @property
        def p99_99_ms(self) -> float: ...

        @property
        def p50_ns(self) -> int: ...

        @property
        def p95_ns(self) -> int: ...

        @property
        def p99_ns(self) -> int: ...

        @property
        def max_ns(self) -> int: ...

    else:

        def __getattr__(self, name: str) -> float:
            """Raw latency at any percentile: ``p99_9_ms``, ``p75_ns``."""
            match = _ATTRIBUTE.fullmatch(name)
            if match is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            ns = self.quantile_ns(match[1])
            return ns / NS_PER_MS if match[2] == "ms" else ns

    def __repr__(self) -> str:
        verdict = self.verdict.outcome if self.verdict else Outcome.NOT_JUDGED
        if not self.n:
            return f"<Sample {self.name!r}: no observations, {verdict}>"
        quantiles = ", ".join(f"{p}={self.quantile_ms(p):.3g} ms" for p in map(label, COLUMNS))
        return f"<Sample {self.name!r}: n={self.n}, {quantiles}, {verdict}>"

    def _at(self, column: Nanoseconds, usual: Mapping[Fraction, int], quantile: Fraction) -> int:
        if not self.n:
            raise NothingMeasured(
                f"cannot compute {label(quantile)} of {self.name!r}: it has no observations"
            )
        if quantile in usual:
            return usual[quantile]
        at = rank(quantile, self.n) - 1
        return int(np.partition(column, at)[at])

    @cached_property
    def _usual(self) -> Mapping[Fraction, int]:
        return _usual_quantiles(self.observations.wall_ns)

    @cached_property
    def _usual_attributed(self) -> Mapping[Fraction, int]:
        if self.observations.attributed_ns is self.observations.wall_ns:
            return self._usual
        return _usual_quantiles(self.observations.attributed_ns)


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst of a sample that has several.

    >>> def slowest_burst(sample: LoadSample) -> Burst:
    ...     return max(sample.bursts, key=lambda burst: burst.elapsed_ns)
    """

    answered: int
    """Number of observations."""
    failed: int
    """Number of failed requests."""
    elapsed_ns: int
    """Time from the release of its first requests to its last answer."""


@dataclass(frozen=True, eq=False)
class LoadSample(Sample[None], Generic[Answer_co]):
    """The `Sample` of a burst or an open loop, which has all answers instead of the last one.

    >>> def returned(burst: LoadSample[int]) -> list[int]:
    ...     return [answer for answer in burst.answers if not isinstance(answer, Exception)]
    """

    answers: tuple[Answer_co | Exception, ...] = ()
    """Return values in request order; for a request that raised an exception, the exception."""
    bursts: tuple[Burst, ...] = ()
    """The bursts of a repeated burst, in order; empty for any other load."""

    def without_answers(self) -> LoadSample[Answer_co]:
        """Return the sample without its answers, which may be large."""
        return replace(self, answers=())


@dataclass(frozen=True, eq=False)
class OpenLoopSample(LoadSample[Answer_co]):
    """The `LoadSample` of an open loop, with latencies measured from the intended starts.

    >>> def waited_for_callers_ms(rate: OpenLoopSample[object]) -> float:
    ...     return rate.p99_ms - rate.uncorrected.p99_ms
    """

    uncorrected: Sample[None] = field(kw_only=True)
    """The same requests, measured from when they were actually sent."""


@dataclass(frozen=True, eq=False)
class GrowthSample(Sample[Answer_co]):
    """The `Sample` of a function with its largest input, and how latency grows up to there.

    >>> def is_quadratic(sample: GrowthSample[object]) -> bool:
    ...     return sample.growth is not None and sample.growth > 1.75
    """

    sizes: tuple[int, ...] = ()
    """The sizes that were measured in turns, ascending."""
    log_ratios: tuple[tuple[float, ...], ...] = ()
    """For each size but the smallest: log( latency / latency of the size before it ) by turn."""

    def without_answers(self: GrowthSample[Any]) -> GrowthSample[None]:
        """Return the sample without its answer, which may be large."""
        return replace(self, answer=None)

    @property
    def growth(self) -> float | None:
        """The exponent of the size: 1 if twice the size takes twice as long, 2 if four times.

        None if there were not enough sizes, or nothing was judged.
        """
        judged = self.verdict.growth if self.verdict else None
        return judged.growth if judged else None


@dataclass(frozen=True, eq=False)
class StreamSample(Sample[Answer_co]):
    """The `Sample` of streams, from the start of each call to its last item, and of its stages.

    The answer is the list of the items of the last call.

    >>> def pause_ms(sample: StreamSample[list[str]]) -> float:
    ...     return sample.gap.p95_ms
    """

    clocks: Mapping[str, Sample[None]] = field(default_factory=dict)
    """The samples of stages, by name."""

    @property
    def first(self) -> Sample[None]:
        """From the start of each call to its first item."""
        return self.clocks[FIRST]

    @property
    def within(self) -> bool:
        """Whether all that has limits is *within*, also of its stages."""
        judged = [part for part in self.clocks.values() if part.verdict is not None]
        if self.verdict is None and judged:
            return all(part.within for part in judged)
        return super().within and all(part.within for part in judged)

    @property
    def gap(self) -> Sample[None]:
        """The longest time between two items of each call that has two.

        Raises:
            NothingMeasured: no call had two items.
        """
        if GAP not in self.clocks:
            raise NothingMeasured(f"no call of {self.name!r} had two items, so there is no gap")
        return self.clocks[GAP]

    def without_answers(self: StreamSample[Any]) -> StreamSample[None]:
        """Return the sample without its answer, which may be large."""
        return replace(self, answer=None)


def _usual_quantiles(column: Nanoseconds) -> Mapping[Fraction, int]:
    """Return the usual quantiles from one partial sort, which takes a fifth of a full sort."""
    if not len(column):
        return {}
    usual = (*COLUMNS, MAXIMUM)
    at = [rank(quantile, len(column)) - 1 for quantile in usual]
    ranked = np.partition(column, at)
    return dict(zip(usual, map(int, ranked[at]), strict=True))


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a sample that is being measured, for a progress display."""

    name: str
    observations: Observations
    inconclusive: tuple[Limit, ...]
    elapsed_ns: int
