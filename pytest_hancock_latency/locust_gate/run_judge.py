"""Judges a run: all counts by the name of the request, and a record for each name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.advice import Advice
from ..core.budget import Terms
from ..core.duration import NS_PER_S
from ..core.histogram import Histogram, index_of, middle
from ..core.judging.counts import RunningTally, add_counts, judge_counts
from ..core.judging.guide import ACCEPTABLE, INVESTIGATE, judge_by_guide
from ..core.judging.sequential import DELETION_WINDOW_NS, Policy
from ..core.judging.throughput_limit import judge_rps
from ..core.judging.throughput_trend import Steady, judge_throughput
from ..core.judging.verdict import RpsVerdict, Verdict
from ..core.pattern import breadth, matches
from ..core.quantile import P99, label
from ..core.record import Record, bounds_in_histograms, quantiles_of
from ..core.sample import Measurement
from .diagnosis import about_alike, about_omission, about_send_lag
from .listener import RequestCounts, label_of
from .participants import Added, Participant

_LEAST: Final = 50
"""No *within* before this many observations, as in a test."""
_OF_REQUESTS: Final = re.compile(r"[A-Z*]+ ")
"""How the name of a request's budget begins; the others of the file are those of tests."""
AGGREGATED: Final = "Aggregated"
"""The budget of all requests together, which have this name in Locust's own tables."""
MOST_NAMES: Final = 300
"""Names that are judged apart. More are addresses that should have been grouped, and a table that
nobody reads."""
OTHERS: Final = "(all other names)"
MANY_NAMES: Final = Advice.of("many-names", names=MOST_NAMES)
_SATURATED: Final = 0.99
"""Share of waiting above which it is the answers alone that limit the rate."""
_GUIDE_LIMITS: Final = (*ACCEPTABLE.limits, *INVESTIGATE.limits)


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known about a run so far, beyond its counts."""

    steady_from: int | None = None
    """First window after the ramp-up; None before it."""
    until: int = 0
    """The window after the last complete one."""
    users: int = 0
    participants: tuple[Participant, ...] = ()
    advice: tuple[Advice, ...] = ()
    """Advice on every record."""
    starved: frozenset[int] = frozenset()
    """Windows in which a generator waited for a core: they make nothing exceeded."""
    busy: frozenset[int] = frozenset()
    """Windows in which a generator filled its core: it was too slow for more requests."""


@dataclass(frozen=True, slots=True)
class Span:
    """The windows in which requests of a run can have started."""

    first: int = -(2**62)
    last: int = 2**62

    def clamp(self, window: int) -> int:
        """The window itself, or the edge that a wrong clock has overstepped."""
        return min(max(window, self.first), self.last)


@dataclass(slots=True)
class _RequestKind:
    """One kind of request."""

    tally: RunningTally
    send_lags: dict[int, int] = field(default_factory=dict)

    @property
    def loop(self) -> str:
        return "open" if self.send_lags else "closed"


class RunJudge:
    """Adds up what every process counted, and judges it."""

    def __init__(self, budgets: Mapping[str, Terms], *, strict: bool = False) -> None:
        self._budgets = budgets
        patterns = (name for name in budgets if "*" in name)
        self._patterns = sorted(patterns, key=lambda name: (breadth(name), name))
        self._strict = strict
        self._kinds: dict[str, _RequestKind] = {}
        self._forgotten: int | None = None

    def clear(self) -> None:
        """A test starts."""
        self._kinds, self._forgotten = {}, None

    def forget(self, until: int) -> None:
        """Leave out what began before this window, also what has not arrived yet."""
        self._forgotten = until
        for kind in self._kinds.values():
            kind.tally.forget(until)
            kind.send_lags.clear()

    def add(self, counted: RequestCounts, span: Span = Span()) -> Added:
        """Take in an increment, whose requests started in this span unless a clock is wrong."""
        before, displaced = self.requests, 0
        for (method, name, window), counts in counted.latencies.items():
            at = span.clamp(window)
            displaced += sum(counts.values()) * (at != window)
            for kind in self._kinds_of(method, name):
                kind.tally.add(at, counts)
        for (method, name, window), failed in counted.failures.items():
            at = span.clamp(window)
            displaced += sum(failed.values()) * (at != window)
            for kind in self._kinds_of(method, name):
                kind.tally.add_failures(at, failed)
        for (method, name, window), lags in counted.send_lags.items():
            if self._forgotten is None or span.clamp(window) >= self._forgotten:
                for kind in self._kinds_of(method, name):
                    add_counts(kind.send_lags, lags)
        return Added(self.requests - before, displaced)

    @property
    def requests(self) -> int:
        """All of them, failed ones too."""
        return sum(kind.tally.requests for kind in self._apart)

    @property
    def _apart(self) -> list[_RequestKind]:
        """All kinds of requests, each request in one of them."""
        total = self._kinds.get(AGGREGATED) if AGGREGATED in self._budgets else None
        return [kind for kind in self._kinds.values() if kind is not total]

    def records(self, state: RunState) -> list[Record]:
        """A judged record for each name, in alphabetical order."""
        kinds = sorted(self._kinds.items())
        waiting = self._waiting_share(state) if any(map(_limits_rps, self._budgets.values())) else 1
        alike = about_alike(name for name, _ in kinds if name not in self._budgets)
        return [
            self._record(name, kind, state, waiting, alike.get(name, ()))
            for name, kind in kinds
            if kind.tally.requests
        ]

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Names of budgets of requests that no request has had."""
        return tuple(
            sorted(
                name
                for name in self._budgets
                if name not in self._kinds and _OF_REQUESTS.match(name)
            )
        )

    def _kinds_of(self, method: str, name: str) -> list[_RequestKind]:
        """Where a request counts: with those of its name or pattern, and with all of them."""
        own = self._kind(self._budget_or_own(label_of(method, name)))
        if AGGREGATED not in self._budgets:
            return [own]
        return [own, self._kind(AGGREGATED)]

    def _budget_or_own(self, label_: str) -> str:
        """The budget that a request counts for, else its own name."""
        if label_ == AGGREGATED and AGGREGATED in self._budgets:
            return OTHERS  # a request of this very name
        if label_ in self._budgets or label_ in self._kinds:
            return label_
        pattern = next((each for each in self._patterns if matches(each, label_)), None)
        if pattern is not None:
            return pattern
        return label_ if len(self._kinds) < MOST_NAMES else OTHERS

    def _kind(self, label_: str) -> _RequestKind:
        if label_ not in self._kinds:
            terms = self._budgets.get(label_)
            tally = RunningTally(terms.budget().limits if terms else _GUIDE_LIMITS)
            if self._forgotten is not None:
                tally.forget(self._forgotten)
            self._kinds[label_] = _RequestKind(tally)
        return self._kinds[label_]

    def _waiting_share(self, state: RunState) -> float:
        """Share of the time of all users in which they waited for answers, those of failures not.

        1 where it is not known, so that it limits no rate.
        By Little's law: answers a second, times how long one takes, are users that wait.
        """
        tallies = [kind.tally for kind in self._apart if kind.loop == "closed"]
        windows = [window for tally in tallies for window in tally.per_window]
        if not windows or not state.users:
            return 1.0
        elapsed_ns = (max(windows) - min(windows) + 1) * DELETION_WINDOW_NS
        waited_ns = sum(
            middle(index) * count
            for tally in tallies
            for index, count in tally.histogram.counts.items()
        )
        return waited_ns / (elapsed_ns * state.users)

    def _record(
        self,
        name: str,
        kind: _RequestKind,
        state: RunState,
        waiting: float,
        alike: tuple[Advice, ...],
    ) -> Record:
        terms = self._budgets.get(name)
        verdict = self._verdict(kind, terms, state, waiting)
        histogram = kind.tally.histogram
        quantiles = sorted(quantiles_of(verdict)) if histogram.n else []
        quantiles_ns = {label(q): histogram.quantile_ns(q) for q in quantiles}
        return Record(
            test=name,
            name="",
            n=histogram.n,
            failures=dict(sorted(kind.tally.failures.items())),
            quantiles_ns=quantiles_ns,
            attributed_quantiles_ns=dict(quantiles_ns),
            bounds_ns=bounds_in_histograms(quantiles, histogram, histogram),
            histogram=histogram,
            timeline=kind.tally.timeline(),
            budget_name=terms.budget_name if terms else None,
            verdict=verdict,
            strict=self._is_strict(terms),
            measurement=_measurement(name, kind, histogram, state, alike),
            workers=max(1, sum(participant.requests > 0 for participant in state.participants)),
        )

    def _verdict(
        self, kind: _RequestKind, terms: Terms | None, state: RunState, waiting: float
    ) -> Verdict:
        least = terms.samples if terms and terms.samples else _LEAST
        # A power of two: a new name then seldom changes the evidence tables of all the others.
        gates = 1 << max(0, len(self._kinds) - 1).bit_length()
        policy = Policy(least=least, gates=gates)
        tally = kind.tally.tally(state.starved)
        if terms is not None:
            verdict = judge_counts(tally, terms.budget(), policy)
            return replace(verdict, rps=_judge_rps(kind, terms, policy, state, waiting))
        if state.steady_from is None:
            return judge_by_guide(tally, policy)
        counts = kind.tally.per_window
        steady = Steady(counts, state.steady_from, state.until, DELETION_WINDOW_NS)
        return judge_by_guide(tally, policy, judge_throughput(steady, policy.alpha_exceeded))

    def _is_strict(self, terms: Terms | None) -> bool:
        return self._strict if terms is None or terms.strict is None else terms.strict


