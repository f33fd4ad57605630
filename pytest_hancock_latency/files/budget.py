"""Named budgets from a TOML file: one source for pytest, Locust and the command line.

    [tool.hancock-latency.budgets."GET /health"]     # in pyproject.toml
    p50 = 10
    p99 = "50ms"

In a separate file the tables can also be named ``[budgets."GET /health"]``, and a file can build on
the budgets of another one: ``extends = "pyproject.toml"``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..core.budget import Terms, parse_terms
from ..core.machine_speed import MachineSpeed, parse_machine_speed
from ..errors import BudgetError, LatencyError, did_you_mean
from .input import read_input

SECTION: Final = "hancock-latency"
"""Our section of the table ``tool``."""
BUDGETS: Final = "budgets"
EXTENDS: Final = "extends"
MACHINE: Final = "machine"
_DOTS: Final = 10_000_000
"""Maximum of the dots in a line, squared and added up. A key of 30 000 names with dots between them
takes 3.5 GB of memory, because each table is listed with all that it is in; this takes 50 MB."""
KEYS: Final = (BUDGETS, MACHINE, "profiles", EXTENDS)
"""All valid keys of our section."""


def read_toml(path: Path, error: type[LatencyError]) -> Mapping[str, Any]:
    """Read a TOML file.

    Raises:
        error: it cannot be read; the text starts with the path.
    """
    content = read_input(path, error)
    if sum(line.count(b".") ** 2 for line in content.splitlines()) > _DOTS:
        raise error(f"{path}: not a readable TOML file: too many dots in a line")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except ValueError as failure:  # of TOML, of UTF-8, or a number of more than 4300 digits
        raise error(f"{path}: not a TOML file: {failure}") from None
    except RecursionError:
        raise error(f"{path}: not a readable TOML file: nested too deeply") from None


def read_budgets(
    path: Path, *, required: bool = True, extended_by: tuple[Path, ...] = ()
) -> Mapping[str, Terms]:
    """Read the budgets of a file by name; they override those it extends, limit by limit.

    Args:
        required: whether a file without the table of budgets is an error.
        extended_by: the files that led to this one, to detect cycles.

    Raises:
        BudgetError: the file, one of its budgets or a file that it extends cannot be read; the text
            starts with the path.
    """
    content = read_toml(path, BudgetError)
    section = _section(content, path)
    table = section.get(BUDGETS, content.get(BUDGETS))
    if table is not None and not isinstance(table, dict):
        raise BudgetError(f"{path}: 'budgets' must be a table of budgets by name")
    inherited = _inherited(section.get(EXTENDS, content.get(EXTENDS)), path, extended_by)
    if table is None and (inherited or not required):
        return inherited
    if table is None:
        raise BudgetError(
            f"{path}: no budgets: expected tables such as "
            '[budgets."GET /health"] or [tool.hancock-latency.budgets."GET /health"]'
        )
    own = {name: _terms(path, name, entry, inherited) for name, entry in table.items()}
    return {**inherited, **own}


def _inherited(base: object, path: Path, extended_by: tuple[Path, ...]) -> Mapping[str, Terms]:
    """Read the budgets of the file that `path` extends, if any."""
    if base is None:
        return {}
    if not isinstance(base, str) or not base.strip():
        raise BudgetError(f"{path}: extends={base!r} is not the path of a budget file")
    trail = (*extended_by, path.resolve())
    base_path = path.parent / base
    try:
        resolved = base_path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # symlinks in a circle, NUL
        raise BudgetError(f"{path}: extends={base!r}: {error}") from None
    if resolved in trail:
        raise BudgetError(f"{path}: extends={base!r} leads back to a file that extends this one")
    return read_budgets(base_path, extended_by=trail)


def read_machine(path: Path, extended_by: tuple[Path, ...] = ()) -> MachineSpeed | None:
    """Return the speed of the machine of the limits, from the file or from one that it extends.

    None if no file has it. That a file cannot be read is for `read_budgets` to say.

    Raises:
        BudgetError: a file has it, but it is invalid; the text starts with the path.
    """
    try:
        content = read_toml(path, BudgetError)
        section = _section(content, path)
    except BudgetError:
        return None
    table = section.get(MACHINE, content.get(MACHINE))
    if table is not None:
        try:
            return parse_machine_speed(table)
        except BudgetError as error:
            raise BudgetError(f"{path}: table '{MACHINE}': {error}") from None
    base, trail = section.get(EXTENDS, content.get(EXTENDS)), (*extended_by, path)
    if not isinstance(base, str) or path.parent / base in trail:
        return None
    return read_machine(path.parent / base, trail)


def check_tables(path: Path) -> None:
    """Raise BudgetError if a file has an unknown table in our section."""
    _section(read_toml(path, BudgetError), path)


def _section(content: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return our section of a file shared by several tools."""
    tool = content.get("tool", {})
    section = tool.get(SECTION, {}) if isinstance(tool, dict) else {}
    if not isinstance(section, dict):
        raise BudgetError(f"{path}: 'tool.{SECTION}' must be a table")
    for key in section:
        if key not in KEYS:
            near = did_you_mean(key, KEYS)
            raise BudgetError(
                f"{path}: unknown table [tool.{SECTION}.{key}]{near}: must be one of "
                f"{', '.join(KEYS)}"
            )
    return section


def _terms(path: Path, name: str, entry: object, inherited: Mapping[str, Terms]) -> Terms:
    if not isinstance(entry, dict):
        raise BudgetError(f'{path}: budget "{name}" must be a table such as p50 = 10')
    try:
        terms = parse_terms(entry).over(inherited.get(name, Terms()))
        terms.budget()
    except ValueError as error:  # BudgetError, or 0x… that is too long for its message
        raise BudgetError(f'{path}: budget "{name}": {error}') from None
    return replace(terms, budget_name=name)
