"""The counts of imported requests, by name, and the records judged from them.

A name has a histogram of its latencies and, if the file has times, the counts of each window of
250 ms, so that a single stall can be told from slow code. Nothing is known about the machine:
attributed latency is raw latency, and *exceeded* may be the fault of the machine or of the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Final

from ..core.advice import Advice
from ..core.budget import Terms
from ..core.pattern import (
    AGGREGATED,
    MOST_NAMES,
    OTHER_NAMES,
    first_match,
    narrowest_first,
    shortened,
)
from ..core.quantile import COLUMNS, MAXIMUM, label
from ..core.record import Record, bounds_in_histograms, quantiles_of
from ..core.sample import Measurement
from ..core.verdict import Verdict
from ..errors import BudgetError
from ..judging.columns import ColumnTally
from ..judging.counts import judge_counts
from ..judging.sequential import DELETION_WINDOW_NS, Policy
from .layout import Requests

if TYPE_CHECKING:
    from ..core.attribution import Flags, Nanoseconds

UNATTRIBUTED: Final = Advice.of("imported")
LEAST_OBSERVATIONS: Final = 50
"""Minimum number of observations for *within*, as in a test."""
_COUNTED_AT_ONCE: Final = 524_288
"""Latencies that are counted together: most of them then share windows and buckets. Each takes 24
bytes until then."""
_MOST_REMEMBERED: Final = 100_000
"""Names whose budget is remembered; a log may have a different name in every line."""
_COARSEST_NS: Final = 1_000_000
"""Milliseconds, in which most tools write."""
_EARLIEST_S: Final = 1e8
"""Times before this one, in March 1973, are relative to the start of the run, as hey's are."""
_WINDOWS_PER_S: Final = 1e9 / DELETION_WINDOW_NS


class Owners:
    """Finds the budget of a name, and the name or pattern that its requests are judged under."""

    def __init__(self, budgets: Mapping[str, Terms], of_all: Terms | None) -> None:
        """Match names with budgets.

        Args:
            budgets: terms by name or pattern.
            of_all: terms of every name without a budget.
        """
        self._budgets = budgets
        self._patterns = narrowest_first(budgets)
        self._of_all = of_all

    def owner(self, name: str, owners: Collection[str]) -> str:
        """Return what a name is judged under.

        Args:
            owners: names and patterns that other requests are judged under so far.
        """
        if name == AGGREGATED and AGGREGATED in self._budgets:
            return OTHER_NAMES  # requests with exactly this name
        if name in self._budgets:
            return name
        name = shortened(name)
        pattern = first_match(self._patterns, name)
        if pattern is not None:
            return pattern
        return name if name in owners or len(owners) < MOST_NAMES else OTHER_NAMES

    def terms(self, owner: str) -> Terms | None:
        """Return the budget of an owner; None if it has none."""
        return self._budgets.get(owner, self._of_all)

    @property
    def of_the_run(self) -> Terms | None:
        """The budget of all requests together; None if there is none."""
        return self._budgets.get(AGGREGATED, self._of_all)

    def new_group(self, owner: str) -> _Group:
        """Return a group that counts by its own limits, and by those of all requests together."""
        own, whole = self.terms(owner), self.of_the_run
        limits = [limit for terms in (own, whole) if terms for limit in terms.budget().limits]
        return _Group(own, ColumnTally(dict.fromkeys(limits)))


class _Group:
    """Requests of one name, or of all names that match one pattern."""

    def __init__(self, terms: Terms | None, tally: ColumnTally) -> None:
        self.terms = terms
        self.tally = tally


class _Names(dict[str, int]):
    """The number of the name or pattern that requests of a name count for."""

    def __init__(self, owners: Owners) -> None:
        super().__init__()
        self.by_owner: dict[str, _Group] = {}
        self.by_number: list[_Group] = []
        self._numbers: dict[str, int] = {}
        self._owners = owners

    def __missing__(self, name: str) -> int:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        owner = self._owners.owner(name, self.by_owner)
        if owner not in self.by_owner:
            self._numbers[owner] = len(self.by_number)
            self.by_owner[owner] = self._owners.new_group(owner)
            self.by_number.append(self.by_owner[owner])
        number = self[name] = self._numbers[owner]
        return number


