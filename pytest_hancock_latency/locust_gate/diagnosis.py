"""Advice about a load: an overloaded generator, and what a closed loop hides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ..core.advice import Advice
from ..core.duration import NS_PER_MS
from ..core.histogram import Histogram, as_if_open, omitted_requests
from ..core.quantile import P99
from .generator import WINDOWS_PER_S
from .participants import LOCAL, Participant, State

LAG_NS: Final = 50 * NS_PER_MS
"""From this p99 lag on, the measured latencies are those of the generator."""
_BUSY_SHARE: Final = 0.1
_STARVED_S: Final = 1.0
_HIDDEN: Final = 2
_MOST_OMITTED: Final = 200_000
"""More omitted requests are not a stall but a different load, and slow to add up."""


_ALIKE: Final = 20
"""From this number of names that differ only by ids, advise to group them."""
_ID: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|\d+)", re.I)
"""A UUID, a long hexadecimal number, or digits."""


def about_participants(participants: Iterable[Participant]) -> list[Advice]:
    """Return advice for all records about processes that were overloaded, starved or lost."""
    advice, server_starved = [], set[int]()
    for participant in participants:
        server_starved |= participant.strain.server_starved
        local = participant.id == LOCAL
        process = "the load generator" if local else f"worker {participant.id}"
        advice += _about_strain(participant, process)
        if participant.displaced:
            advice.append(
                Advice.of("worker-clock", process=process, requests=participant.displaced)
            )
        if participant.invalid_reports:
            advice.append(
                Advice.of(
                    "worker-invalid",
                    process=process,
                    reports=participant.invalid_reports,
                    why=participant.why_invalid,
                )
            )
        if participant.state is State.LOST:
            advice.append(
                Advice.of(
                    "worker-lost",
                    process=process,
                    requests=participant.requests,
                    last_report_s=participant.last_report_s,
                )
            )
        if participant.state is State.WITHOUT_GATE:
            advice.append(Advice.of("worker-without-gate", process=process))
    if (seconds := len(server_starved) / WINDOWS_PER_S) >= _STARVED_S:
        advice.append(Advice.of("server-starved", seconds=seconds))
    return advice


def _about_strain(participant: Participant, process: str) -> list[Advice]:
    advice, strain = [], participant.strain
    if participant.busy_share >= _BUSY_SHARE:
        advice.append(
            Advice.of(
                "generator-busy",
                process=process,
                busy_seconds=strain.busy_seconds,
                seconds=strain.seconds,
            )
        )
    if participant.starved_s >= _STARVED_S:
        advice.append(
            Advice.of("generator-starved", process=process, seconds=participant.starved_s)
        )
    if participant.greenlet_lag_ns > LAG_NS:
        lag_ns = participant.greenlet_lag_ns
        advice.append(Advice.of("generator-late", process=process, lag_ns=lag_ns))
    return advice


def about_send_lag(lag_ns: int | None) -> list[Advice]:
    """Return advice about an open loop that could not keep its schedule."""
    if lag_ns is None or lag_ns <= LAG_NS:
        return []
    return [Advice.of("saturated-generator", send_lag_ns=lag_ns)]


def about_omission(closed: Histogram, interval_ns: int) -> list[Advice]:
    """Return advice about a closed loop whose stalls are hidden because its users waited.

    Args:
        interval_ns: time between requests of one user.
    """
    omitted = omitted_requests(closed, interval_ns)
    if not 0 < omitted <= _MOST_OMITTED:
        return []
    closed_p99_ns = closed.quantile_ns(P99)
    open_p99_ns = as_if_open(closed, interval_ns).quantile_ns(P99)
    if open_p99_ns < _HIDDEN * closed_p99_ns:
        return []
    return [
        Advice.of(
            "coordinated-omission",
            omitted=omitted,
            closed_p99_ns=closed_p99_ns,
            open_p99_ns=open_p99_ns,
        )
    ]


def about_alike(labels: Iterable[str]) -> Mapping[str, tuple[Advice, ...]]:
    """Return advice on names that differ only by ids, for the first name of each group."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for label in labels:
        parts = _ID.split(label)
        if len(parts) > 1:
            groups.setdefault(tuple(parts[::2]), []).append(label)
    return {
        group[0]: (Advice.of("alike-names", names=len(group), name=_common_name(group)),)
        for group in groups.values()
        if len(group) >= _ALIKE
    }


def _common_name(labels: list[str]) -> str:
    """Return a common name, with ``[id]`` where they differ: ``GET /v1/items/[id]``."""
    columns = zip(*map(_ID.split, labels), strict=True)
    return "".join(part[0] if len(set(part)) == 1 else "[id]" for part in columns)
