"""The counts of imported requests, by name, and the records judged from them.

A name has a histogram of its latencies and, if the file has times, the counts of each window of
250 ms, so that a single stall can be told from slow code. Nothing is known about the machine:
attributed latency is raw latency, and *exceeded* may be the fault of the machine or of the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..core.advice import Advice
from ..core.budget import Terms
from ..core.histogram import Histogram
from ..core.judging.counts import RunningTally, Tally, add_counts, judge_counts
from ..core.judging.sequential import DELETION_WINDOW_NS, Policy
from ..core.judging.verdict import Verdict
from ..core.pattern import MOST_NAMES, OTHERS, first_match, narrowest_first
from ..core.quantile import COLUMNS, MAXIMUM, label
from ..core.record import Record, bounds_in_histograms, quantiles_of
from ..core.sample import Measurement
from ..errors import BudgetError
from .formats import Requests

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds

UNATTRIBUTED: Final = Advice.of("imported")
_LEAST: Final = 50
"""Minimum number of observations for *within*, as in a test."""
_COUNTED_AT_ONCE: Final = 262_144
"""Latencies of a name that are counted together: most of them then share buckets."""
_WINDOWS_PER_S: Final = 1e9 / DELETION_WINDOW_NS


@dataclass(slots=True)
class _Named:
    """Requests of one name."""

    terms: Terms | None
    tally: RunningTally
    untimed: dict[int, int] | None = None
    """Latencies by bucket, of requests without a start; None if they have one."""
    waiting: list[tuple[Nanoseconds, Nanoseconds | None]] = field(default_factory=list)
    """Latencies, and their windows, that are not counted yet."""
    waiting_count: int = 0

    def add(self, latencies_ns: Nanoseconds, windows: Nanoseconds | None) -> None:
        """Add latencies; windows: None if their start is unknown."""
        self.waiting.append((latencies_ns, windows))
        self.waiting_count += len(latencies_ns)
        if self.waiting_count >= _COUNTED_AT_ONCE:
            self.count()

    def count(self) -> None:
        """Count what is waiting."""
        import numpy as np

        if not self.waiting:
            return
        latencies_ns = np.concatenate([latencies for latencies, _ in self.waiting])
        windows = [windows for _, windows in self.waiting if windows is not None]
        self.waiting, self.waiting_count = [], 0
        if windows:
            self.tally.add_columns(np.concatenate(windows), latencies_ns)
            return
        self.untimed = self.untimed or {}
        add_counts(self.untimed, Histogram.of(latencies_ns).counts)

    @property
    def histogram(self) -> Histogram:
        return self.tally.histogram if self.untimed is None else Histogram(self.untimed)


class _Codes(dict[str, int]):
    """A number for each text, from 0 up."""

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self)
        return code


class Results:
    """Adds up chunks of requests, and judges them."""

    def __init__(self, budgets: Mapping[str, Terms], *, of_all: Terms | None = None) -> None:
        """budgets: by name or pattern. of_all: budget of every name without one."""
        self._budgets = budgets
        self._patterns = narrowest_first(budgets)
        self._of_all = of_all
        self._named: dict[str, _Named] = {}
        self._owner: dict[str, str] = {}
        """The name or pattern that requests of a name count for."""

    def add(self, chunks: Iterable[Requests]) -> None:
        """Add chunks of requests."""
        for chunk in chunks:
            self._add(chunk)

    def _add(self, chunk: Requests) -> None:
        import numpy as np

        numbers, count = _Codes(), len(chunk.names)
        codes = np.fromiter(map(numbers.__getitem__, chunk.names), np.int64, count)
        failed = np.fromiter(map(bool, chunk.failures), np.bool_, count)
        latencies = chunk.latencies_ns.astype(np.int64)
        windows = None
        if chunk.starts_s is not None:
            windows = np.floor(chunk.starts_s * _WINDOWS_PER_S).astype(np.int64)
        for at in np.flatnonzero(failed).tolist():
            window = 0 if windows is None else int(windows[at])
            self._of(chunk.names[at]).tally.add_failures(window, {chunk.failures[at]: 1})
        order = np.argsort(codes, kind="stable")
        order = order[~failed[order]]
        ends = np.searchsorted(codes[order], np.arange(len(numbers)), side="right")
        for name, mine in zip(numbers, np.split(order, ends[:-1]), strict=True):
            if len(mine):
                own_windows = None if windows is None else windows[mine]
                self._of(name).add(latencies[mine], own_windows)

    def _of(self, name: str) -> _Named:
        owner = self._owner.get(name)
        if owner is None:
            owner = self._owner[name] = self._new_owner(name)
        if owner not in self._named:
            terms = self._budgets.get(owner, self._of_all)
            self._named[owner] = _Named(terms, RunningTally(terms.budget().limits if terms else ()))
        return self._named[owner]

    def _new_owner(self, name: str) -> str:
        if name in self._budgets:
            return name
        pattern = first_match(self._patterns, name)
        if pattern is not None:
            return pattern
        return name if len(self._named) < MOST_NAMES else OTHERS

    def records(self) -> list[Record]:
        """Return a record for each name, in alphabetical order."""
        for named in self._named.values():
            named.count()
        return [self._record(name, named) for name, named in sorted(self._named.items())]

    def _record(self, name: str, named: _Named) -> Record:
        histogram, verdict, why = named.histogram, None, None
        try:
            verdict = self._verdict(named)
        except BudgetError as error:
            why = str(error)
        if verdict is None:
            why = why or "no budget with its name"
        quantiles = sorted(quantiles_of(verdict) if verdict else {*COLUMNS, MAXIMUM})
        quantiles_ns = (
            {label(q): histogram.quantile_ns(q) for q in quantiles} if histogram.n else {}
        )
        tally = named.tally
        return Record(
            test=name,
            name="",
            n=histogram.n,
            failures=dict(sorted(tally.failures.items())),
            quantiles_ns=quantiles_ns,
            attributed_quantiles_ns=dict(quantiles_ns),
            bounds_ns=bounds_in_histograms(quantiles, histogram, histogram) if histogram.n else {},
            histogram=histogram,
            timeline=tally.timeline() if named.untimed is None else None,
            budget_name=name if name in self._budgets else None,
            verdict=verdict,
            not_judged=why,
            strict=bool(named.terms and named.terms.strict),
            measurement=Measurement(
                loop="imported",
                bracket=False,
                why_no_bracket="it was measured by another tool",
                elapsed_ns=tally.elapsed_ns if named.untimed is None else 0,
                started_unix_s=tally.started_unix_s if named.untimed is None else None,
                ended_unix_s=tally.ended_unix_s if named.untimed is None else None,
                advice=(UNATTRIBUTED,),
            ),
        )

    def _verdict(self, named: _Named) -> Verdict | None:
        if named.terms is None:
            return None
        terms = named.terms.without_rps()
        policy = Policy(least=terms.samples or _LEAST, gates=max(1, len(self._named)))
        tally = named.tally.tally()
        if named.untimed is not None:
            histogram = named.histogram
            tally = Tally(raw=histogram, attributed=histogram, failed=tally.failed)
        return judge_counts(tally, terms.budget(), policy)
