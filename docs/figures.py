"""The pictures of the pages, drawn from the project's own code and recordings.

Each has a light and a dark version; `generated_pages` writes them when the site is built.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np

BENCHMARKS: Final = Path(__file__).resolve().parents[1] / "benchmarks"
P99: Final = Fraction(99, 100)
LIMIT_MS: Final = 50
ALLOWED: Final = Fraction(1, 100)
SIGMA: Final = 0.3
"""Spread of a typical handler: p99 is twice the median."""


@dataclass(frozen=True)
class Theme:
    """Colours that are clear on the site's own background."""

    name: str
    text: str
    grid: str
    good: str
    bad: str
    open: str
    plain: str


THEMES: Final = (
    Theme("light", "#24292f", "#d0d7de", "#1a7f37", "#cf222e", "#9a6700", "#0969da"),
    Theme("dark", "#d1d7e0", "#3d444d", "#3fb950", "#f85149", "#d29922", "#539bf5"),
)


def _latencies(n: int, draw: np.random.Generator) -> Any:
    """Latencies in ms whose true p99 is the limit."""
    from scipy.stats import norm

    return LIMIT_MS * np.exp(SIGMA * (draw.normal(size=n) - norm.ppf(0.99)))


def fifty(axes: Any, theme: Theme) -> None:
    """What `sorted(fifty)[int(50 * 0.99)]` measures if the true p99 is exactly 50 ms."""
    draw = np.random.default_rng(1)
    measured = np.sort(_latencies(50 * 4000, draw).reshape(4000, 50), axis=1)[:, 49]
    edges = np.linspace(30, 90, 61)
    passes, fails = measured[measured <= LIMIT_MS], measured[measured > LIMIT_MS]
    axes.hist(passes, edges, color=theme.good, label=f"passes: {len(passes) / 40:.0f} %")
    axes.hist(fails, edges, color=theme.bad, label=f"fails: {len(fails) / 40:.0f} %")
    axes.axvline(LIMIT_MS, color=theme.text, linewidth=1)
    axes.annotate(
        "limit", (LIMIT_MS, axes.get_ylim()[1]), (LIMIT_MS + 1, axes.get_ylim()[1] * 0.93)
    )
    axes.set_xlabel("p99 of fifty calls, in ms")
    axes.set_ylabel("runs of the same test")
    axes.legend(frameon=False, labelcolor=theme.text)


def evidence(axes: Any, theme: Theme) -> None:
    """How the evidence for *within* grows, for code at several distances from its limit."""
    from pytest_hancock_latency.core.evidence import ALPHA_WITHIN, WITHIN, EProcess
    from pytest_hancock_latency.core.verdict import Route

    process = EProcess(ALLOWED, WITHIN)
    n = np.arange(1, 1501)
    for rate, label, colour in (
        (0.0, "no call over the limit", theme.good),
        (0.002, "0.2 % over", theme.plain),
        (0.01, "1 % over, as allowed", theme.open),
        (0.03, "3 % over", theme.bad),
    ):
        draw = np.random.default_rng(5)
        over = np.cumsum(draw.random(len(n)) < rate)
        pairs = zip(n.tolist(), over.tolist(), strict=True)
        odds = [np.exp(process.log_evidence(calls, count)) for calls, count in pairs]
        axes.plot(n, odds, color=colour, label=label, linewidth=1.5)
    axes.axhline(
        1 / (Route.RAW.share * ALPHA_WITHIN), color=theme.text, linewidth=1, linestyle="--"
    )
    axes.annotate("enough: 22 to 1", (5, 29))
    axes.set_yscale("log")
    axes.set_ylim(1e-6, 1e3)
    axes.set_xlabel("calls")
    axes.set_ylabel("evidence that p99 is within")
    axes.legend(frameon=False, labelcolor=theme.text, loc="lower right")


