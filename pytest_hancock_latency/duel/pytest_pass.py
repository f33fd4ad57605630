"""A pass of pytest: a fresh process of each side, both going through the suite together.

The side that reaches a sample first waits there for the other side. Then both take turns, in an
order that is drawn for each pair of turns. A sample that only one side has is not measured, nor is
one that is settled already. If one side fails, exits early or hangs, the other one goes on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import log
from random import Random
from typing import Final

from ..core.quantile import P50
from ..errors import DuelError
from ..runs.duel import log_ratio_of_turns
from .environments import Environments
from .messages import Measured, Start
from .run_duel import BASE, HEAD, PassResult, RunPass, SampleKey, merge_results
from .side_process import SideProcess, start_process
from .sides import Side, two_sides

USUAL_TURNS: Final = 20
"""Turns of each side at a sample."""
MOST_TURNS: Final = 60
LEAST_TURNS: Final = 5
SHORT_S: Final = 0.5
"""Fast calls get more turns, up to this time: that costs little next to starting the processes."""
LONG_S: Final = 4.0
"""Slow calls get fewer turns beyond this time."""


@dataclass(frozen=True, slots=True)
class PytestPass:
    """Runs the suite once on each side, as often as it is called."""

    sides: tuple[Side, Side]
    """Base and head."""
    arguments: Sequence[str]
    """Arguments of pytest."""
    quantiles: Sequence[Fraction] = (P50,)
    """Quantiles to compare."""

    def __call__(self, settled: Container[SampleKey], random: Random) -> PassResult:
        """Run one pass.

        Args:
            settled: Samples that are not measured any more.
            random: Source of all randomness.
        """
        results: list[PassResult] = []
        with _started(self.sides, self.arguments, random) as (base, head):
            while not (base.has_ended and head.has_ended):
                base.run_to_next_sample()
                head.run_to_next_sample()
                if base.waiting_at is not None and base.waiting_at == head.waiting_at:
                    keys = self._unsettled(base.waiting_at, settled)
                    results.append(_measure(base, head, keys, random))
                else:
                    results.append(self._let_one_go_on(base, head, settled))
            return merge_results([*results, base.reported, head.reported])

    def _let_one_go_on(
        self, base: SideProcess, head: SideProcess, settled: Container[SampleKey]
    ) -> PassResult:
        """Let at least one side skip its sample: both wait at different samples."""
        waiting = [
            (side, other_side, side.waiting_at)
            for side, other_side in ((base, head), (head, base))
            if side.waiting_at is not None
        ]
        missing = [
            (side, other_side, key)
            for side, other_side, key in waiting
            if not other_side.may_reach(key.test)
        ]
        left_out: dict[SampleKey, str] = {}
        for side, other_side, key in missing or waiting[:1]:
            why = f"{other_side.side.name} did not measure it"
            left_out |= dict.fromkeys(self._unsettled(key, settled), why)
            side.skip()
        return PassResult(left_out=left_out)

    def _unsettled(self, sample: SampleKey, settled: Container[SampleKey]) -> list[SampleKey]:
        keys = [sample._replace(quantile=quantile) for quantile in self.quantiles]
        return [key for key in keys if key not in settled]


@contextmanager
def prepare_versions(  # noqa: PLR0913 - all by name but the first three
    base: str,
    arguments: Sequence[str],
    quantiles: Sequence[Fraction] = (P50,),
    *,
    head: str | None = None,
    own_tests: bool = False,
    environments: Environments | None = None,
) -> Iterator[tuple[RunPass, tuple[str, str]]]:
    """Prepare two versions for a duel, and remove them at the end.

    Args:
        base: As in `two_sides`, like all other arguments.
        arguments: Arguments of pytest.
        quantiles: Quantiles to compare.
        head: The version to compare with base.
        own_tests: Whether base runs its own tests.
        environments: How the sides get their packages.

    Returns:
        What runs a pass, and the names of base and head in reports.

    Raises:
        DuelError: A version does not exist, or this is Windows.
    """
    if sys.platform == "win32":  # it hands down no descriptors, and has no file locks
        raise DuelError("a duel of versions needs Linux or macOS")
    with two_sides(
        base, arguments, head=head, own_tests=own_tests, environments=environments
    ) as sides:
        yield PytestPass(sides, arguments, quantiles), (sides[0].version, sides[1].version)


@contextmanager
def _started(
    sides: tuple[Side, Side], arguments: Sequence[str], random: Random
) -> Iterator[tuple[SideProcess, SideProcess]]:
    hash_seed = random.randrange(1, 2**32)
    order = [*sides]
    random.shuffle(order)  # the side that is started first is faster or slower, by up to 1 %
    running: dict[str, SideProcess] = {}
    try:
        for side in order:
            running[side.name] = start_process(side, arguments, hash_seed, os.environ)
        yield running[BASE], running[HEAD]
    finally:
        for process in running.values():
            process.close()


def _measure(
    base: SideProcess, head: SideProcess, keys: Sequence[SampleKey], random: Random
) -> PassResult:
    """Measure a sample at which both sides wait, in turns.

    Args:
        base: Base.
        head: Head.
        keys: The quantiles of the sample that are not settled.
        random: Draws who begins each pair of turns, and where it runs.
    """
    if not keys:
        base.skip()
        head.skip()
        return PassResult()
    _take_turns(base, head, keys, random)
    measured = (base.finish_turns(), head.finish_turns())
    if measured[0] is None or measured[1] is None:
        names = [name for name, part in zip((BASE, HEAD), measured, strict=True) if part is None]
        why = f"{' and '.join(names)} did not finish it"
        return PassResult(left_out=dict.fromkeys(keys, why))
    return _compared(keys, measured[0], measured[1])


def _take_turns(
    base: SideProcess, head: SideProcess, keys: Sequence[SampleKey], random: Random
) -> None:
    start: Start = {
        "type": "start",
        "warmup_ns": min(base.warmup_ns, head.warmup_ns),
        "quantiles": [str(key.quantile) for key in keys],
    }
    # Both get the message even if one has exited: the other one has to go on.
    has_started = [side.send(start) for side in (base, head)]
    if not all(has_started):
        return
    order = [base, head]
    cpus = sorted(set(base.cpus) & set(head.cpus))
    begin, turns = time.monotonic(), 0
    while not _is_enough(turns, time.monotonic() - begin):
        random.shuffle(order)
        cpu = random.choice(cpus) if cpus else None
        if not all(side.take_turn(cpu) for side in order):
            return
        turns += 1


def _is_enough(turns: int, elapsed_s: float) -> bool:
    if elapsed_s > LONG_S:
        return turns >= LEAST_TURNS
    return turns >= (USUAL_TURNS if elapsed_s > SHORT_S else MOST_TURNS)


def _compared(keys: Sequence[SampleKey], base: Measured, head: Measured) -> PassResult:
    latencies = zip(base["latencies_ns"], head["latencies_ns"], strict=True)
    latencies_ns = dict(zip(keys, latencies, strict=True))
    ratios = {key: log(head_ns / base_ns) for key, (base_ns, head_ns) in latencies_ns.items()}
    for key in ratios:
        if key.quantile == P50:
            ratios[key] = log_ratio_of_turns(base["turns_ns"], head["turns_ns"])
    return PassResult(ratios=ratios, latencies_ns=latencies_ns)