class Results:
    """Adds up chunks of requests, and judges them."""

    def __init__(self, budgets: Mapping[str, Terms], *, of_all: Terms | None = None) -> None:
        """Create results without requests.

        Args:
            budgets: terms by name or pattern.
            of_all: terms of every name without a budget.
        """
        self._budgets = budgets
        self._owners = Owners(budgets, of_all)
        self._names = _Names(self._owners)
        self._unknown: dict[str, None] = {}
        """Why it is unknown which requests failed."""
        self._advice: list[Advice] = []
        self._step_ns = _COARSEST_NS
        """Power of ten that divides all latencies so far: 1 000 000 ns for whole milliseconds."""
        self._waiting: list[tuple[Nanoseconds, Nanoseconds, Nanoseconds | None]] = []
        """Numbers of names, latencies and windows that are not counted yet."""
        self._waiting_count = 0

    def add(self, chunks: Iterable[Requests]) -> None:
        """Add chunks of requests, either all or none of which have times."""
        for chunk in chunks:
            self._add(chunk)
            if self._waiting_count >= _COUNTED_AT_ONCE:
                self._count()
        self._count()

    def _add(self, chunk: Requests) -> None:
        import numpy as np

        count = len(chunk.names)
        names = np.fromiter(map(self._names.__getitem__, chunk.names), np.int64, count)
        if chunk.failures_unknown:
            self._unknown[chunk.failures_unknown] = None
        # Rounded: 0.057 s is 57 000 000.000000007 ns in floating point.
        latencies_ns = np.rint(chunk.latencies_ns).astype(np.int64)
        while self._step_ns > 1 and (latencies_ns % self._step_ns).any():
            self._step_ns //= 10
        windows = None
        if chunk.starts_s is not None:
            windows = np.floor(chunk.starts_s * _WINDOWS_PER_S).astype(np.int64)
        if any(chunk.failures):
            failed = np.fromiter(map(bool, chunk.failures), np.bool_, count)
            self._add_failures(names, chunk.failures, windows, failed)
            names, latencies_ns = names[~failed], latencies_ns[~failed]
            windows = None if windows is None else windows[~failed]
        self._waiting.append((names, latencies_ns, windows))
        self._waiting_count += len(names)

    def _add_failures(
        self,
        names: Nanoseconds,
        failures: Sequence[str],
        windows: Nanoseconds | None,
        failed: Flags,
    ) -> None:
        import numpy as np

        kinds: dict[int, Counter[str]] = {}
        reasons = compress(failures, failed.tolist())
        for name, reason in zip(names[failed].tolist(), reasons, strict=True):
            kinds.setdefault(name, Counter())[reason] += 1
        for name, counts in kinds.items():
            own = None if windows is None else windows[np.logical_and(failed, names == name)]
            self._names.by_number[name].tally.add_failures(counts, own)

    def advise(self, advice: Advice) -> None:
        """Add advice on all records."""
        self._advice.append(advice)

    def _count(self) -> None:
        """Count what is waiting."""
        import numpy as np

        if not self._waiting:
            return
        names = np.concatenate([names for names, _, _ in self._waiting])
        latencies_ns = np.concatenate([latencies for _, latencies, _ in self._waiting])
        all_windows = [windows for _, _, windows in self._waiting if windows is not None]
        self._waiting, self._waiting_count = [], 0
        # Integers of 16 bits are sorted in linear time.
        order = np.argsort(
            names.astype(np.min_scalar_type(len(self._names.by_owner))), kind="stable"
        )
        latencies_ns = latencies_ns[order]
        windows = np.concatenate(all_windows)[order] if all_windows else None
        end = 0
        for number, count in enumerate(np.bincount(names).tolist()):
            own = slice(end, end := end + count)
            if count:
                own_windows = None if windows is None else windows[own]
                self._names.by_number[number].tally.add(latencies_ns[own], own_windows)

    def records(self) -> list[Record]:
        """Return a record for each name, in alphabetical order, and one for all together.

        Requests with an id in their names are single ones: alone, none of them can be judged.
        """
        by_owner = sorted(self._names.by_owner.items())
        records = [self._record(name, group) for name, group in by_owner]
        terms = self._terms_of_the_run
        if terms is None:
            return records
        tallies = [group.tally for _, group in by_owner]
        total = _Group(terms, ColumnTally.sum(tallies, terms.budget().limits))
        return [*records, self._record(AGGREGATED, total)]

    @property
    def _terms_of_the_run(self) -> Terms | None:
        """The budget of all requests together, unless they have only one name and its budget."""
        count = len(self._names.by_owner)
        if not count or (count == 1 and AGGREGATED not in self._budgets):
            return None
        return self._owners.of_the_run

    def _record(self, name: str, group: _Group) -> Record:
        tally, verdict, why = group.tally, None, None
        histogram = tally.histogram
        try:
            verdict = self._verdict(group)
        except BudgetError as error:
            why = str(error)
        if verdict is None:
            why = why or "no budget with its name"
        quantiles = sorted(quantiles_of(verdict) if verdict else {*COLUMNS, MAXIMUM})
        quantiles_ns = (
            {label(q): self._as_written(histogram.quantile_ns(q)) for q in quantiles}
            if histogram.n
            else {}
        )
        return Record(
            test=name,
            name="",
            n=histogram.n,
            failures=dict(sorted(tally.failures.items())),
            quantiles_ns=quantiles_ns,
            attributed_quantiles_ns=dict(quantiles_ns),
            bounds_ns=bounds_in_histograms(quantiles, histogram, histogram) if histogram.n else {},
            histogram=histogram,
            timeline=tally.timeline(),
            budget_name=name if name in self._budgets else None,
            verdict=verdict,
            not_judged=why,
            strict=bool(group.terms and group.terms.strict),
            measurement=Measurement(
                loop="imported",
                bracket=False,
                why_no_bracket="it was measured by another tool",
                elapsed_ns=tally.elapsed_ns,
                started_unix_s=_unix_s(tally.started_unix_s),
                ended_unix_s=_unix_s(tally.ended_unix_s),
                advice=(UNATTRIBUTED, *self._advice_on(group)),
            ),
        )

    def _as_written(self, quantile_ns: int) -> int:
        """Return a quantile as a file has it: whole milliseconds are not shown as 12.997."""
        return round(quantile_ns / self._step_ns) * self._step_ns

    def _advice_on(self, group: _Group) -> Iterator[Advice]:
        """Yield what the verdict on a group does not show."""
        yield from self._advice
        for why in self._unknown:
            yield Advice.of("failures-unknown", why=why)
        if group.terms is not None and group.terms.least_per_s is not None:
            yield Advice.of("rps-not-judged", least_per_s=group.terms.least_per_s)

    def _verdict(self, group: _Group) -> Verdict | None:
        if group.terms is None:
            return None
        terms = group.terms.without_rps()
        gates = len(self._names.by_owner) + (self._terms_of_the_run is not None)
        policy = Policy(least=terms.samples or LEAST_OBSERVATIONS, gates=gates)
        return judge_counts(group.tally.tally(), terms.budget(), policy)


def _unix_s(time_s: float | None) -> float | None:
    """Return a time since 1970; None if it is relative to the start of the run."""
    return time_s if time_s is not None and time_s >= _EARLIEST_S else None
