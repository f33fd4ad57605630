"""A duel as JSON, by the published schema `duel.schema.json`.

Format 1, under the rules of the artifact of a session: adding a field is not a breaking change;
renaming, removing or reinterpreting one is, and raises the number. Latencies are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from ..runs.duel import Duel, DueledSample, DuelOutcome
from .json_artifact import artifact_text

FORMAT: Final = 1


def duel_json(duel: Duel, session: Mapping[str, Any]) -> str:
    """Render a duel as JSON.

    Args:
        duel: The duel.
        session: Tool, start, machine, commit and CI run.
    """
    plain = {
        "format": FORMAT,
        "kind": "duel",
        **session,
        "base": duel.base,
        "head": duel.head,
        "passes": duel.passes,
        "elapsed_s": round(duel.elapsed_s, 3),
        "interrupted": duel.is_interrupted,
        "noise_threshold": float(duel.rule.noise_threshold),
        "equivalence_margin": float(duel.rule.equivalence_margin),
        "counts": {outcome.value: duel.count(outcome) for outcome in DuelOutcome},
        "left_out": [{"title": title, "why": why} for title, why in duel.left_out.items()],
        "remarks": list(duel.remarks),
        "samples": [_sample(sample) for sample in duel.worst_first],
    }
    return artifact_text(plain)


def _sample(sample: DueledSample) -> dict[str, Any]:
    verdict, regression = sample.verdict, sample.rule.regression
    return {
        "title": sample.title,
        "quantile": float(sample.quantile),
        "outcome": verdict.outcome.value,
        "ratio": verdict.ratio,
        "low": verdict.low or None,
        "high": verdict.high if isfinite(verdict.high) else None,
        "passes": verdict.passes,
        "base_ns": round(sample.base_ns),
        "head_ns": round(sample.head_ns),
        "regression": None if regression is None else float(regression),
        "log_ratios": list(sample.log_ratios),
    }
