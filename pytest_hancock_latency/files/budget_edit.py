"""Changes to a budget file that keep its comments and its order.

With tomlkit, the only well-kept library that writes TOML as it was read; imported late, since only
the ratchet changes a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..core.duration import NS_PER_MS, format_exactly, parse_latency
from ..core.quantile import label
from ..errors import BudgetError
from ..runs.ratchet import Tightened
from .budget import BUDGETS, SECTION
from .input import read_input

_INSTALL: Final = "changing a budget file takes tomlkit: pip install 'pytest-hancock-latency[toml]'"


def with_limits(path: Path, tightened: Sequence[Tightened]) -> tuple[str, str]:
    """Return the text of a budget file before and after its limits were changed.

    A number stays a number of milliseconds, a text stays a text.

    Raises:
        BudgetError: tomlkit is not installed, or a limit is not in this file.
    """
    try:
        import tomlkit
    except ImportError:
        raise BudgetError(_INSTALL) from None
    before = read_input(path, BudgetError).decode("utf-8")
    document: Any = tomlkit.parse(before)
    tables = document.get("tool", {}).get(SECTION, {}).get(BUDGETS) or document.get(BUDGETS, {})
    for limit in tightened:
        table = tables.get(limit.budget)
        key = _key_of(table, limit) if table is not None else None
        if key is None:
            raise BudgetError(
                f'{path}: {label(limit.quantile)} of "{limit.budget}" is not in this file, but in '
                "one that it extends: give that one"
            )
        table[key] = _like(_plain(table[key]), limit.after_ns)
    return before, tomlkit.dumps(document)


def _key_of(table: Any, limit: Tightened) -> str | None:
    """Return the key of a limit in its table: ``p99_9``, or ``p99.9`` in quotes."""
    name = label(limit.quantile)
    for key in (name, name.replace(".", "_")):
        if key in table and parse_latency(_plain(table[key])) == limit.before_ns:
            return key
    return None


def _plain(value: Any) -> object:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _like(before: object, ns: int) -> int | float | str:
    """Return a latency as it was written before: a number of milliseconds, or a text."""
    if isinstance(before, int | float):
        return ns / NS_PER_MS if ns % NS_PER_MS else ns // NS_PER_MS
    text = format_exactly(ns)
    return text if " " in str(before).strip() else text.replace(" ", "")
