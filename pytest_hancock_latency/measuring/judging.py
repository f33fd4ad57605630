"""The verdict on everything that was seen."""

from __future__ import annotations

from ..core.judge import Judge
from ..core.sample import Observations
from ..core.verdict import Verdict


def judged(judge: Judge | None, seen: Observations, failed: int, elapsed_ns: int) -> Verdict | None:
    """The verdict on everything seen; None without a budget."""
    if judge is None:
        return None
    judge.look(seen, failed)  # what came after the last look counts as well
    return judge.verdict(seen, failed, elapsed_ns)
