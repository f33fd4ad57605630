"""Limits that only go down: those that the last runs would have met as well.

Of each budget, the last `RUNS` runs count in which all its samples were *within*, on one kind of
machine. The limits are those that `suggestion` derives from them: the largest of their bounds, plus
a margin. A run on a disturbed machine does not count, since its latencies say less of the code: by
its probe, they may be more than `core.undisturbed.FULL_ARITHMETIC` times those on the machine at
its best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..core.budget import Terms
from ..core.machine_speed import MachineSpeed
from ..core.quantile import parse_quantile
from ..core.record import Artifact, Record
from ..core.undisturbed import FULL_ARITHMETIC
from ..core.verdict import Outcome
from .baseline import kind_of_machine
from .suggestion import MARGIN, machine_of, suggest_for, together

RUNS: Final = 20
"""Runs that a limit is derived from."""
LEAST_RUNS: Final = 5
"""With fewer, a neighbour that stayed for a day would set the limit."""


@dataclass(frozen=True, slots=True)
class Tightened:
    """A limit that the last runs would have met with a margin, although it is lower."""

    budget: str
    quantile: Fraction
    before_ns: int
    after_ns: int
    runs: int


@dataclass(frozen=True, slots=True)
class Ratchet:
    """What the last runs allow to tighten, and why other budgets stay as they are."""

    limits: Sequence[Tightened]
    remarks: Sequence[str]


def ratchet(
    history: Sequence[Artifact], budgets: Mapping[str, Terms], margin: Fraction = MARGIN
) -> Ratchet:
    """Return the limits of a budget file that can be lower, never a higher one.

    Args:
        history: all runs, in order of their start.
        budgets: those of the file, by name.
        margin: share by which a limit is above the bound of its quantile.
    """
    kind = kind_of_machine(history[-1].session) if history else ()
    same = [artifact for artifact in history if kind_of_machine(artifact.session) == kind]
    machine = machine_of(same)
    limits: list[Tightened] = []
    remarks: list[str] = []
    for name, terms in budgets.items():
        held = [records for run in same if (records := _within(run, name))]
        calm = [
            records
            for records in held
            if not any(is_disturbed(record, machine) for record in records)
        ]
        if left_out := len(held) - len(calm):
            remarks.append(f'"{name}": {_runs(left_out)} on a disturbed machine left out')
        if len(calm) < LEAST_RUNS:
            remarks.append(
                f'"{name}" stays as it is: {_runs(len(calm))} within, and it takes {LEAST_RUNS}'
            )
            continue
        limits += _tightened(name, terms, calm[-RUNS:], margin, machine)
    return Ratchet(limits, remarks)


def is_disturbed(record: Record, machine: MachineSpeed | None) -> bool:
    """Whether the machine made calls slower than at its best by more than undisturbed ones vary.

    It slows down only what they compute. The CPU time of the probe says by how much.
    """
    measured = record.measurement
    if machine is None or measured.probe_ns is None:
        return False
    slowness = measured.probe_ns / machine.speed.arithmetic_ns
    on_cpu = 1.0 if measured.cpu_share is None else measured.cpu_share
    return 1 + on_cpu * (slowness - 1) > FULL_ARITHMETIC


def _within(run: Artifact, name: str) -> list[Record]:
    """Return the samples of a budget in a run; none if one of them was not within."""
    records = [
        record
        for record in run.records
        if record.budget_name == name and record.measurement.clock is None
    ]
    return records if all(record.outcome is Outcome.WITHIN for record in records) else []


def _tightened(
    name: str,
    terms: Terms,
    runs: Sequence[Sequence[Record]],
    margin: Fraction,
    machine: MachineSpeed | None,
) -> list[Tightened]:
    records = [record for records in runs for record in records if record.n]
    suggestions = suggest_for(records, margin, machine)
    proposed = together(suggestions) if suggestions else {}
    tightened = []
    for percentile, after_ns in proposed.items():
        quantile = parse_quantile(percentile)
        before_ns = terms.limits.get(quantile)
        if before_ns is not None and after_ns < before_ns:
            tightened.append(Tightened(name, quantile, before_ns, after_ns, len(runs)))
    return tightened


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
