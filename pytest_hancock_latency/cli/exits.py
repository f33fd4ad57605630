"""Exit codes of the commands that say what artifacts say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.record import Record

EXCEEDED: Final = 1
USAGE: Final = 2
INCONCLUSIVE: Final = 3
NOTHING: Final = USAGE
"""Nothing was judged: never a pass."""


def exit_code_of(records: Sequence[Record], *, strict: bool) -> int:
    """0 within, 1 exceeded, 2 nothing judged, 3 inconclusive where that counts."""
    outcomes = {record.outcome for record in records}
    if "exceeded" in outcomes:
        return EXCEEDED
    if not outcomes & {"within", "inconclusive"}:
        return NOTHING
    return INCONCLUSIVE if strict and "inconclusive" in outcomes else 0
