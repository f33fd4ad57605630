"""Counts that Prometheus collected, judged by our budgets.

A query returns either native histograms, or the counters of classic buckets with their label
``le``. A verdict needs the number of requests over each limit. A native histogram has it, except
for the bucket that the limit is in, which is narrow and counts against every verdict. A classic
bucket may be wider than the limit itself, so a limit has to be one of the edges.

Evidence is a number of requests, so counts have to be whole. The functions ``rate`` and
``increase`` estimate what was counted between two collections, and return fractions.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

from ..core.budget import Terms
from ..core.duration import format_duration
from ..core.quantile import COLUMNS, MAXIMUM, label, rank
from ..core.record import Record, bounds_at_ranks, quantiles_of
from ..core.sample import FROM_PROMETHEUS, Measurement
from ..core.verdict import LimitVerdict, Outcome, Reason
from ..errors import BudgetError, ImportedFileError
from ..files.input import LARGEST
from ..judging.coarse import Bucket, CoarseHistogram
from ..judging.counts import Tally, judge_counts
from ..judging.sequential import Policy
from .layout import UNITS
from .results import LEAST_OBSERVATIONS, UNATTRIBUTED, Owners

_PATIENCE_S: Final = 60.0
"""How long to wait for an answer: by default, Prometheus gives up after two minutes, and a query
that takes one is too expensive for a gate."""
_EDGE: Final = "le"
_NAME: Final = "__name__"
_NUMBER: Final = re.compile(
    r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE
)
_LONGEST_MESSAGE: Final = 1000
"""Characters of a message, which may repeat labels and errors of the answer."""
_MOST_EDGES: Final = 12
"""Edges shown in a message: as many as the client libraries have by default, about."""


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """What to ask, and where."""

    url: str
    """Of the server, without the path of its API."""
    text: str
    unit: str = "s"
    """Unit of the observed latencies."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request, such as a token."""

    @property
    def shown_url(self) -> str:
        """The URL without a user and password."""
        scheme, _, host = self._parts
        return f"{scheme}{host}"

    def request(self) -> Request:
        """Return the request, with the user and password of the URL.

        Where Prometheus redirects it to gets neither these nor the headers.
        """
        address = f"{self.shown_url.rstrip('/')}/api/v1/query"
        request = Request(address, data=urlencode({"query": self.text}).encode())
        request.add_header("Accept", "application/json")
        _, user, _ = self._parts
        if user:
            encoded = b64encode(unquote(user).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {encoded}")
        for name, value in self.headers.items():
            request.add_unredirected_header(name, value)
        return request

    @property
    def _parts(self) -> tuple[str, str, str]:
        """The scheme, user with password, and the rest; a password may have any character."""
        scheme, slashes, rest = self.url.partition("//")
        if not slashes:
            scheme, rest = "", self.url
        user, _, host = rest.rpartition("@")
        return f"{scheme}{slashes}", user, host


@dataclass(frozen=True, slots=True)
class Series:
    """The buckets of one histogram."""

    name: str
    """The values of its labels, in the order of the labels' names."""
    buckets: tuple[Bucket, ...]
    edges_ns: tuple[Fraction, ...] | None
    """Upper edges of classic buckets; None for a native histogram."""


def prometheus_records(
    query: PrometheusQuery, budgets: Mapping[str, Terms], of_all: Terms | None
) -> list[Record]:
    """Ask Prometheus, and judge each series, or all series that match the pattern of a budget.

    Args:
        budgets: terms by name or pattern.
        of_all: terms of every name without a budget.

    Raises:
        ImportedFileError: there is no answer, or it has nothing that a verdict can be based on; the
            text begins with the URL.
    """
    try:
        owned: dict[str, list[Series]] = {}
        owners = Owners(budgets, of_all)
        for series in series_of(_ask(query), query.unit):
            owned.setdefault(owners.owner(series.name, owned), []).append(series)
        gates = len(owned)
        return [
            _record(name, owned[name], owners.terms(name), gates, name in budgets)
            for name in sorted(owned)
        ]
    except ImportedFileError as error:
        raise ImportedFileError(f"{query.shown_url}: {error!s:.{_LONGEST_MESSAGE}}") from None


def _ask(query: PrometheusQuery) -> object:
    """Return the answer of the HTTP API to an instant query."""
    if urlsplit(query.url).scheme not in ("http", "https"):
        raise ImportedFileError("is not a URL: it has to begin with http:// or https://")
    try:
        with urlopen(query.request(), timeout=_PATIENCE_S) as response:
            content = response.read(LARGEST + 1)
    except HTTPError as error:
        content = error.read(LARGEST)
        if not content.startswith(b"{"):
            raise ImportedFileError(f"HTTP {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        why = getattr(reason, "strerror", None) or reason
        raise ImportedFileError(f"no answer from Prometheus: {why}") from None
    if len(content) > LARGEST:
        raise ImportedFileError(f"the answer is larger than {LARGEST} bytes, the maximum")
    try:
        return json.loads(content)
    except ValueError:
        raise ImportedFileError("the answer is not JSON: is it Prometheus?") from None


def series_of(answer: object, unit: str = "s") -> list[Series]:
    """Return the histograms in an answer of the HTTP API.

    Args:
        unit: unit of the observed latencies.

    Raises:
        ImportedFileError: it has none, or counts that are not whole.
    """
    unit_ns = Fraction(UNITS[unit])
    classic: dict[str, dict[Fraction | None, int]] = {}
    histograms = []
    try:
        for labels, sample in _samples(answer):
            name = _named(labels)
            if "histogram" in sample:
                buckets = tuple(_native(sample["histogram"][1], unit_ns, name))
                histograms.append(Series(name, buckets, None))
                continue
            if _EDGE not in labels:
                raise ImportedFileError(
                    f"{name} is a number, not a histogram: query a native histogram, or classic "
                    "buckets with their label le, such as http_request_duration_seconds_bucket"
                )
            counts = classic.setdefault(name, {})
            edge = _edge_ns(labels[_EDGE], unit_ns)
            if edge in counts:
                raise ImportedFileError(
                    f"several series have the labels {name} and {_EDGE}={labels[_EDGE]}: "
                    "add them up by sum by (le, …)"
                )
            counts[edge] = _count(sample["value"][1], name)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise ImportedFileError("the answer is not that of Prometheus's HTTP API") from None
    histograms += [_classic(name, counts) for name, counts in classic.items()]
    if not histograms:
        raise ImportedFileError("the query returned no series")
    return histograms


def _samples(answer: Any) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
    if answer["status"] != "success":
        raise ImportedFileError(f"{answer['errorType']}: {answer['error']}")
    kind = answer["data"]["resultType"]
    if kind != "vector":
        raise ImportedFileError(
            f"the query returned a {kind}: it has to return one value for each series, such as "
            "m - m offset 1d for the requests of a day"
        )
    for sample in answer["data"]["result"]:
        yield sample["metric"], sample


def _named(labels: Mapping[str, str]) -> str:
    values = [labels[key] for key in sorted(labels) if key not in (_EDGE, _NAME)]
    return " ".join(values) or labels.get(_NAME, "") or "(all)"


def _count(text: str, name: str) -> int:
    count = _number(text)
    if count.denominator != 1:
        raise ImportedFileError(
            f"{name} has {text} requests in a bucket, which is not a whole number: rate() and "
            "increase() estimate counts; query the counters themselves, or m - m offset 1d"
        )
    if count < 0:
        raise ImportedFileError(
            f"{name} has {text} requests in a bucket: its process restarted in between; "
            "choose a shorter time"
        )
    return int(count)


def _edge_ns(text: str, unit_ns: Fraction) -> Fraction | None:
    """Return an upper edge in nanoseconds; None for infinity."""
    return None if text == "+Inf" else _number(text) * unit_ns


def _number(text: str) -> Fraction:
    # A Fraction with a large exponent has as many digits, which takes minutes and gigabytes.
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Fraction(text)


def _native(histogram: Mapping[str, Any], unit_ns: Fraction, name: str) -> Iterator[Bucket]:
    # Buckets have their lower end, their upper end and a count; empty ones are left out. Those of
    # positive numbers contain their upper end. The bucket of zero contains both.
    for _, low, high, text in histogram.get("buckets", ()):
        count = _count(text, name)
        above, maximum = _edge_ns(low, unit_ns) if low != "-Inf" else None, _edge_ns(high, unit_ns)
        if above is not None and maximum is not None and above > maximum:
            raise ValueError(low)
        if count:
            above_ns = max(0, floor(above or 0))
            yield Bucket(above_ns, None if maximum is None else max(0, ceil(maximum)), count)


def _classic(name: str, counts: Mapping[Fraction | None, int]) -> Series:
    if None not in counts:
        raise ImportedFileError(f"{name} has no bucket +Inf: keep all values of the label le")
    edges = sorted(edge for edge in counts if edge is not None)
    buckets, before, above = [], 0, Fraction(0)
    for edge in (*edges, None):
        count = counts[edge] - before
        if count < 0:
            raise ImportedFileError(
                f"{name} has buckets that were not collected at the same time: ask again"
            )
        if count:
            buckets.append(Bucket(floor(above), None if edge is None else ceil(edge), count))
        before, above = counts[edge], edge or above
    return Series(name, tuple(buckets), tuple(edges))


def _record(
    name: str, series: Sequence[Series], terms: Terms | None, gates: int, has_own_budget: bool
) -> Record:
    histogram = CoarseHistogram(tuple(bucket for member in series for bucket in member.buckets))
    record = Record(
        test=name,
        name="",
        n=histogram.n,
        failures={},
        quantiles_ns={},
        attributed_quantiles_ns={},
        budget_name=name if has_own_budget else None,
        strict=bool(terms and terms.strict),
        measurement=Measurement(
            loop=FROM_PROMETHEUS,
            bracket=False,
            why_no_bracket="it was measured by another tool",
            advice=(UNATTRIBUTED,),
        ),
    )
    if terms is None:
        return _with_quantiles(record.without_verdict("no budget with its name"), histogram)
    try:
        budget = terms.without_rps().budget()
    except BudgetError as error:
        return _with_quantiles(record.without_verdict(str(error)), histogram)
    for member in series:
        for limit in budget.limits:
            if member.edges_ns is not None and limit.limit_ns not in member.edges_ns:
                raise ImportedFileError(
                    f"{member.name}: no verdict on {limit.label} can be based on classic buckets, "
                    f"because {format_duration(limit.limit_ns)} is not an edge: choose one of "
                    f"{_shown(member.edges_ns)}, or collect a native histogram"
                )
    policy = Policy(least=terms.samples or LEAST_OBSERVATIONS, gates=max(1, gates))
    verdict = judge_counts(Tally(raw=histogram, attributed=histogram), budget, policy)
    limits = tuple(_without_excuse(part) for part in verdict.limits)
    return _with_quantiles(replace(record, verdict=replace(verdict, limits=limits)), histogram)


def _without_excuse(part: LimitVerdict) -> LimitVerdict:
    """Return the verdict on a limit with the count that it is based on.

    The counts differ by the bucket that the limit is in, and not because of the machine.
    """
    if not part.excused:
        return part
    if part.outcome is Outcome.EXCEEDED:
        return replace(part, over=part.over_attributed)
    if part.reason is Reason.MACHINE:
        return replace(part, reason=Reason.BUCKET)
    return replace(part, over_attributed=part.over)


def _shown(edges_ns: Sequence[Fraction]) -> str:
    listed = ", ".join(format_duration(round(edge)) for edge in edges_ns[:_MOST_EDGES])
    return listed + (" …" if len(edges_ns) > _MOST_EDGES else "")


def _with_quantiles(record: Record, histogram: CoarseHistogram) -> Record:
    """Return the record with quantiles at the upper edges of their buckets, and their bounds."""
    if not histogram.n:
        return record
    quantiles = sorted(quantiles_of(record.verdict) if record.verdict else {*COLUMNS, MAXIMUM})
    quantiles_ns = {}
    for quantile in quantiles:
        at = rank(quantile, histogram.n)
        high_ns = histogram.high_of_rank(at)
        quantiles_ns[label(quantile)] = histogram.low_of_rank(at) if high_ns is None else high_ns
    return replace(
        record,
        quantiles_ns=quantiles_ns,
        attributed_quantiles_ns=dict(quantiles_ns),
        bounds_ns=bounds_at_ranks(
            quantiles, histogram.n, histogram.low_of_rank, histogram.high_of_rank
        ),
    )
