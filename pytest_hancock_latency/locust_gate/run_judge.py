"""All counts of a run by the name of the request, and the records that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.advice import Advice
from ..core.budget import Terms
from ..core.duration import NS_PER_S
from ..core.histogram import Histogram, index_of
from ..core.judging.counts import RunningTally, judge_histogram
from ..core.judging.guide import ACCEPTABLE, INVESTIGATE, judge_by_guide
from ..core.judging.sequential import DELETION_WINDOW_NS, Policy
from ..core.judging.throughput_trend import Steady, judge_pace
from ..core.judging.verdict import Verdict
from ..core.quantile import P99, label
from ..core.record import Record, bounds_of, quantiles_of
from ..core.sample import Measurement
from .diagnosis import about_omission, about_send_lag
from .listener import Counted, label_of
from .participants import Participant

_LEAST: Final = 50
_GUIDE_LIMITS: Final = (*ACCEPTABLE.limits, *INVESTIGATE.limits)


@dataclass(frozen=True, slots=True)
class Load:
    """What is known about the load of a run so far."""

    steady_from: int | None = None
    """First window after the ramp-up; None before it."""
    until: int = 0
    """The window after the last complete one."""
    users: int = 0
    participants: tuple[Participant, ...] = ()
    advice: tuple[Advice, ...] = ()
    """What is to be said of every record."""


@dataclass(slots=True)
class _Kind:
    """One kind of request."""

    tally: RunningTally
    send_lags: dict[int, int] = field(default_factory=dict)

    @property
    def loop(self) -> str:
        return "open" if self.send_lags else "closed"


class Totals:
    """Adds up what every process counted."""

    def __init__(self, budgets: Mapping[str, Terms], *, strict: bool = False) -> None:
        self._budgets = budgets
        self._strict = strict
        self._kinds: dict[str, _Kind] = {}
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

    def add(self, counted: Counted) -> int:
        """Take in an increment; how many requests it has."""
        before = self.requests
        for (method, name, window), counts in counted.latencies.items():
            self._kind(method, name).tally.add(window, counts)
        for (method, name, window), kinds in counted.failures.items():
            self._kind(method, name).tally.add_failures(window, kinds)
        for (method, name, window), lags in counted.send_lags.items():
            if self._forgotten is None or window >= self._forgotten:
                kept = self._kind(method, name).send_lags
                for index, count in lags.items():
                    kept[index] = kept.get(index, 0) + count
        return self.requests - before

    @property
    def requests(self) -> int:
        """All of them, failed ones too."""
        return sum(kind.tally.requests for kind in self._kinds.values())

    def records(self, load: Load) -> list[Record]:
        """A judged record for each name, in alphabetical order."""
        kinds = sorted(self._kinds.items())
        return [self._record(name, kind, load) for name, kind in kinds if kind.tally.requests]

    def _kind(self, method: str, name: str) -> _Kind:
        label_ = label_of(method, name)
        if label_ not in self._kinds:
            terms = self._budgets.get(label_)
            tally = RunningTally(terms.budget().limits if terms else _GUIDE_LIMITS)
            if self._forgotten is not None:
                tally.forget(self._forgotten)
            self._kinds[label_] = _Kind(tally)
        return self._kinds[label_]

    def _record(self, name: str, kind: _Kind, load: Load) -> Record:
        terms = self._budgets.get(name)
        verdict = self._verdict(kind, terms, load)
        histogram = kind.tally.histogram
        asked = sorted(quantiles_of(verdict)) if histogram.n else []
        quantiles = {label(quantile): histogram.quantile_ns(quantile) for quantile in asked}
        return Record(
            test=name,
            name="",
            n=histogram.n,
            failures=dict(sorted(kind.tally.failures.items())),
            quantiles_ns=quantiles,
            attributed_quantiles_ns=dict(quantiles),
            bounds_ns=bounds_of(asked, histogram, histogram),
            histogram=histogram,
            timeline=kind.tally.timeline(),
            budget_name=terms.budget_name if terms else None,
            verdict=verdict,
            strict=self._is_strict(terms),
            measurement=_measurement(kind, histogram, load),
            workers=max(1, sum(who.requests > 0 for who in load.participants)),
        )

    def _verdict(self, kind: _Kind, terms: Terms | None, load: Load) -> Verdict:
        least = terms.samples if terms and terms.samples else _LEAST
        policy = Policy(least=least, gates=len(self._kinds))
        tally = kind.tally.tally()
        if terms is not None:
            return judge_histogram(tally, terms.budget(), policy)
        if load.steady_from is None:
            return judge_by_guide(tally, policy)
        counts = kind.tally.per_window
        steady = Steady(counts, load.steady_from, load.until, DELETION_WINDOW_NS)
        return judge_by_guide(tally, policy, judge_pace(steady, policy.alpha_exceeded))

    def _is_strict(self, terms: Terms | None) -> bool:
        return self._strict if terms is None or terms.strict is None else terms.strict


def _measurement(kind: _Kind, histogram: Histogram, load: Load) -> Measurement:
    lags = Histogram(kind.send_lags)
    measured = Measurement(
        loop=kind.loop,
        elapsed_ns=kind.tally.elapsed_ns,
        send_lag_ns=lags.quantile_ns(P99) if lags.n else None,
    )
    told = [*load.advice, *about_send_lag(measured.send_lag_ns)]
    if kind.loop == "closed" and histogram.n:
        told += about_omission(histogram, _interval_ns(kind, load.users))
    return replace(measured, advice=tuple(told))


def _interval_ns(kind: _Kind, users: int) -> int:
    """How often one user asks, on average; a little too long where there are stalls."""
    return users * kind.tally.elapsed_ns // max(1, kind.tally.requests)


def rehearse() -> None:
    """Judge something once, so that whatever is loaded for that is loaded before the run."""
    totals = Totals({})
    totals.add(Counted({("GET", "/", 0): {index_of(10 * NS_PER_S): 200}}))
    totals.records(Load())


def exit_code(records: Iterable[Record]) -> int:
    """0 within or inconclusive, 1 exceeded, 2 nothing measured, 3 inconclusive where strict."""
    kept = list(records)
    if any(record.outcome == "exceeded" for record in kept):
        return 1
    if not any(record.n for record in kept):
        return 2
    return 3 if any(record.strict and record.outcome == "inconclusive" for record in kept) else 0
