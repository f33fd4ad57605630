"""Judges a run: counts by request name, with a record for each name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.advice import Advice
from ..core.budget import Terms, of_whole_calls
from ..core.duration import NS_PER_S
from ..core.histogram import Histogram, index_of
from ..core.pattern import AGGREGATED, MOST_NAMES, OTHER_NAMES, first_match, narrowest_first
from ..core.quantile import P99, label
from ..core.record import Record, bounds_in_histograms, quantiles_of
from ..core.sample import Measurement
from ..core.verdict import RpsVerdict, Verdict
from ..judging.counts import RunningTally, Tally, add_counts, judge_counts
from ..judging.deciding import not_within, shows_exceeded
from ..judging.guide import ACCEPTABLE, INVESTIGATE, judge_by_guide
from ..judging.sequential import DELETION_WINDOW_NS, Policy
from ..judging.throughput_limit import judge_rps, reachable_per_s, waiting_share
from ..judging.throughput_trend import Steady, judge_throughput
from .diagnosis import about_alike, about_omission, about_send_lag
from .listener import RequestCounts, label_of
from .participants import Added, Participant

_LEAST_OBSERVATIONS: Final = 50
"""Minimum number of observations for *within*, as in a test."""
_OF_REQUESTS: Final = re.compile(r"[A-Z*]+ ")
"""Start of the name of a request's budget; other budgets in the file are for tests."""
MANY_NAMES: Final = Advice.of("many-names", names=MOST_NAMES)
_GUIDE_LIMITS: Final = (*ACCEPTABLE.limits, *INVESTIGATE.limits)


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run, apart from its counts."""

    steady_from: int | None = None
    """First window after the ramp-up; None before that."""
    until: int = 0
    """The window after the last complete one."""
    users: int = 0
    participants: tuple[Participant, ...] = ()
    advice: tuple[Advice, ...] = ()
    """Advice for all records."""
    starved: frozenset[int] = frozenset()
    """Windows in which a generator, or the server on its machine, waited for a CPU: they cannot
    lead to *exceeded*."""
    busy: frozenset[int] = frozenset()
    """Windows in which a generator fully used its core and could not make more requests."""


@dataclass(frozen=True, slots=True)
class WindowRange:
    """The windows in which requests of a run can have started."""

    first: int = -(2**62)
    last: int = 2**62

    def clamp(self, window: int) -> int:
        """Return the window, or the start or end of the run if a wrong clock put it outside."""
        return min(max(window, self.first), self.last)


@dataclass(slots=True)
class _RequestKind:
    """Requests that are judged together."""

    tally: RunningTally
    send_lags: dict[int, int] = field(default_factory=dict)
    under_load: RunningTally | None = None
    """The part of the tally since the end of the ramp-up, if that may end the run."""

    @property
    def tallies(self) -> tuple[RunningTally, ...]:
        """All of them."""
        return (self.tally,) if self.under_load is None else (self.tally, self.under_load)

    @property
    def loop(self) -> str:
        return "open" if self.send_lags else "closed"


class RunJudge:
    """Adds up the counts of all processes, and judges them."""

    def __init__(self, budgets: Mapping[str, Terms], *, strict: bool = False) -> None:
        self._budgets = budgets = of_whole_calls(budgets)
        self._patterns = narrowest_first(budgets)
        self._strict = strict
        self._kinds: dict[str, _RequestKind] = {}
        self._forgotten: int | None = None
        self._loaded_from: int | None = None

    def clear(self) -> None:
        """Called when a test starts."""
        self._kinds, self._forgotten, self._loaded_from = {}, None, None

    def forget(self, until: int) -> None:
        """Ignore requests that started before this window, even if reported later."""
        self._forgotten = until
        for kind in self._kinds.values():
            for tally in kind.tallies:
                tally.forget(until)
            kind.send_lags.clear()

    def begin_load(self, window: int) -> None:
        """Called at the end of the ramp-up: only what starts from this window on may end the run.

        With fewer users the server is faster, so these requests say little about the load. They
        still count for the verdict.
        """
        self._loaded_from = window
        for name, kind in self._kinds.items():
            kind.under_load = self._tally(name, window)

    def add(self, counted: RequestCounts, windows: WindowRange = WindowRange()) -> Added:
        """Add an increment, whose requests started in these windows unless a clock is wrong."""
        before, displaced = self.requests, 0
        for (method, name, window), counts in counted.latencies.items():
            at = windows.clamp(window)
            displaced += sum(counts.values()) * (at != window)
            for tally in self._tallies_of(method, name):
                tally.add(at, counts)
        for (method, name, window), failed in counted.failures.items():
            at = windows.clamp(window)
            displaced += sum(failed.values()) * (at != window)
            for tally in self._tallies_of(method, name):
                tally.add_failures(at, failed)
        for (method, name, window), lengths in counted.timeouts.items():
            for tally in self._tallies_of(method, name):
                tally.add_timeouts(windows.clamp(window), lengths)
        for (method, name, window), count in counted.unmeasured.items():
            at = windows.clamp(window)
            displaced += count * (at != window)
            for tally in self._tallies_of(method, name):
                tally.add_unmeasured(at, count)
        for (method, name, window), lags in counted.send_lags.items():
            if self._forgotten is None or windows.clamp(window) >= self._forgotten:
                for kind in self._kinds_of(method, name):
                    add_counts(kind.send_lags, lags)
        return Added(self.requests - before, displaced)

    @property
    def requests(self) -> int:
        """Number of requests, including failed ones."""
        return sum(kind.tally.requests for kind in self._apart)

    @property
    def _apart(self) -> list[_RequestKind]:
        """Return all kinds of requests; each request is in exactly one."""
        total = self._kinds.get(AGGREGATED) if AGGREGATED in self._budgets else None
        return [kind for kind in self._kinds.values() if kind is not total]

    def records(self, state: RunState) -> list[Record]:
        """Return a judged record for each name, in alphabetical order."""
        kinds = sorted(self._kinds.items())
        waiting = self._waiting_share(state)
        advice_on_names = about_alike(name for name, _ in kinds if name not in self._budgets)
        return [
            self._record(name, kind, state, waiting, advice_on_names.get(name, ()))
            for name, kind in kinds
            if kind.tally.requests
        ]

    def undecided(self, state: RunState, unfinished: Histogram) -> list[str]:
        """Return the parts of budgets that keep the run from ending.

        Requests without a budget only count where they can fail the run by being inconclusive, or
        where no request has a budget.

        Args:
            unfinished: how long users have been at requests that are not finished. Each of them
                may be of any name.
        """
        has_budgets = any(name in self._budgets for name in self._kinds)
        waiting = self._waiting_share(state)
        return [
            f"{name} {part}"
            for name, kind in sorted(self._kinds.items())
            if kind.tally.requests and (not has_budgets or name in self._budgets or self._strict)
            for part in self._undecided_of(
                kind, self._budgets.get(name), state, waiting, unfinished
            )
        ]

    def _undecided_of(
        self,
        kind: _RequestKind,
        terms: Terms | None,
        state: RunState,
        waiting: float,
        unfinished: Histogram,
    ) -> list[str]:
        """Return the undecided parts, by all requests and by those under the full load.

        Some requests are only made in the ramp-up, by users that begin: these have one verdict.
        """
        if terms is None:
            state = replace(state, steady_from=None)  # the trend of requests/s ends no run
        tallies = [tally.tally(state.starved) for tally in kind.tallies if tally.requests]
        judged, *under_load = (
            self._verdict(kind, replace(tally, unfinished=unfinished), terms, state, waiting)
            for tally in tallies
        )
        if shows_exceeded(judged):
            return []
        parts = [part for verdict in (judged, *under_load) for part in not_within(verdict)]
        return list(dict.fromkeys(parts))

    @property
    def rated(self) -> list[str]:
        """Names of the budgets that limit requests/s."""
        return sorted(name for name, terms in self._budgets.items() if _limits_rps(terms))

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Names of request budgets that no request matched."""
        return tuple(
            sorted(
                name
                for name in self._budgets
                if name not in self._kinds and _OF_REQUESTS.match(name)
            )
        )

    def _tallies_of(self, method: str, name: str) -> list[RunningTally]:
        return [tally for kind in self._kinds_of(method, name) for tally in kind.tallies]

    def _kinds_of(self, method: str, name: str) -> list[_RequestKind]:
        """Return the kinds that a request counts for: its name or pattern, and all requests."""
        own = self._kind(self._budget_or_own(label_of(method, name)))
        if AGGREGATED not in self._budgets:
            return [own]
        return [own, self._kind(AGGREGATED)]

    def _budget_or_own(self, label_: str) -> str:
        """Return the budget that a request counts for, else its own name."""
        if label_ == AGGREGATED and AGGREGATED in self._budgets:
            return OTHER_NAMES  # a request with exactly this name
        if label_ in self._budgets or label_ in self._kinds:
            return label_
        pattern = first_match(self._patterns, label_)
        if pattern is not None:
            return pattern
        return label_ if len(self._kinds) < MOST_NAMES else OTHER_NAMES

    def _kind(self, label_: str) -> _RequestKind:
        if label_ not in self._kinds:
            kind = self._kinds[label_] = _RequestKind(self._tally(label_, self._forgotten))
            if self._loaded_from is not None:
                kind.under_load = self._tally(label_, self._loaded_from)
        return self._kinds[label_]

    def _tally(self, label_: str, begin: int | None) -> RunningTally:
        """Return an empty tally of the requests that start in this window or later."""
        terms = self._budgets.get(label_)
        tally = RunningTally(terms.budget().limits if terms else _GUIDE_LIMITS)
        if begin is not None:
            tally.forget(begin)
        return tally

    def _waiting_share(self, state: RunState) -> float:
        """Return the share of their time that users wait for responses; 1 if it is not needed."""
        if not self.rated:
            return 1.0
        closed = [kind.tally for kind in self._apart if kind.loop == "closed"]
        return waiting_share(closed, state.users)

    def _record(
        self,
        name: str,
        kind: _RequestKind,
        state: RunState,
        waiting: float,
        advice_on_name: tuple[Advice, ...],
    ) -> Record:
        terms = self._budgets.get(name)
        verdict = self._verdict(kind, kind.tally.tally(state.starved), terms, state, waiting)
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
            measurement=_measurement(name, kind, histogram, state, advice_on_name),
            workers=max(1, sum(participant.requests > 0 for participant in state.participants)),
        )

    def _verdict(
        self,
        kind: _RequestKind,
        tally: Tally,
        terms: Terms | None,
        state: RunState,
        waiting: float,
    ) -> Verdict:
        least_observations = terms.samples if terms and terms.samples else _LEAST_OBSERVATIONS
        # A power of two, so that a new name rarely changes the evidence tables of all others.
        gates = 1 << max(0, len(self._kinds) - 1).bit_length()
        policy = Policy(least=least_observations, gates=gates)
        if terms is not None:
            verdict = judge_counts(tally, terms.budget(), policy)
            return replace(verdict, rps=_judge_rps(kind, terms, policy, state, waiting))
        if state.steady_from is None:
            return judge_by_guide(tally, policy)
        steady = Steady(kind.tally.per_window, state.steady_from, state.until, DELETION_WINDOW_NS)
        return judge_by_guide(tally, policy, judge_throughput(steady, policy.alpha_exceeded))

    def _is_strict(self, terms: Terms | None) -> bool:
        return self._strict if terms is None or terms.strict is None else terms.strict


