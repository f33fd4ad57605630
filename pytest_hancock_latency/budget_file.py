"""Named budgets from a TOML file: one source for pytest, Locust and the command line.

    [tool.hancock-latency.budgets."GET /health"]     # in pyproject.toml
    p50 = 10
    p99 = "50ms"

In a file of its own the tables may also be called just ``[budgets."GET /health"]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .core.budget import Terms, parse_terms
from .errors import BudgetError, LatencyError
from .input_file import read_input


def read_toml(path: Path, error: type[LatencyError]) -> Mapping[str, Any]:
    """The content of a TOML file.

    Raises:
        error: it cannot be read; the text starts with the path.
    """
    try:
        return tomllib.loads(read_input(path, error).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise error(f"{path}: not a TOML file: {failure}") from None
    except RecursionError:
        raise error(f"{path}: not a TOML file that can be read: nested too deeply") from None


def read_budgets(path: Path, *, required: bool = True) -> Mapping[str, Terms]:
    """The budgets of a file by name.

    required: whether a file without the table of budgets is an error.

    Raises:
        BudgetError: the file or one of its budgets cannot be read; the text starts with its path.
    """
    table = _budget_table(read_toml(path, BudgetError), path)
    if table is None and not required:
        return {}
    if table is None:
        raise BudgetError(
            f"{path}: no budgets: expected tables such as "
            '[budgets."GET /health"] or [tool.hancock-latency.budgets."GET /health"]'
        )
    return {name: _terms(path, name, entry) for name, entry in table.items()}


def _budget_table(content: Mapping[str, Any], path: Path) -> Mapping[str, Any] | None:
    tool = content.get("tool", {})
    section = tool.get("hancock-latency", {}) if isinstance(tool, dict) else {}
    table = section.get("budgets") if isinstance(section, dict) else None
    if table is None:
        table = content.get("budgets")
    if table is not None and not isinstance(table, dict):
        raise BudgetError(f"{path}: 'budgets' must be a table of budgets by name")
    return table


def _terms(path: Path, name: str, entry: object) -> Terms:
    if not isinstance(entry, dict):
        raise BudgetError(f'{path}: budget "{name}" must be a table such as p50 = 10')
    try:
        terms = parse_terms(entry)
        terms.budget()
    except BudgetError as error:
        raise BudgetError(f'{path}: budget "{name}": {error}') from None
    return replace(terms, budget_name=name)
