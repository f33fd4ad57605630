"""The picture of a soak: memory, descriptors and verdicts over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from .judging import WARM_UP_S

_COLOURS: Final = {
    "within": "#1a7f37",
    "inconclusive": "#bf8700",
    "exceeded": "#cf222e",
}
_LINES: Final = ("#0969da", "#8250df", "#bc4c00", "#1a7f37", "#6e7781", "#bf3989")
_STYLE: Final = {
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "fixed",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#d0d7de",
}
MEGABYTE: Final = 1_000_000


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the rows of a soak as SVG; it has a background, since readers may use a dark page."""
    readings = [row for row in rows if row["kind"] == "process"]
    verdicts = [row for row in rows if row["kind"] == "verdict"]
    with mpl.rc_context(_STYLE):
        figure, (memory, descriptors, gates) = plt.subplots(
            3, figsize=(7, 6), sharex=True, height_ratios=(3, 2, 2), layout="constrained"
        )
        for (name, mine), colour in zip(_by_process(readings), _LINES, strict=False):
            minutes = [row["at_s"] / 60 for row in mine]
            memory.plot(
                minutes, [row["rss_bytes"] / MEGABYTE for row in mine], color=colour, label=name
            )
            descriptors.plot(minutes, [row["descriptors"] for row in mine], color=colour)
        memory.set_ylabel("memory (RSS, MB)")
        memory.set_ylim(bottom=0)
        descriptors.set_ylabel("descriptors")
        descriptors.set_ylim(bottom=0)
        _draw_verdicts(gates, verdicts)
        longest_s = max(row["at_s"] for row in rows)
        if longest_s > WARM_UP_S:
            for axes in (memory, descriptors):
                axes.axvspan(0, WARM_UP_S / 60, color="#eaeef2", linewidth=0, zorder=0)
            memory.annotate("warm-up", (0.2, 1), color="#57606a")
        gates.set_xlabel("minutes")
        processes = memory.get_legend_handles_labels()
        figure.legend(*processes, loc="outside upper center", ncols=5, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _by_process(
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for name in dict.fromkeys(row["process"] for row in rows):
        yield name, [row for row in rows if row["process"] == name]


def _draw_verdicts(axes: Any, verdicts: Sequence[Mapping[str, Any]]) -> None:
    names = sorted({_short(row) for row in verdicts}, reverse=True)
    for outcome, colour in _COLOURS.items():
        mine = [row for row in verdicts if row["outcome"] == outcome]
        axes.scatter(
            [row["at_s"] / 60 for row in mine],
            [names.index(_short(row)) for row in mine],
            s=9,
            marker="s",
            color=colour,
            label=f"{outcome}: {len(mine)}",
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.6, len(names) - 0.2)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3, frameon=False, fontsize=8)


def _short(row: Mapping[str, Any]) -> str:
    return f"{row['gate']} {row['test'].rpartition('::')[2]}"
