"""What a soak has to show: flat memory, no false alarm, every request accounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WARM_UP_S: Final = 11 * 60.0
"""Ids of webhooks are kept for ten minutes, so that memory grows by design until then."""
LEAST_JUDGED_S: Final = 10 * 60.0
"""A slope over less is mostly noise."""
BYTES_PER_HOUR: Final = 4_000_000
"""A leak of 25 bytes per request would be more: a worker answers about 45 per second."""
DESCRIPTORS_PER_HOUR: Final = 6
_SERVED: Final = re.compile(
    r"^hancock_request_duration_seconds_count\{([^}]*)\} (\S+)$", re.MULTILINE
)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Slope:
    """Growth per hour of one figure of one process, by Theil and Sen after the warm-up."""

    process: str
    rss_bytes: float
    descriptors: float
    threads: float


def slopes(rows: Sequence[Mapping[str, Any]], warm_up_s: float = WARM_UP_S) -> list[Slope]:
    """The slopes of every process, of rows with `at_s`, `process` and the fields of a reading."""
    judged = [row for row in rows if row["at_s"] >= warm_up_s]
    return [
        Slope(
            name,
            _per_hour(judged, name, "rss_bytes"),
            _per_hour(judged, name, "descriptors"),
            _per_hour(judged, name, "threads"),
        )
        for name in sorted({row["process"] for row in judged})
    ]


def _per_hour(rows: Iterable[Mapping[str, Any]], process: str, figure: str) -> float:
    import numpy as np

    mine = [row for row in rows if row["process"] == process]
    hours = np.array([row["at_s"] / 3600 for row in mine])
    figures = np.array([row[figure] for row in mine], dtype=float)
    one, other = np.triu_indices(len(mine), 1)
    apart = hours[other] > hours[one]  # the last two readings may share a moment
    one, other = one[apart], other[apart]
    return float(np.median((figures[other] - figures[one]) / (hours[other] - hours[one])))


def served(metrics: str) -> Counter[str]:
    """Requests by outcome from the text of `/metrics`, without `/metrics` itself."""
    counts: Counter[str] = Counter()
    for labels, count in _SERVED.findall(metrics):
        by_name = dict(_LABEL.findall(labels))
        if by_name["route"] != "/metrics":
            counts[f"{by_name['method']} {by_name['route']} {by_name['status']}"] += int(
                float(count)
            )
    return counts


def sent(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Requests by outcome of all clients; paths that are no route count together, as in metrics."""
    total: Counter[str] = Counter()
    for part in parts:
        for outcome, count in part.items():
            total[outcome.replace(" /search ", " unmatched ")] += count
    return total


def differences(clients: Counter[str], server: Counter[str]) -> dict[str, tuple[int, int]]:
    """Outcomes that the clients and the server counted differently, with both counts."""
    return {
        outcome: (clients[outcome], server[outcome])
        for outcome in sorted(clients | server)
        if clients[outcome] != server[outcome]
    }
