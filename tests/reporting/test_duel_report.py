"""A duel as text."""

from __future__ import annotations

from fractions import Fraction
from math import inf, log
from pathlib import Path

from pytest_hancock_latency.core.judging.duel import (
    Duel,
    DueledSample,
    DuelOutcome,
    DuelRule,
    DuelVerdict,
)
from pytest_hancock_latency.reporting.duel_report import duel_text, progress_text

GOLD = Path(__file__).parent / "artifacts" / "duel.txt"


def sample(
    title: str, outcome: DuelOutcome, ratio: float, edges: tuple[float, float]
) -> DueledSample:
    verdict = DuelVerdict(outcome, 8, ratio, *edges, settled=True)
    return DueledSample(title, verdict, DuelRule(), 1e6, ratio * 1e6, (log(ratio),) * 8)


def test_the_worst_sample_comes_first_with_its_interval_and_the_words_are_explained() -> None:
    allowed = DueledSample(
        "test_a.py::test_post",
        DuelVerdict(DuelOutcome.CANNOT_TELL, 1, 1.2, 0, inf, settled=True),
        DuelRule(regression=Fraction(1, 10)),
        2e6,
        2.4e6,
        (log(1.2),),
    )
    duel = Duel(
        base="main (0123abcde)",
        head="HEAD (4567abcde) with 1 changed file",
        samples=(
            sample("test_a.py::test_fast", DuelOutcome.FASTER, 0.9, (0.88, 0.93)),
            sample("test_a.py::test_same", DuelOutcome.NOT_SLOWER, 1.001, (0.99, 1.03)),
            allowed,
            sample("test_a.py::test_bad", DuelOutcome.SLOWER, 1.06, (1.04, 1.08)),
            sample("test_a.py::test_worse", DuelOutcome.SLOWER, 1.10, (1.05, 1.15)),
        ),
        left_out={"test_a.py::test_load [burst]": "a burst: not measured in turns"},
        remarks=("base was killed by SIGKILL",),
        passes=8,
        elapsed_s=61.3,
    )
    assert GOLD.read_text(encoding="utf-8") == duel_text(duel, DuelRule())


def test_the_progress_says_what_is_left() -> None:
    assert "pass 3: 1 of 5 samples settled, 7 s" == progress_text(3, 1, 5, 7.4)
