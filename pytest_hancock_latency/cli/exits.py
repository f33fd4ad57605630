"""Exit codes of the commands that say what artifacts say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.record import Record
from ..errors import ArtifactError

EXCEEDED: Final = 1
USAGE: Final = 2
"""Also where nothing was judged, which is never a pass."""
INCONCLUSIVE: Final = 3


def exit_code_of(records: Sequence[Record], *, strict: bool) -> int:
    """0 within, 1 exceeded, 3 inconclusive where that counts: here, or by the budget itself.

    Raises:
        ArtifactError: nothing was judged.
    """
    outcomes = {record.outcome for record in records}
    if not outcomes - {"not judged"}:
        raise ArtifactError("nothing was judged")
    if "exceeded" in outcomes:
        return EXCEEDED
    counts = any(r.outcome == "inconclusive" and (strict or r.strict) for r in records)
    return INCONCLUSIVE if counts else 0
