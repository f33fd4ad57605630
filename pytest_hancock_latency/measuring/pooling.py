"""Putting a sample together with an earlier one of the same request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..core.judging.sequential import DELETION_WINDOW_NS
from ..core.sample import Observations, Sample
from .judging import judged
from .loads import JudgeOf


def pooled(earlier: Sample, later: Sample, judge_of: JudgeOf) -> Sample:
    """Both samples as one, judged anew."""
    import numpy as np

    a, b = earlier.observations, later.observations
    before = earlier.measurement.elapsed_ns
    elapsed = before + later.measurement.elapsed_ns
    seen = Observations(
        np.concatenate([a.wall_ns, b.wall_ns]),
        np.concatenate([a.attributed_ns, b.attributed_ns]),
        np.concatenate([a.start_ns, b.start_ns + before]),
    )
    failures = Counter(earlier.failures) + Counter(later.failures)
    judge = judge_of(len(seen), DELETION_WINDOW_NS)
    return replace(
        later,
        observations=seen,
        failures=dict(failures),
        verdict=judged(judge, seen, failures.total(), elapsed),
        collections_ns=(*earlier.collections_ns, *(before + at for at in later.collections_ns)),
        measurement=replace(later.measurement, elapsed_ns=elapsed),
    )