def regions(axes: Any, theme: Theme) -> None:
    """Which counts decide a p99, and which do not."""
    from pytest_hancock_latency.core.evidence import (
        ALPHA_WITHIN,
        Boundaries,
        alpha_of_gate,
    )
    from pytest_hancock_latency.core.verdict import Route

    table = Boundaries(ALLOWED, Route.RAW.share * ALPHA_WITHIN, alpha_of_gate(1))
    n = np.arange(1, 1001)
    within = np.array([table.most_within(int(calls)) for calls in n])
    exceeded = np.array([table.least_exceeded(int(calls)) for calls in n])
    top = 40
    axes.fill_between(n, np.minimum(exceeded, top), top, color=theme.bad, alpha=0.35, linewidth=0)
    axes.fill_between(
        n, -0.5, within + 0.5, where=within >= 0, color=theme.good, alpha=0.35, linewidth=0
    )
    axes.plot(n, n * float(ALLOWED), color=theme.text, linewidth=1, linestyle="--")
    axes.annotate("exceeded", (200, 32), color=theme.bad, weight="bold")
    axes.annotate("inconclusive: keep measuring", (420, 15), color=theme.open, weight="bold")
    axes.annotate("within", (720, 0.6), color=theme.good, weight="bold")
    axes.annotate("1 %, as allowed", (830, 9.6), rotation=8)
    axes.set_ylim(-0.5, top)
    axes.set_xlim(0, 1000)
    axes.set_xlabel("calls")
    axes.set_ylabel("calls over the limit")


def machine(axes: Any, theme: Theme) -> None:
    """Recorded requests next to another process on the same core, raw and attributed."""
    sys.path.insert(0, str(BENCHMARKS))
    from simulation.recorded import recording

    recorded = recording("heavy_busy")
    part = slice(400, 800)
    at_s = np.cumsum(recorded.since_previous[part]) / 1e9
    raw = recorded.wall[part] / 1e6
    attributed = raw - recorded.wait[part] / 1e6
    axes.scatter(at_s, raw, s=7, color=theme.bad, label="raw: what the clock said")
    axes.scatter(at_s, attributed, s=7, color=theme.plain, label="attributed: what the code took")
    axes.set_ylim(0, 1.35 * float(raw.max()))
    axes.set_xlabel("seconds")
    axes.set_ylabel("latency in ms")
    axes.legend(frameon=False, labelcolor=theme.text, loc="upper right", ncols=2)


def stall(axes: Any, theme: Theme) -> None:
    """Two samples with the same number of slow calls: spread out, and in one stall."""
    draw = np.random.default_rng(3)
    at_s = np.arange(0, 3, 0.01)
    for row, name in enumerate(("one stall of 0.3 s", "slow now and then")):
        slow = np.zeros(len(at_s), bool)
        if row:
            slow[draw.choice(len(at_s), 30, replace=False)] = True
        else:
            slow[140:170] = True
        height = 1 - row
        axes.scatter(at_s[~slow], np.full((~slow).sum(), height), s=8, color=theme.plain)
        axes.scatter(at_s[slow], np.full(slow.sum(), height), s=26, marker="|", color=theme.bad)
        axes.annotate(name, (0, height + 0.16))
    axes.axvspan(1.25, 1.75, color=theme.open, alpha=0.25, linewidth=0)
    axes.annotate("deleted: the worst half second", (1.5, 1.55), ha="center")
    axes.set_ylim(-0.5, 1.8)
    axes.set_yticks([])
    axes.set_xlabel("seconds")


FIGURES: Final[dict[str, tuple[Callable[[Any, Theme], None], float]]] = {
    "fifty": (fifty, 3.0),
    "evidence": (evidence, 3.4),
    "regions": (regions, 3.4),
    "machine": (machine, 3.0),
    "stall": (stall, 1.9),
}
"""Each with its height in inches; all are 7 inches wide."""


def write(folder: Path) -> Iterator[Path]:
    """Write every picture in both themes; yields the paths."""
    for name, (draw, height) in FIGURES.items():
        for theme in THEMES:
            path = folder / f"{name}-{theme.name}.svg"
            with _axes(theme, height) as (figure, axes):
                draw(axes, theme)
                figure.savefig(path, transparent=True, metadata={"Date": None})
            yield path


@contextmanager
def _axes(theme: Theme, height: float) -> Iterator[tuple[Any, Any]]:
    style = {
        "font.size": 10,
        "font.family": "sans-serif",
        "svg.fonttype": "none",
        "svg.hashsalt": "fixed",
        "text.color": theme.text,
        "axes.labelcolor": theme.text,
        "axes.edgecolor": theme.grid,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": theme.text,
        "ytick.color": theme.text,
    }
    with mpl.rc_context(style):
        figure, axes = plt.subplots(figsize=(7, height), layout="constrained")
        try:
            yield figure, axes
        finally:
            plt.close(figure)
