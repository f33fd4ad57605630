"""Limits that only go down: those that the last runs would have met as well.

Of each budget, the last `RUNS` runs count in which all its samples were *within*, on one kind of
machine. The limits are those that `suggestion` derives from them: the largest of their bounds, plus
a margin. A run on a disturbed machine does not count, since its latencies say less of the code: its
probe took more than `core.undisturbed.FULL_ARITHMETIC` times what the machine takes at its best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..core.budget import Terms
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
    limits: list[Tightened] = []
    remarks: list[str] = []
    disturbed = [run for run in same if is_disturbed(run, same)]
    if disturbed:
        remarks.append(f"{_runs(len(disturbed))} on a disturbed machine left out")
    counted = [run for run in same if run not in disturbed]
    for name, terms in budgets.items():
        runs = [records for run in counted if (records := _within(run, name))][-RUNS:]
        if len(runs) < LEAST_RUNS:
            remarks.append(
                f'"{name}" stays as it is: {_runs(len(runs))} within, and it takes {LEAST_RUNS}'
            )
            continue
        limits += _tightened(name, terms, runs, margin, counted)
    return Ratchet(limits, remarks)


def is_disturbed(run: Artifact, others: Sequence[Artifact]) -> bool:
    """Whether the machine was slower than at its best by more than undisturbed calls vary."""
    machine = machine_of(others)
    probes_ns = [
        record.measurement.probe_ns
        for record in run.records
        if record.measurement.probe_ns is not None
    ]
    if machine is None or not probes_ns:
        return False
    return max(probes_ns) > FULL_ARITHMETIC * machine.speed.arithmetic_ns


def _within(run: Artifact, name: str) -> list[Record]:
    """Return the samples of a budget in a run; none if one of them was not within."""
    records = [record for record in run.records if record.budget_name == name]
    return records if all(record.outcome is Outcome.WITHIN for record in records) else []


def _tightened(
    name: str,
    terms: Terms,
    runs: Sequence[Sequence[Record]],
    margin: Fraction,
    counted: Sequence[Artifact],
) -> list[Tightened]:
    records = [
        record
        for records in runs
        for record in records
        if record.n and record.measurement.clock is None
    ]
    suggestions = suggest_for(records, margin, machine_of(counted))
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
