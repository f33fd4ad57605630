"""Advice about a load: when the generator is what was measured, and what a closed loop hides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..core.advice import Advice
from ..core.duration import NS_PER_MS, format_duration
from ..core.histogram import Histogram, added_requests, as_if_open
from ..core.quantile import P99
from .participants import LOCAL, Participant, State

LAG_NS: Final = 50 * NS_PER_MS
"""A generator that is this late, at p99, is what was measured."""
_BUSY_SHARE: Final = 0.1
_HIDDEN: Final = 2
_MOST_ADDED: Final = 200_000
"""More than these is no stall but another load; adding them up would take long."""


def about_participants(participants: Iterable[Participant]) -> list[Advice]:
    """What is to be said of every record since some process was strained, or got lost."""
    told = []
    for who in participants:
        name = "the load generator" if who.id == LOCAL else f"worker {who.id}"
        told += _about_strain(who, name)
        if who.state is State.LOST:
            told.append(_lost(who, name))
        if who.state is State.WITHOUT_GATE:
            told.append(_without_gate(name))
    return told


def _about_strain(who: Participant, name: str) -> list[Advice]:
    told = []
    if who.busy_share >= _BUSY_SHARE:
        text = (
            f"{name} filled its core in {who.strain.busy_seconds} of {who.strain.seconds} s: "
            "its own queue is in these latencies; spread the users over more workers (--processes)"
        )
        told.append(Advice("generator-busy", text))
    if who.greenlet_lag_ns > LAG_NS:
        text = (
            f"{name} noticed things {format_duration(who.greenlet_lag_ns)} late at p99: "
            "its own queue is in these latencies; give it a core of its own, or fewer users"
        )
        told.append(Advice("generator-late", text))
    return told


def _lost(who: Participant, name: str) -> Advice:
    text = (
        f"{name} was lost: the {who.requests} requests that it had reported until second "
        f"{who.last_report_s:.0f} are counted, what came after is not"
    )
    return Advice("worker-lost", text)


def _without_gate(name: str) -> Advice:
    text = (
        f"{name} sends no histograms, none of its requests is counted: "
        "its locustfile does not import pytest_hancock_latency.locust_gate"
    )
    return Advice("worker-without-gate", text)


def about_send_lag(lag_ns: int | None) -> list[Advice]:
    """What is to be said of an open loop that could not keep its schedule."""
    if lag_ns is None or lag_ns <= LAG_NS:
        return []
    text = (
        f"requests started {format_duration(lag_ns)} late at p99: the generator does not keep the "
        "schedule; the latencies count from it all the same; more workers, or fewer arrivals"
    )
    return [Advice("saturated", text)]


def about_omission(closed: Histogram, interval_ns: int) -> list[Advice]:
    """What is to be said of a closed loop whose stalls hide behind their own users' waiting."""
    added = added_requests(closed, interval_ns)
    if not 0 < added <= _MOST_ADDED:
        return []
    seen, hidden = closed.quantile_ns(P99), as_if_open(closed, interval_ns).quantile_ns(P99)
    if hidden < _HIDDEN * seen:
        return []
    text = (
        f"closed loop: while a user waits for an answer it asks for nothing, so a stall counts "
        f"once for each user; about {added} requests were never sent, and with them p99 would be "
        f"near {format_duration(hidden)} instead of {format_duration(seen)}; OpenLoop measures it"
    )
    return [Advice("coordinated-omission", text)]