def _limits_rps(terms: Terms) -> bool:
    return terms.least_per_s is not None


def _judge_rps(
    kind: _RequestKind, terms: Terms, policy: Policy, state: RunState, waiting: float
) -> RpsVerdict | None:
    """Return the verdict on minimum requests/s, if limited.

    Args:
        waiting: share of their time that the users wait for responses.
    """
    if terms.least_per_s is None:
        return None
    counts = kind.tally.answered_per_window
    begin = state.until if state.steady_from is None else state.steady_from
    steady = Steady(counts, begin, state.until, DELETION_WINDOW_NS)
    reachable = reachable_per_s(steady, waiting) if kind.loop == "closed" else None
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
    advice_on_name: tuple[Advice, ...],
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
    if kind.tally.unmeasured:
        advice.append(Advice.of("no-latency", requests=kind.tally.unmeasured))
    if name == OTHER_NAMES:
        advice.append(MANY_NAMES)
    advice += advice_on_name
    return replace(measured, advice=tuple(advice))


def _interval_ns(kind: _RequestKind, users: int) -> int:
    """Return the average time between requests of a user; slightly too long with stalls."""
    return users * kind.tally.elapsed_ns // max(1, kind.tally.requests)


def rehearse() -> None:
    """Judge something once, so that everything needed is imported before the run."""
    run_judge = RunJudge({})
    run_judge.add(RequestCounts({("GET", "/", 0): {index_of(10 * NS_PER_S): 200}}))
    run_judge.records(RunState())
