"""Passes until every sample is settled, or until there is no more time for them.

What a pass is depends on what is compared: two versions in pytest (`pytest_pass`) or two servers
(`server_pass`). Each gives the ratios of one pass, by `Key`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
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
"""Names of the sides."""
IDLE_PASSES: Final = 2
"""Passes in a row without a number for any sample that is not settled, after which more of them
would not help."""


class Key(NamedTuple):
    """What is compared: a quantile of a sample, by the id of its test and its name there."""

    test: str
    name: str
    quantile: Fraction = P50

    @property
    def title(self) -> str:
        """The name in reports."""
        title = titled(self.test, self.name)
        return title if self.quantile == P50 else f"{title} {label(self.quantile)}"


@dataclass
class Pass:
    """What one pass measured."""

    ratios: dict[Key, float] = field(default_factory=dict)
    """log( head's latency / base's ) at the quantile of each key that was measured."""
    latencies_ns: dict[Key, tuple[float, float]] = field(default_factory=dict)
    """Base's and head's."""
    regressions: dict[Key, Fraction] = field(default_factory=dict)
    """What budgets allow."""
    left_out: dict[Key, str] = field(default_factory=dict)
    """Why a sample was not measured."""
    remarks: dict[str, None] = field(default_factory=dict)
    """What went wrong on a side; each text once."""


RunPass = Callable[[Container[Key], Random], Pass]
"""Runs both sides once. It gets what is settled, and the source of all that is random."""


@dataclass
class _Passes:
    """What the passes so far measured."""

    rule: DuelRule
    ratios: dict[Key, list[float]] = field(default_factory=dict)
    latencies_ns: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    regressions: dict[Key, Fraction] = field(default_factory=dict)
    left_out: dict[Key, str] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)
    count: int = 0
    idle: int = 0

    def add(self, latest: Pass) -> None:
        for key, ratio in latest.ratios.items():
            self.ratios.setdefault(key, []).append(ratio)
            self.latencies_ns.setdefault(key, []).append(latest.latencies_ns[key])
        self.regressions |= latest.regressions
        self.left_out |= latest.left_out
        self.remarks |= latest.remarks
        self.count += 1
        self.idle = 0 if latest.ratios else self.idle + 1

    def verdict(self, key: Key, *, ended: bool) -> DuelVerdict:
        return judge_duel(self.ratios[key], self.rule_of(key), ended=ended)

    def rule_of(self, key: Key) -> DuelRule:
        regression = self.regressions.get(key._replace(quantile=P50))
        return replace(self.rule, compared=max(1, len(self.ratios)), regression=regression)

    def settled(self) -> set[Key]:
        return {key for key in self.ratios if self.verdict(key, ended=False).settled}

    def more_passes(self, settled: Container[Key]) -> int:
        """How many more passes the sample that needs most of them is expected to need."""
        needed = [
            passes_to_settle(ratios, self.rule_of(key)) - len(ratios)
            for key, ratios in self.ratios.items()
            if key not in settled
        ]
        return max(needed, default=0)


def fight(  # noqa: PLR0913 - all by name but two
    run_pass: RunPass,
    versions: tuple[str, str],
    rule: DuelRule,
    *,
    longest_ns: int | None = None,
    progress: Callable[[DuelProgress], None] | None = None,
    random: Random | None = None,
) -> Duel:
    """Let both sides take turns, pass after pass.

    versions: names of base and head in reports.
    rule: for samples whose budget allows no regression.
    longest_ns: no pass begins after this time.
    progress: called after each pass.

    Ctrl-C ends it, too; what the passes before it measured is not lost.

    Raises:
        KeyboardInterrupt: during the first pass.
        DuelError: the first pass had no sample that both sides measured.
    """
    draw = random or Random()
    begin = time.monotonic()
    so_far, settled = _Passes(rule), set[Key]()
    is_interrupted = False
    try:
        for number in range(1, rule.passes + 1):
            so_far.add(run_pass(settled, draw))
            if not so_far.ratios:
                raise DuelError(_why_nothing(so_far))
            elapsed_s = time.monotonic() - begin
            settled = so_far.settled()
            if progress:
                left_s = so_far.more_passes(settled) * elapsed_s / number
                if longest_ns is not None:
                    left_s = min(left_s, max(0, longest_ns / NS_PER_S - elapsed_s))
                compared = len(so_far.ratios)
                progress(DuelProgress(number, len(settled), compared, elapsed_s, left_s))
            is_over = longest_ns is not None and elapsed_s * NS_PER_S >= longest_ns
            if len(settled) == len(so_far.ratios) or so_far.idle >= IDLE_PASSES or is_over:
                break
    except KeyboardInterrupt:
        if not so_far.count:
            raise
        is_interrupted = True
    return Duel(
        base=versions[0],
        head=versions[1],
        samples=tuple(_sample(so_far, key) for key in so_far.ratios),
        left_out={
            key.title: why for key, why in so_far.left_out.items() if key not in so_far.ratios
        },
        remarks=tuple(so_far.remarks),
        passes=so_far.count,
        elapsed_s=time.monotonic() - begin,
        rule=rule,
        is_interrupted=is_interrupted,
    )


def _sample(so_far: _Passes, key: Key) -> DueledSample:
    latencies: Sequence[tuple[float, float]] = so_far.latencies_ns[key]
    return DueledSample(
        title=key.title,
        quantile=key.quantile,
        verdict=so_far.verdict(key, ended=True),
        rule=so_far.rule_of(key),
        base_ns=median(base for base, _ in latencies),
        head_ns=median(head for _, head in latencies),
        log_ratios=tuple(so_far.ratios[key]),
    )


def _why_nothing(so_far: _Passes) -> str:
    reasons = [
        *so_far.remarks,
        *(f"{key.title}: {why}" for key, why in so_far.left_out.items()),
    ]
    return "nothing was compared: " + (
        "; ".join(reasons) if reasons else "no test on either side uses the sample fixture"
    )
