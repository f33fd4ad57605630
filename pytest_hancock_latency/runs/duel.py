"""The duel: whether one version of the code is slower than another, from passes of both in turns.

One pass is a fresh pair of processes, and gives one number for each sample:

    x = log( head's attributed latency / base's ), the mean over the middle half of its turns

Two processes of *identical* code differ by about 1 %, and now and then by 10 %, however many calls
each of them makes. So calls prove nothing, and passes are the independent units. Over passes, log
M_n(μ0) is the evidence against a mean μ0 of x (`core.evidence_of_mean`), and S the sum of x − μ0:

    slower      log M_n(log 1.02) ≥ log(samples / 0.01)  and S > 0    slower by more than 2 %
    faster      the mirror image                                      faster by more than 2 %
    not slower  log M_n(log 1.05) ≥ log(1 / 0.05)        and S < 0    slower by less than 5 %
    inconclusive  none of them, after the last pass

A pass that is far from the median of all of them is moved closer before that: see `FARTHEST`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import exp, fsum, log, log1p, sqrt
from statistics import median
from typing import Final

from ..core.evidence import ALPHA_BUILD, ALPHA_WITHIN
from ..core.evidence_of_mean import (
    LEAST_VALUES,
    MIXTURE_PRECISION,
    interval_of_mean,
    log_evidence_of_mean,
)
from ..core.quantile import format_percent
from ..core.verdict import ExitCode, Outcome
from ..errors import SettingError

FARTHEST: Final = 0.07
"""A pass whose log ratio is farther than this from the median of all passes counts as if it was
this far. Processes of identical code differ by 1 to 3 %, so it touches only passes in which
something went wrong: one that was off by 43 % hid a change of 5 % in 29 others. Chosen by
simulation: with 0.15, one such pass in 25 still hides 5 % among 200 samples in a third of duels."""
SPREADS: Final = 3.0
"""It is at least this many times the spread of the passes, so that noise is not taken for outliers:
cutting off most of it would make the mean look more certain than it is."""
MAD_OF_NORMAL: Final = 0.6745
"""Median absolute deviation of normal noise with a standard deviation of 1."""
MOST_PASSES: Final = 30
INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C ended, by the convention of shells."""


class DuelOutcome(StrEnum):
    """What a duel shows about the change of a latency, from worst to best."""

    SLOWER = "slower"
    INCONCLUSIVE = Outcome.INCONCLUSIVE.value
    NOT_SLOWER = "not slower"
    FASTER = "faster"

    @property
    def rank(self) -> int:
        """0 for the worst outcome."""
        return list(DuelOutcome).index(self)


@dataclass(frozen=True, slots=True)
class DuelRule:
    """The settings of a duel, for one of its samples.

    Invariants: 0 ≤ noise threshold < equivalence margin < 1, at least one sample is compared, at
    least two passes.

    Raises:
        SettingError: an invariant does not hold.
    """

    noise_threshold: Fraction = Fraction(2, 100)
    """Smallest change that is reported as *slower* or *faster*. Identical code can differ by 2 % on
    a bad day."""
    equivalence_margin: Fraction = Fraction(5, 100)
    """Largest slowdown that still counts as *not slower*."""
    regression: Fraction | None = None
    """Slowdown that the sample's budget allows; replaces the noise threshold of *slower*."""
    compared: int = 1
    """Number of samples in the duel. They share the chance that any is called slower by chance."""
    passes: int = MOST_PASSES
    """Maximum number of passes."""
    mixture_precision: float = MIXTURE_PRECISION

    def __post_init__(self) -> None:
        if not 0 <= self.noise_threshold < self.equivalence_margin < 1:
            raise SettingError(
                f"the noise threshold ({format_percent(self.noise_threshold)} %) must be less than "
                f"the equivalence margin ({format_percent(self.equivalence_margin)} %), and both "
                "must be at least 0 % and below 100 %"
            )
        if self.compared < 1 or self.passes < LEAST_VALUES:
            raise SettingError(
                f"a duel of {self.compared} samples in at most {self.passes} passes: "
                f"at least 1 sample and {LEAST_VALUES} passes are needed"
            )

    @property
    def slower_above(self) -> float:
        """Log ratio above which a sample is slower."""
        return log1p(self.noise_threshold if self.regression is None else self.regression)

    @property
    def faster_below(self) -> float:
        """Log ratio below which a sample is faster."""
        return -log1p(self.noise_threshold)

    @property
    def not_slower_below(self) -> float:
        """Log ratio below which a sample is not slower."""
        if self.regression is None:
            return log1p(self.equivalence_margin)
        return log1p(self.regression + self.equivalence_margin - self.noise_threshold)

    @property
    def evidence_for_slower(self) -> float:
        """Log evidence needed to show *slower* or *faster*: a chance of 1 % over all samples."""
        return log(self.compared / ALPHA_BUILD)

    @property
    def evidence_for_not_slower(self) -> float:
        """Log evidence needed to show *not slower*: a chance of 5 % for each sample."""
        return -log(ALPHA_WITHIN)


