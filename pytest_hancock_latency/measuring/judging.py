"""The verdict on everything that was seen."""

from __future__ import annotations

from ..core.judging.sequential import Judge
from ..core.judging.verdict import Verdict
from ..core.sample import Observations


def judged(judge: Judge | None, seen: Observations, failed: int, elapsed_ns: int) -> Verdict | None:
    """The verdict on everything seen; None without a budget."""
    if judge is None:
        return None
    judge.look(seen, failed)  # what came after the last look counts as well
    return judge.verdict(seen, failed, elapsed_ns)
