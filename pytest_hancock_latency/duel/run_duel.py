"""Runs passes until every sample is settled, or until there is no more time.

What a pass is depends on what is compared: two versions in pytest (`pytest_pass`) or two servers
(`server_pass`). Each returns a `PassResult`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from statistics import median
from typing import Final, NamedTuple

from ..core.duration import NS_PER_S
from ..core.quantile import P50, label
from ..core.record import titled
from ..errors import DuelError
from ..runs.duel import (
    Duel,
    DueledSample,
    DuelProgress,
    DuelRule,
    DuelVerdict,
    judge_duel,
    passes_to_settle,
)

BASE, HEAD = "base", "head"
"""Names of the two sides."""
IDLE_PASSES: Final = 2
"""Number of passes in a row without a measured sample after which more passes would not help."""


class SampleKey(NamedTuple):
    """Identifies what is compared: a quantile of a sample."""

    test: str
    """Node id of the test; the title in a duel of servers."""
    name: str
    """Name of the sample within the test."""
    quantile: Fraction = P50

    @property
    def title(self) -> str:
        """The name in reports."""
        title = titled(self.test, self.name)
        return title if self.quantile == P50 else f"{title} {label(self.quantile)}"


@dataclass(frozen=True, slots=True)
class PassResult:
    """What one pass measured, or a part of it."""

    ratios: Mapping[SampleKey, float] = field(default_factory=dict)
    """log( head's latency / base's ) of each measured sample."""
    latencies_ns: Mapping[SampleKey, tuple[float, float]] = field(default_factory=dict)
    """Latencies of base and head."""
    regressions: Mapping[SampleKey, Fraction] = field(default_factory=dict)
    """Slowdowns that budgets allow."""
    left_out: Mapping[SampleKey, str] = field(default_factory=dict)
    """Why a sample was not measured."""
    remarks: tuple[str, ...] = ()
    """What went wrong on either side; each text once."""


def merge_results(results: Iterable[PassResult]) -> PassResult:
    """Return one result with everything in these; where two have the same key, the later counts."""
    merged = PassResult()
    for result in results:
        merged = PassResult(
            ratios={**merged.ratios, **result.ratios},
            latencies_ns={**merged.latencies_ns, **result.latencies_ns},
            regressions={**merged.regressions, **result.regressions},
            left_out={**merged.left_out, **result.left_out},
            remarks=tuple(dict.fromkeys((*merged.remarks, *result.remarks))),
        )
    return merged


RunPass = Callable[[Container[SampleKey], Random], PassResult]
"""Runs both sides once. Gets the samples that are settled, and the source of all randomness."""


class _PassesSoFar:
    """Adds up what the passes measured."""

    def __init__(self, rule: DuelRule) -> None:
        self.count = 0
        self.idle_count = 0
        """Number of latest passes in a row that measured nothing."""
        self.ratios: dict[SampleKey, list[float]] = {}
        self.left_out: Mapping[SampleKey, str] = {}
        self.remarks: tuple[str, ...] = ()
        self._latencies_ns: dict[SampleKey, list[tuple[float, float]]] = {}
        self._regressions: Mapping[SampleKey, Fraction] = {}
        self._rule = rule

    def add(self, result: PassResult) -> None:
        for key, ratio in result.ratios.items():
            self.ratios.setdefault(key, []).append(ratio)
            self._latencies_ns.setdefault(key, []).append(result.latencies_ns[key])
        self._regressions = {**self._regressions, **result.regressions}
        self.left_out = {**self.left_out, **result.left_out}
        self.remarks = tuple(dict.fromkeys((*self.remarks, *result.remarks)))
        self.count += 1
        self.idle_count = 0 if result.ratios else self.idle_count + 1

    def settled(self) -> set[SampleKey]:
        return {key for key in self.ratios if self._verdict(key, ended=False).settled}

    def more_passes(self, settled: Container[SampleKey]) -> int:
        """Return how many more passes the slowest sample to settle is expected to need."""
        needed = [
            passes_to_settle(ratios, self._rule_of(key)) - len(ratios)
            for key, ratios in self.ratios.items()
            if key not in settled
        ]
        return max(needed, default=0)

    def sample(self, key: SampleKey) -> DueledSample:
        latencies_ns = self._latencies_ns[key]
        return DueledSample(
            title=key.title,
            quantile=key.quantile,
            verdict=self._verdict(key, ended=True),
            rule=self._rule_of(key),
            base_ns=median(base_ns for base_ns, _ in latencies_ns),
            head_ns=median(head_ns for _, head_ns in latencies_ns),
            log_ratios=tuple(self.ratios[key]),
        )

    def why_nothing(self) -> str:
        """Return why there is nothing to compare."""
        left_out = (f"{key.title}: {why}" for key, why in self.left_out.items())
        reasons = "; ".join([*self.remarks, *left_out])
        reasons = reasons or "no test on either side uses the sample fixture"
        return f"nothing was compared: {reasons}"

    def _verdict(self, key: SampleKey, *, ended: bool) -> DuelVerdict:
        return judge_duel(self.ratios[key], self._rule_of(key), ended=ended)

    def _rule_of(self, key: SampleKey) -> DuelRule:
        regression = self._regressions.get(key._replace(quantile=P50))
        return replace(self._rule, compared=max(1, len(self.ratios)), regression=regression)


def run_duel(  # noqa: PLR0913 - all by name but three
    run_pass: RunPass,
    versions: tuple[str, str],
    rule: DuelRule,
    *,
    longest_ns: int | None = None,
    progress: Callable[[DuelProgress], None] | None = None,
    random: Random | None = None,
) -> Duel:
    """Compare two versions, pass after pass, until every sample is settled.

    Ctrl-C ends it too; the passes before it count.

    Args:
        run_pass: Runs both sides once.
        versions: Names of base and head in reports.
        rule: The rule for samples whose budget allows no regression.
        longest_ns: No pass begins after this time.
        progress: Called after each pass.
        random: Source of all randomness.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed during the first pass.
        DuelError: The first pass had no sample that both sides measured.
    """
    random = random or Random()
    begin = time.monotonic()
    so_far = _PassesSoFar(rule)
    settled: set[SampleKey] = set()
    is_interrupted = False
    try:
        while so_far.count < rule.passes:
            so_far.add(run_pass(settled, random))
            if not so_far.ratios:
                raise DuelError(so_far.why_nothing())
            settled = so_far.settled()
            elapsed_s = time.monotonic() - begin
            if progress:
                progress(_progress(so_far, settled, elapsed_s, longest_ns))
            is_late = longest_ns is not None and elapsed_s * NS_PER_S >= longest_ns
            if is_late or len(settled) == len(so_far.ratios) or so_far.idle_count >= IDLE_PASSES:
                break
    except KeyboardInterrupt:
        if not so_far.count:
            raise
        is_interrupted = True
    return Duel(
        base=versions[0],
        head=versions[1],
        samples=tuple(map(so_far.sample, so_far.ratios)),
        left_out={
            key.title: why for key, why in so_far.left_out.items() if key not in so_far.ratios
        },
        remarks=so_far.remarks,
        passes=so_far.count,
        elapsed_s=time.monotonic() - begin,
        rule=rule,
        is_interrupted=is_interrupted,
    )


def _progress(
    so_far: _PassesSoFar, settled: set[SampleKey], elapsed_s: float, longest_ns: int | None
) -> DuelProgress:
    left_s = so_far.more_passes(settled) * elapsed_s / so_far.count
    if longest_ns is not None:
        left_s = min(left_s, max(0, longest_ns / NS_PER_S - elapsed_s))
    return DuelProgress(so_far.count, len(settled), len(so_far.ratios), elapsed_s, left_s)
