"""Comparison of parametrised tests: samples in groups, each with its factor to the fastest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..core.quantile import P50, label
from ..core.record import Record
from ..errors import SettingError, did_you_mean
from .columns import NO_VALUE, Column, three_digits
from .table import (
    HEADINGS,
    PERCENTILES,
    SEPARATOR,
    aligned,
    cells_of,
    natural,
    room_for_names,
    shortened,
)
from .wording import printable

FACTOR: Final = "×"
_P50: Final = label(P50)
_FIGURES: Final = slice(1, 2 + len(PERCENTILES))
"""Cells of a row with the number of observations and the percentiles."""


class GroupBy(StrEnum):
    """What the samples of a group share."""

    PARAM = "param"
    """The parameters, so that functions are compared."""
    FUNC = "func"
    """The test function, so that parameters are compared."""


def parse_group_by(text: object) -> GroupBy:
    """Read ``param`` or ``func``.

    Raises:
        SettingError: it is neither.
    """
    try:
        return GroupBy(str(text))
    except ValueError:
        near = did_you_mean(str(text), list(GroupBy))
        raise SettingError(f"unknown group {str(text)!r}{near}: must be param or func") from None


@dataclass(frozen=True, slots=True)
class TestId:
    """The two parts of a node id: ``tests/test_codec.py::test_dumps`` and ``json-1000``."""

    __test__ = False

    function: str
    parameters: str

    @classmethod
    def of(cls, test: str) -> TestId:
        """Split a node id; parameters may contain any characters, function names may not."""
        path, separator, rest = test.partition(SEPARATOR)
        function, bracket, parameters = rest.partition("[")
        return cls(f"{path}{separator}{function}", parameters.removesuffix("]") if bracket else "")


def groups_of(records: Iterable[Record], by: GroupBy) -> dict[str, list[tuple[str, Record]]]:
    """Return groups by name, in natural order; each sample with its name in the group.

    Samples are sorted from fastest to slowest. Samples with nothing to compare with are left out,
    and so are those without parameters if parameters are compared.
    """
    groups: dict[str, list[tuple[str, Record]]] = {}
    for record in records:
        test = TestId.of(record.test)
        parameters = f"[{test.parameters}]" if test.parameters else ""
        name, member = test.function, parameters
        if by is GroupBy.PARAM:
            name, member = member, name
        if name and record.n:
            own = test.function.rpartition(SEPARATOR)[2]
            title = " ".join(filter(None, (member, record.name))) or own
            groups.setdefault(name, []).append((title, record))
    return {
        name: sorted(members, key=lambda member: member[1].quantiles_ns[_P50])
        for name, members in sorted(groups.items(), key=lambda group: natural(group[0]))
        if len(members) > 1
    }


def group_lines(
    records: Sequence[Record], by: GroupBy, columns: Sequence[Column] = (), width: int = 120
) -> list[str]:
    """Render groups as a table of at most `width` columns, if names of 16 characters fit."""
    groups = groups_of(records, by)
    if not groups:
        return [f"group by {by}: no two samples belong to the same group"]
    members = [member for group in groups.values() for member in group]
    rows = cells_of([record for _, record in members], columns)
    factors = [factor for group in groups.values() for factor in _factors(group)]
    on_demand = slice(_FIGURES.stop, _FIGURES.stop + len(columns))
    figures = [
        (*row[_FIGURES], *row[on_demand], factor)
        for row, factor in zip(rows, (FACTOR, *factors), strict=True)
    ]
    rest = aligned(figures, range(len(figures[0])))
    room = room_for_names(rest, width)
    names = [shortened(f"  {printable(name)}", room) for name, _ in members]
    longest = max(len(HEADINGS[0]), *map(len, names))
    lines = [f"{HEADINGS[0].ljust(longest)}  {rest[0]}"]
    numbered = iter(zip(names, rest[1:], strict=True))
    for group, grouped in groups.items():
        lines.append(shortened(printable(group), width))
        for _ in grouped:
            name, texts = next(numbered)
            lines.append(f"{name.ljust(longest)}  {texts}")
    alone = len(records) - len(members)
    remark = f"; {alone} without another sample to compare with" if alone else ""
    return [
        *lines,
        f"group by {by}: {FACTOR} is p50 divided by the smallest p50 of the group{remark}",
    ]


def _factors(group: Sequence[tuple[str, Record]]) -> list[str]:
    latencies_ns = [record.quantiles_ns[_P50] for _, record in group]
    fastest_ns = min(latencies_ns)
    return [three_digits(ns / fastest_ns) if fastest_ns > 0 else NO_VALUE for ns in latencies_ns]