@dataclass(frozen=True, slots=True)
class DuelVerdict:
    """What the passes of one sample show."""

    outcome: DuelOutcome
    passes: int
    """Number of passes that decided; later ones do not count."""
    ratio: float
    """Head's latency divided by base's: the geometric mean over the passes, outliers restrained."""
    low: float
    high: float
    """The interval of the ratio, at the level that decided; 0 and infinity if unknown.

    It does not contain the margin beyond which the outcome was shown.
    """
    settled: bool
    """Whether further passes would change nothing."""


@dataclass(frozen=True, slots=True)
class DueledSample:
    """One sample of a duel."""

    title: str
    quantile: Fraction
    """Quantile of a version's latencies in one pass; usually the median."""
    verdict: DuelVerdict
    rule: DuelRule
    base_ns: float
    """Median over the passes of attributed latency at the quantile."""
    head_ns: float
    log_ratios: tuple[float, ...]
    """Log ratio of each pass, in order."""


@dataclass(frozen=True, slots=True)
class Duel:
    """The result of a duel."""

    base: str
    head: str
    samples: tuple[DueledSample, ...]
    left_out: Mapping[str, str]
    """Why a sample was not compared, by its title."""
    remarks: tuple[str, ...]
    """What went wrong while a version ran."""
    passes: int
    elapsed_s: float
    rule: DuelRule = DuelRule()
    """The rule for samples whose budget allows no regression."""
    is_interrupted: bool = False
    """Whether Ctrl-C stopped it early."""

    @property
    def worst_first(self) -> list[DueledSample]:
        """The samples sorted by outcome, and then by ratio."""
        return sorted(self.samples, key=lambda s: (s.verdict.outcome.rank, -s.verdict.ratio))

    def exit_code(self, *, no_fail: bool = False, strict: bool = False) -> int:
        """Return the exit code.

        Args:
            no_fail: Whether to return 0 if a sample is slower.
            strict: Whether to return 3 if a sample is inconclusive.
        """
        if self.is_interrupted:
            return INTERRUPTED
        if self.count(DuelOutcome.SLOWER) and not no_fail:
            return ExitCode.EXCEEDED
        if self.count(DuelOutcome.INCONCLUSIVE) and strict:
            return ExitCode.INCONCLUSIVE
        return ExitCode.HELD

    def count(self, outcome: DuelOutcome) -> int:
        """Return how many samples have this outcome."""
        return sum(sample.verdict.outcome is outcome for sample in self.samples)


@dataclass(frozen=True, slots=True)
class DuelProgress:
    """How far a duel has come after a pass."""

    passes: int
    settled: int
    compared: int
    elapsed_s: float
    left_s: float
    """Expected time to the end, if the next passes are like those so far."""


