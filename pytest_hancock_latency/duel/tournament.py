"""Passes until every sample is settled, or until there is no more time for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from statistics import median

from ..core.duration import NS_PER_S
from ..core.judging.duel import Duel, DueledSample, DuelRule, DuelVerdict, judge_duel
from ..errors import DuelError
from .passes import Key, Pass, run_pass
from .sides import Side

IDLE_PASSES = 2
"""Passes in a row without a number for what is not settled, after which more would not help."""


@dataclass
class _Passes:
    """What the passes so far came to."""

    rule: DuelRule
    ratios: dict[Key, list[float]] = field(default_factory=dict)
    medians_ns: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    regressions: dict[Key, Fraction] = field(default_factory=dict)
    left_out: dict[Key, str] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)
    count: int = 0
    idle: int = 0

    def add(self, one: Pass) -> None:
        for key, ratio in one.ratios.items():
            self.ratios.setdefault(key, []).append(ratio)
            self.medians_ns.setdefault(key, []).append(one.medians_ns[key])
        self.regressions |= one.regressions
        self.left_out |= one.left_out
        self.remarks |= one.remarks
        self.count += 1
        self.idle = 0 if one.ratios else self.idle + 1

    def verdict(self, key: Key, *, ended: bool) -> DuelVerdict:
        return judge_duel(self.ratios[key], self.rule_of(key), ended=ended)

    def rule_of(self, key: Key) -> DuelRule:
        compared = max(1, len(self.ratios))
        return replace(self.rule, compared=compared, regression=self.regressions.get(key))

    def settled(self) -> set[Key]:
        return {key for key in self.ratios if self.verdict(key, ended=False).settled}


Progress = Callable[[int, int, int, float], None]
"""Called after each pass: its number, samples settled, samples in all, seconds so far."""


def fight(  # noqa: PLR0913 - each is a word of its own, by name only
    sides: tuple[Side, Side],
    arguments: Sequence[str],
    rule: DuelRule,
    *,
    longest_ns: int | None = None,
    progress: Progress | None = None,
    random: Random | None = None,
) -> Duel:
    """Let both sides take turns, pass after pass.

    arguments: of pytest. rule: of a sample whose budget allows no regression.
    longest_ns: no pass begins after this time.

    Raises:
        DuelError: the first pass had no sample that both sides measured.
    """
    draw = random or Random()
    begin = time.monotonic()
    so_far, settled = _Passes(rule), set[Key]()
    for number in range(1, rule.passes + 1):
        so_far.add(run_pass(sides, arguments, settled, draw))
        if not so_far.ratios:
            raise DuelError(_why_nothing(so_far))
        elapsed_s = time.monotonic() - begin
        settled = so_far.settled()
        if progress:
            progress(number, len(settled), len(so_far.ratios), elapsed_s)
        is_over = longest_ns is not None and elapsed_s * NS_PER_S >= longest_ns
        if len(settled) == len(so_far.ratios) or so_far.idle >= IDLE_PASSES or is_over:
            break
    return Duel(
        base=sides[0].version,
        head=sides[1].version,
        samples=tuple(_sample(so_far, key) for key in so_far.ratios),
        left_out={
            key.title: why for key, why in so_far.left_out.items() if key not in so_far.ratios
        },
        remarks=tuple(so_far.remarks),
        passes=so_far.count,
        elapsed_s=time.monotonic() - begin,
    )


def _sample(so_far: _Passes, key: Key) -> DueledSample:
    medians = so_far.medians_ns[key]
    return DueledSample(
        title=key.title,
        verdict=so_far.verdict(key, ended=True),
        rule=so_far.rule_of(key),
        base_ns=median(base for base, _ in medians),
        head_ns=median(head for _, head in medians),
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