def _limits_rps(terms: Terms) -> bool:
    return terms.least_per_s is not None


def _judge_rps(
    kind: _RequestKind, terms: Terms, policy: Policy, state: RunState, waiting: float
) -> RpsVerdict | None:
    """The verdict on the least requests/s, where the terms have them. waiting: as a share."""
    if terms.least_per_s is None:
        return None
    counts = kind.tally.answered_per_window
    begin = state.until if state.steady_from is None else state.steady_from
    steady = Steady(counts, begin, state.until, DELETION_WINDOW_NS)
    reachable = None
    if kind.loop == "closed" and waiting < _SATURATED and steady.length_ns:
        reachable = steady.requests / (steady.length_ns / NS_PER_S) / (1 - waiting)
    return judge_rps(
        steady,
        terms.least_per_s,
        policy,
        policy.alpha_of_part(terms.budget()),
        state.starved | state.busy,
        reachable,
    )


def _measurement(
    name: str,
    kind: _RequestKind,
    histogram: Histogram,
    state: RunState,
    alike: tuple[Advice, ...],
) -> Measurement:
    lags = Histogram(kind.send_lags)
    measured = Measurement(
        loop=kind.loop,
        elapsed_ns=kind.tally.elapsed_ns,
        started_unix_s=kind.tally.started_unix_s,
        ended_unix_s=kind.tally.ended_unix_s,
        send_lag_ns=lags.quantile_ns(P99) if lags.n else None,
    )
    advice = [*state.advice, *about_send_lag(measured.send_lag_ns)]
    if kind.loop == "closed" and histogram.n:
        advice += about_omission(histogram, _interval_ns(kind, state.users))
    if name == OTHERS:
        advice.append(MANY_NAMES)
    advice += alike
    return replace(measured, advice=tuple(advice))


def _interval_ns(kind: _RequestKind, users: int) -> int:
    """How often one user asks, on average; a little too long where there are stalls."""
    return users * kind.tally.elapsed_ns // max(1, kind.tally.requests)


def rehearse() -> None:
    """Judge something once, so that whatever is loaded for that is loaded before the run."""
    run_judge = RunJudge({})
    run_judge.add(RequestCounts({("GET", "/", 0): {index_of(10 * NS_PER_S): 200}}))
    run_judge.records(RunState())
