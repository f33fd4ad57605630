"""From the markers of a test to its terms; errors name the test and the place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Final

import pytest

from ..budget_file import read_budgets
from ..core.budget import Terms, parse_terms, positional_terms
from ..errors import BudgetError
from .settings import Settings

MARKER: Final = "latency_budget"
_NUMBER_STARTS: Final = tuple("0123456789+-.")


class NamedBudgets:
    """The named budgets of a session, read when the first one is asked for."""

    def __init__(self, settings: Settings, config: pytest.Config) -> None:
        self._given = settings.budgets
        self._fallback = config.rootpath / "pyproject.toml"
        self._known: Mapping[str, Terms] | None = None
        if self._given is not None:  # named on purpose: an error in it is one even if none asks
            self._known = read_budgets(self._given)

    def get(self, name: str) -> Terms:
        """The terms of a named budget.

        Raises:
            BudgetError: there is none of this name, or the file cannot be read.
        """
        if self._known is None:
            self._known = self._read()
        if name in self._known:
            return self._known[name]
        known = ", ".join(f'"{other}"' for other in sorted(self._known)) or "none"
        file = self._given or self._fallback
        raise BudgetError(f'unknown budget "{name}": {file.name} has {known}')

    def _read(self) -> Mapping[str, Terms]:
        if self._fallback.exists():
            return read_budgets(self._fallback, required=False)
        return {}


def terms_of(item: pytest.Item, named: NamedBudgets) -> Terms:
    """What all markers of a test say together; the nearer one wins, limit by limit.

    Raises:
        BudgetError: a marker that cannot be meant; the text starts with the test's node id.
    """
    try:
        layers = [layer for mark in item.iter_markers(MARKER) for layer in _layers(mark, named)]
        terms = reduce(Terms.over, layers)
        terms.budget()
    except BudgetError as error:
        raise BudgetError(f"{item.nodeid}: latency_budget: {error}") from None
    return terms


def _layers(mark: pytest.Mark, named: NamedBudgets) -> Sequence[Terms]:
    """What one marker says itself, then what the budget says that it names."""
    names, limits = _split(mark.args)
    if not mark.args and not mark.kwargs:
        raise BudgetError("no limit is given: write latency_budget(p99=50) or a budget name")
    twice = set(limits) & set(mark.kwargs)
    if twice:
        raise BudgetError(f"{min(twice)} is given twice, by position and by keyword")
    own = parse_terms({**limits, **mark.kwargs})
    return [own, *(named.get(name) for name in names)]


def _split(args: Iterable[object]) -> tuple[list[str], dict[str, object]]:
    """Positional arguments: one budget name, or up to three limits."""
    values = list(args)
    if len(values) == 1 and isinstance(values[0], str) and not _is_limit(values[0]):
        return [values[0]], {}
    return [], positional_terms(values)


def _is_limit(text: str) -> bool:
    """Whether a single text is meant as p50: it starts like a number, which no budget name may."""
    return text.strip()[:1] in _NUMBER_STARTS
