"""What every script here ends with: goals held or missed, one line of figures, JSON, exit code."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A figure and the most that it may be."""

    name: str
    figure: float
    most: float
    held: bool
    where: str = ""
    """Which row was the worst, where the figure is the worst of several."""


def at_most(name: str, figure: float, most: float, where: str = "") -> Goal:
    """A goal that is held where the figure is not above its bound."""
    return Goal(name, figure, most, figure <= most, where)


def parser(docstring: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all scripts have."""
    made = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    return made


def simulation_parser(
    docstring: str | None, quick: int, full: int, of: str
) -> argparse.ArgumentParser:
    """A parser with the number of trials as well.

    Args:
        of: what has so many trials.
    """
    made = parser(docstring)
    made.add_argument("--trials", type=int, default=quick, help=f"of {of} (%(default)s)")
    made.add_argument(
        "--full", dest="trials", action="store_const", const=full, help=f"--trials {full}"
    )
    return made


def conclude(
    script: str, figures: dict[str, Any], goals: Sequence[Goal], chosen: argparse.Namespace
) -> int:
    """Print the goals and the last line, write the JSON that was asked for; the exit code."""
    print("\ngoals")
    for line in goal_lines(goals):
        print(line)
    missed = sum(not goal.held for goal in goals)
    if chosen.json is not None:
        plain = {
            "script": script,
            "python": platform.python_version(),
            "figures": figures,
            "goals": [asdict(goal) for goal in goals],
        }
        chosen.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    shown = "; ".join(f"{goal.name} {goal.figure:.4g}" for goal in goals)
    print(f"{script}: {shown}; {missed} of {len(goals)} goals missed")
    return 1 if chosen.check and missed else 0


def goal_lines(goals: Iterable[Goal]) -> list[str]:
    """One line for each goal."""
    return [
        f"{'held  ' if goal.held else 'MISSED'} {goal.name:<58}"
        f" {goal.figure:10.4g}   at most {goal.most:g}{f'   ({goal.where})' if goal.where else ''}"
        for goal in goals
    ]
