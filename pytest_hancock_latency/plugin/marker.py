"""The marker: a decorator with a signature, and the budgets that it refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from itertools import chain
from typing import Any, Final, NamedTuple, TypedDict, Unpack, overload

import pytest

from ..core.budget import POSITIONAL, RPS, TESTS, Terms, parse_terms, positional_terms
from ..core.duration import Duration
from ..core.pattern import breadth, matches
from ..core.quantile import looks_like_quantile
from ..errors import BudgetError, did_you_mean
from ..files.budget import check_tables, read_budgets
from .item_settings import test_of
from .options import may_name_tests, project_file
from .settings import Settings

Limit = int | float | str
"""Milliseconds, or a string with a unit: ``"250us"``, ``"1.5s"``."""


class Keywords(TypedDict, total=False):
    """Keywords of the marker, for editors; ``percentiles`` accepts all other percentiles."""

    p75: Limit
    p90: Limit
    p99_9: Limit
    p99_99: Limit
    max: Limit
    percentiles: Mapping[str, Limit]
    errors: Limit
    name: str
    warmup: int | str
    samples: int
    max_samples: int
    time_limit: Duration
    least_time: Duration
    strict: bool
    regression: Limit
    first: Mapping[str, Limit]
    gap: Mapping[str, Limit]
    clocks: Mapping[str, Mapping[str, Limit]]


class KeywordsOfNamed(Keywords, total=False):
    """Keywords after the name of a budget, whose limits they replace."""

    p50: Limit
    p95: Limit
    p99: Limit


@overload
def latency_budget(budget: str, /, **keywords: Unpack[KeywordsOfNamed]) -> pytest.MarkDecorator: ...


@overload
def latency_budget(
    p50: Limit | None = ...,
    p95: Limit | None = ...,
    p99: Limit | None = ...,
    **keywords: Unpack[Keywords],
) -> pytest.MarkDecorator: ...


def latency_budget(*args: Any, **kwargs: Any) -> pytest.MarkDecorator:
    """Give a test, a class, a module or a parameter a latency budget.

    ``@latency_budget(p50=10, p95=25, p99="50ms")`` or, with a name from the budget file,
    ``@latency_budget("GET /health")``. Bare numbers are milliseconds. It is the same as
    ``pytest.mark.latency_budget``, with a signature for editors and type checkers.

    Values are checked when tests are collected, so that the error can name the test. Nothing is
    raised here, because an exception during import would not show which test it belongs to.

    >>> @latency_budget(p50=10, p95=25, p99="50ms", errors="0.1%")
    ... def test_sort(sample: Sampler) -> None:
    ...     sample(sorted, [3, 1, 2])
    """
    mark: pytest.MarkDecorator = pytest.mark.latency_budget(*args, **kwargs)
    return mark


def signature() -> str:
    """Return the signature of the marker as a reader would write it."""
    keywords = [name for name in Keywords.__annotations__ if not looks_like_quantile(name)]
    return f"{MARKER}({', '.join(POSITIONAL)}, *, max, {', '.join(keywords)})"


MARKER: Final = "latency_budget"
_PART_ENDS: Final = re.compile(r"/|::|\[")
"""The end of a folder, a file, a class, or of a test name before its parameters."""
_NUMBER_STARTS: Final = tuple("0123456789+-.")


class NamedBudgets:
    """The named budgets of a session, read on first use."""

    def __init__(self, settings: Settings, config: pytest.Config) -> None:
        self._path = settings.budgets
        self._fallback = project_file(config)
        self._file = self._path or self._fallback
        self._budgets: Mapping[str, Terms] | None = None
        self._used_names: set[str] = set()
        self._matching_patterns: set[str] = set()
        """Of tests without a marker."""
        self._is_for_tests = self._path is not None
        """Whether tests of the run may use the file; it may be for Locust only."""
        if self._path is not None:  # set explicitly: errors in it count even if no test uses it
            self._budgets = read_budgets(self._path)
        elif self._fallback.exists():
            check_tables(self._fallback)

    def unused(self, items: Iterable[pytest.Item]) -> Iterator[str]:
        """Yield messages about budgets that no test used, and patterns that match none.

        Budgets that limit only rps, and patterns of names, are for Locust and left out.

        Args:
            items: all tests of the run.
        """
        budgets = self._budgets if self._budgets and self._is_for_tests else {}
        names = sorted(
            name
            for name in set(budgets) - self._used_names
            if (budgets[name].limits or budgets[name].clocks) and "*" not in name
        )
        if names:
            yield f"budgets in {self._file.name} that no test in this run uses: {_quoted(names)}"
        of_budgets = [budgets[name].tests or () for name in self._used_names]
        patterns = dict.fromkeys(chain.from_iterable(of_budgets))
        for pattern in self._matching_patterns:
            patterns.pop(pattern, None)
        for names_of_test in map(self._names_of, items if patterns else ()):
            for pattern in [*patterns]:
                if _fits(pattern, names_of_test):
                    del patterns[pattern]
        if patterns:
            unmatched = _quoted(sorted(patterns))
            yield f"patterns in {self._file.name} that match no test of this run: {unmatched}"

    def get(self, name: str) -> Terms:
        """Return the terms of a named budget.

        Raises:
            BudgetError: there is no budget with this name, or the file cannot be read.
        """
        budgets = self._read()
        self._is_for_tests = True
        if name in budgets:
            self._used_names.add(name)
            return budgets[name]
        names = ", ".join(f'"{name_}"' for name_ in sorted(budgets)) or "none"
        near = did_you_mean(name, budgets)
        raise BudgetError(f'unknown budget "{name}"{near}: {self._file.name} has {names}')

    def for_test(self, item: pytest.Item) -> Terms | None:
        """Return the budget whose `tests` patterns match a test best, if any.

        Raises:
            BudgetError: two budgets match equally well, or the file cannot be read.
        """
        if not self._patterns:
            return None
        names = self._names_of(item)
        pairs = [(pattern, name) for pattern, name in self._patterns if _fits(pattern, names)]
        if not pairs:
            return None
        self._matching_patterns |= {pattern for pattern, _ in pairs}
        fitting = sorted((_how_broad(pattern, names), name) for pattern, name in pairs)
        best, name = fitting[0]
        rivals = sorted({rival for rank, rival in fitting if rank == best} - {name})
        if rivals:
            raise BudgetError(
                f'{item.nodeid}: budgets "{name}" and "{rivals[0]}" in {self._file.name} '
                "match it equally well: write a longer pattern for one of them"
            )
        return self.get(name).without_rps()

    def _names_of(self, item: pytest.Item) -> _Names:
        """Return the names of a test; its path may start from the project or from pytest's root."""
        node_ids = [test_of(item)]
        root = self._file.parent
        if root != item.config.rootpath and item.path.is_relative_to(root):
            _, colons, inside = node_ids[0].partition("::")
            node_ids.append(item.path.relative_to(root).as_posix() + colons + inside)
        return _names(item, node_ids)

    @cached_property
    def _patterns(self) -> Sequence[tuple[str, str]]:
        """Patterns of tests, each with the name of its budget."""
        if self._path is None and not may_name_tests(self._fallback):
            return ()  # errors in the file do not matter as long as no test uses it
        budgets = self._read().items()
        patterns = [(pattern, name) for name, terms in budgets for pattern in terms.tests or ()]
        self._is_for_tests = self._is_for_tests or bool(patterns)
        return patterns

    def _read(self) -> Mapping[str, Terms]:
        if self._budgets is None:
            exists = self._fallback.exists()
            self._budgets = read_budgets(self._fallback, required=False) if exists else {}
        return self._budgets


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class _Names(NamedTuple):
    """The names by which patterns find a test."""

    own: tuple[str, ...]
    """Node ids and names, with and without parameters."""
    of_parents: tuple[str, ...]
    """Those of the folders, the file and the classes that contain it."""