def log_ratio_of_turns(base_ns: Sequence[float], head_ns: Sequence[float]) -> float:
    """Return log( head / base ) of one pass: the interquartile mean over its pairs of turns.

    A pair shares whatever the machine did meanwhile, so its ratio has less noise than the ratio of
    two medians over all turns. The mean of the middle half ignores pairs of which one turn was
    disturbed, and wastes less than the median.

    Args:
        base_ns: Latency of each turn of base.
        head_ns: Latency of each turn of head, pair by pair.
    """
    ratios = sorted(log(head / base) for base, head in zip(base_ns, head_ns, strict=True))
    outer = len(ratios) // 4
    middle = ratios[outer : len(ratios) - outer]
    return fsum(middle) / len(middle)


def judge_duel(values: Sequence[float], rule: DuelRule, *, ended: bool = False) -> DuelVerdict:
    """Judge the passes of one sample: the earliest passes that show something decide.

    Args:
        values: Log ratio of each pass, in order; passes beyond the rule's maximum are ignored.
        rule: The rule for this sample.
        ended: Whether there will be no more passes, although the rule allows them.
    """
    most = min(len(values), rule.passes)
    for n in range(LEAST_VALUES, most + 1):
        is_last = n == rule.passes or (ended and n == most)
        counted = _restrained(values[:n])
        outcome = _shown(counted, rule, is_last=is_last)
        if outcome is not None:
            return _verdict(counted, rule, outcome, settled=True)
    settled = ended or most == rule.passes
    counted = _restrained(values[:most])
    return _verdict(counted, rule, DuelOutcome.INCONCLUSIVE, settled=settled)


def passes_to_settle(values: Sequence[float], rule: DuelRule) -> int:
    """Return how many passes settle a sample if the mean and the spread stay as they are.

    Args:
        values: Log ratio of each pass so far.
        rule: The rule for this sample.
    """
    n = len(values)
    if n < LEAST_VALUES:
        return rule.passes
    # Repeating them would keep mean and spread, but only for multiples of n: two points do for any.
    values = _restrained(values)
    mean = fsum(values) / n
    spread = sqrt(fsum((value - mean) ** 2 for value in values) / n)
    for count in range(n + 1, rule.passes):
        repeated = [mean + spread, mean - spread] * (count // 2) + [mean] * (count % 2)
        if _shown(repeated, rule, is_last=False) is not None:
            return count
    return rule.passes


def _restrained(values: Sequence[float]) -> list[float]:
    """Return the values without gross outliers: see `FARTHEST`."""
    if not values:
        return []
    middle = median(values)
    spread = median(abs(value - middle) for value in values) / MAD_OF_NORMAL
    farthest = max(FARTHEST, SPREADS * spread)
    return [middle + max(-farthest, min(farthest, value - middle)) for value in values]


def _shown(values: Sequence[float], rule: DuelRule, *, is_last: bool) -> DuelOutcome | None:
    mean = fsum(values) / len(values)

    def is_shown(margin: float, enough: float) -> bool:
        return log_evidence_of_mean(values, margin, rule.mixture_precision) >= enough

    if mean > rule.slower_above and is_shown(rule.slower_above, rule.evidence_for_slower):
        return DuelOutcome.SLOWER
    if mean < rule.faster_below and is_shown(rule.faster_below, rule.evidence_for_slower):
        return DuelOutcome.FASTER
    # A sample that may yet be shown to be faster goes on.
    if not is_last and mean <= rule.faster_below:
        return None
    margin = rule.not_slower_below
    if mean < margin and is_shown(margin, rule.evidence_for_not_slower):
        return DuelOutcome.NOT_SLOWER
    return None


def _verdict(
    values: Sequence[float], rule: DuelRule, outcome: DuelOutcome, *, settled: bool
) -> DuelVerdict:
    # Where nothing is shown, the wider of both intervals reaches over both margins.
    is_not_slower = outcome is DuelOutcome.NOT_SLOWER
    enough = rule.evidence_for_not_slower if is_not_slower else rule.evidence_for_slower
    low, high = interval_of_mean(values, enough, rule.mixture_precision)
    n = len(values)
    ratio = exp(fsum(values) / n) if n else 1.0
    return DuelVerdict(outcome, n, ratio, exp(low), exp(high), settled)