def _names(item: pytest.Item, node_ids: Sequence[str]) -> _Names:
    function = getattr(item, "originalname", None) or item.name
    own: list[str] = []
    for node_id in node_ids:
        own += (node_id, node_id.removesuffix(item.name) + function)
    parents = (
        node_id[: end.start()] for node_id in node_ids for end in _PART_ENDS.finditer(node_id)
    )
    return _Names((*own, item.name, function), tuple(parents))


def _fits(pattern: str, names: _Names) -> bool:
    """Whether a pattern matches the test, or a folder, file or class that contains it."""
    return any(matches(pattern, name) for name in (*names.own, *names.of_parents))


def _how_broad(pattern: str, names: _Names) -> tuple[bool, tuple[int, int]]:
    """Sort key: smaller if it matches the test itself, then for more literal characters."""
    return pattern not in names.own, breadth(pattern)


def terms_of(item: pytest.Item, budgets: NamedBudgets) -> Terms:
    """Combine all markers of a test; closer ones take precedence, limit by limit.

    Raises:
        BudgetError: a marker is invalid; the text starts with the test's node id.
    """
    try:
        layers = [layer for mark in item.iter_markers(MARKER) for layer in _layers(mark, budgets)]
        terms = reduce(Terms.over, layers)
        terms.budget()
    except ValueError as error:  # BudgetError, or an integer that is too long for its message
        from ..reporting.wording import printable  # only now: most suites have no wrong marker

        raise BudgetError(f"{item.nodeid}: latency_budget: {printable(str(error))}") from None
    return terms


def _layers(mark: pytest.Mark, budgets: NamedBudgets) -> Sequence[Terms]:
    """Return the terms of one marker, then those of the budget that it names."""
    names, limits = _split(mark.args)
    if not mark.args and not mark.kwargs:
        raise BudgetError("no limit is given: write latency_budget(p99=50) or a budget name")
    twice = set(limits) & set(mark.kwargs)
    if twice:
        raise BudgetError(f"{min(twice)} is given twice, by position and by keyword")
    if TESTS in mark.kwargs:
        raise BudgetError("tests is only for budget files: the marker already belongs to a test")
    if RPS in mark.kwargs:
        raise BudgetError("rps is only for Locust runs: write it in the budget file")
    own = parse_terms({**limits, **mark.kwargs})
    return [own, *(budgets.get(name).without_rps() for name in names)]


def _split(args: Iterable[object]) -> tuple[list[str], dict[str, object]]:
    """Split positional arguments into a budget name or up to three limits."""
    values = list(args)
    if len(values) == 1 and isinstance(values[0], str) and not _is_limit(values[0]):
        return [values[0]], {}
    return [], positional_terms(values)


def _is_limit(text: str) -> bool:
    """Whether a single string is a limit for p50: it starts like a number, unlike budget names."""
    return text.strip()[:1] in _NUMBER_STARTS
