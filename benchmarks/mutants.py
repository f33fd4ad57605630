"""How good the tests are: how many small changes to the code they notice.

    python benchmarks/mutants.py [--sample 600] [--seed 1] [--changed-since REV] [PATH ...]

Takes a sample of all mutants of the targets in `pyproject.toml` ([tool.mutants]), or of the PATHs
among them. A mutant is one change by one operator of Cosmic Ray: a number one higher or lower, `<`
instead of `<=`, a condition negated. For each, the tests that run the line are run in a copy of the
tree, those of the same name first; --seconds limits how long they take without a mutant. The
first failure ends them. A mutant that no test notices survives.

Each result is appended to --results at once. Another run goes on where the last one stopped;
--again tries survivors once more, for instance after new tests. The first run records which tests
run which lines, which takes as long as the tests; later runs record test files that changed.

--control N makes no change: whatever is "killed" then shows how often a test fails by itself.

tests/mutants_accepted.toml lists survivors with a reason. Equivalent ones, which behave like the
original, are left out of the score; accepted ones lower it, and are no longer listed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser
from mutation.children import Copy, preload
from mutation.covering import importers_of, record
from mutation.mutants import Mutant, Source, sample
from mutation.trying import NO_TESTS, Result, Trial, read_results, try_all

ROOT: Final = Path(__file__).resolve().parents[1]
ACCEPTED: Final = "tests/mutants_accepted.toml"
MOST_SURVIVING_PERCENT: Final = 10

Place = tuple[str, str, str]
"""A file, the line before a change, and after it."""


@dataclass(frozen=True)
class Acceptance:
    """Why survivors with this diff stay."""

    path: str
    before: str
    after: str
    equivalent: bool
    reason: str

    @property
    def place(self) -> Place:
        """What it is found by, whatever its line number."""
        return self.path, self.before, self.after


@dataclass(frozen=True)
class Score:
    """The results of some mutants."""

    tried: int
    killed: int
    equivalent: int
    accepted: int

    @property
    def survived(self) -> int:
        """Those that a test could notice."""
        return self.tried - self.killed - self.equivalent

    @property
    def percent(self) -> float:
        """Killed, of those that a test could notice."""
        noticeable = self.tried - self.equivalent
        return 100 * self.killed / noticeable if noticeable else 100.0


@dataclass(frozen=True)
class Project:
    """A checkout with [tool.mutants] in its pyproject.toml."""

    root: Path

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The lists of targets, tests, and tests that are left out."""
        text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
        return dict(tomllib.loads(text)["tool"]["mutants"])

    @property
    def kept(self) -> Path:
        """The folder of what one run leaves for the next."""
        return self.root / "build" / "mutants"

    def sources(self) -> list[Source]:
        """The files that can be mutated."""
        paths = self._files(self.settings["targets"])
        return [Source(path, (self.root / path).read_text(encoding="utf-8")) for path in paths]

    def test_files(self) -> list[str]:
        """All test files of the settings, which name files and folders, without those left out."""
        names = self.settings["tests"]
        patterns = (name if name.endswith(".py") else f"{name}/**/test_*.py" for name in names)
        return [path for path in self._files(patterns) if path not in self.settings["left_out"]]

    def changed_since(self, revision: str) -> set[str]:
        """The paths that differ from a revision, new files included."""
        commands = (
            ["git", "diff", "--name-only", revision],
            ["git", "ls-files", "--others", "--exclude-standard"],
        )
        return {
            name
            for command in commands
            for name in subprocess.run(
                command, cwd=self.root, capture_output=True, text=True, check=True
            ).stdout.splitlines()
        }

    def acceptances(self) -> dict[Place, Acceptance]:
        """The survivors that are known, by what they change."""
        file = self.root / ACCEPTED
        tables = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        rows = [
            Acceptance(
                row["path"], row["before"], row["after"], kind == "equivalent", row["reason"]
            )
            for kind in ("equivalent", "accepted")
            for row in tables.get(kind, [])
        ]
        return {row.place: row for row in rows}

    def _files(self, patterns: Iterable[str]) -> list[str]:
        found = {path for pattern in patterns for path in self.root.glob(pattern)}
        return sorted(path.relative_to(self.root).as_posix() for path in found)


def score_of(results: Iterable[Result], known: Mapping[Place, Acceptance]) -> Score:
    """Count results. A mutant that is killed counts as killed, whatever the list says."""
    rows = list(results)
    reasons = [known.get(place(row)) for row in rows if row.is_living]
    return Score(
        tried=len(rows),
        killed=sum(not row.is_living for row in rows),
        equivalent=sum(reason is not None and reason.equivalent for reason in reasons),
        accepted=sum(reason is not None and not reason.equivalent for reason in reasons),
    )


def place(result: Result) -> Place:
    """What an acceptance has to agree with."""
    return result.path, result.before, result.after


def print_scores(results: Sequence[Result], known: Mapping[Place, Acceptance]) -> None:
    """One row for each file, and their total."""
    by_path: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_path[result.path].append(result)
    print(f"\n{'':<58}{'tried':>6}{'killed':>8}{'equiv.':>8}{'accept.':>8}{'score':>8}")
    for path, rows in [*sorted(by_path.items()), ("all", list(results))]:
        score = score_of(rows, known)
        print(
            f"{path:<58}{score.tried:>6}{score.killed:>8}{score.equivalent:>8}"
            f"{score.accepted:>8}{score.percent:>6.0f} %"
        )


def describe(result: Result) -> str:
    """A survivor in one line."""
    nobody = ", run by no test" if result.outcome == NO_TESTS else ""
    return f"{result.path}:{result.line}{nobody}: {result.before}  →  {result.after}"


def chosen_options() -> argparse.Namespace:
    """The options of the command line."""
    options = parser(__doc__)
    options.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; all targets")
    options.add_argument("--sample", type=int, default=600, metavar="N", help="0: all mutants")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--changed-since", metavar="REV", help="only files that differ from REV")
    options.add_argument("--seconds", type=float, default=15, help="of tests for a mutant, at most")
    options.add_argument("--processes", type=int, default=2, metavar="N")
    options.add_argument("--results", type=Path, metavar="FILE", help="build/mutants/results.jsonl")
    options.add_argument("--again", action="store_true", help="try survivors once more")
    options.add_argument(
        "--control", type=int, metavar="N", help="run the tests of N mutants without their change"
    )
    options.add_argument("--only-report", action="store_true", help="run nothing")
    options.add_argument("--root", type=Path, default=ROOT, help="another checkout than this one")
    return options.parse_args()


def chosen_sources(project: Project, chosen: argparse.Namespace) -> dict[str, Source]:
    """The targets that the command line asks for, by path."""
    changed = project.changed_since(chosen.changed_since) if chosen.changed_since else None
    prefixes = tuple(path.rstrip("/") for path in chosen.paths)
    return {
        source.path: source
        for source in project.sources()
        if (changed is None or source.path in changed)
        and (not prefixes or source.path.startswith(prefixes))
    }


def try_mutants(
    mutants: Sequence[tuple[Source, Mutant]], project: Project, chosen: argparse.Namespace
) -> None:
    """Record the tests and run them for each mutant."""
    preload()
    sources = project.sources()
    importers = importers_of(sources)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Copy.of(project.root, Path(folder) / f"{n}") for n in range(chosen.processes)]
        recorded = record(copies, project.test_files(), sources, project.kept / "recorded")
        for name in recorded.failed:
            print(f"not used, does not pass without a mutant: {name}")
        trials = [
            Trial(
                source,
                mutant,
                recorded.for_place(source, mutant.line, importers[source.path], chosen.seconds),
                is_control=bool(chosen.control),
            )
            for source, mutant in mutants
        ]
        try_all(copies, trials, chosen.results, say)


def say(result: Result) -> None:
    """Print a result as soon as it is there."""
    by = f" by {result.failed}" if result.failed else ""
    print(f"{result.outcome}{by} ({result.seconds:.1f} s): {describe(result)}", flush=True)


def main() -> int:
    """Sample, try, print, judge; the exit code."""
    chosen = chosen_options()
    project = Project(chosen.root.resolve())
    chosen.results = chosen.results or project.kept / "results.jsonl"
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    wanted = chosen_sources(project, chosen)
    mutants = [mutant for source in wanted.values() for mutant in source.mutants(chosen.seed)]
    sampled = sample(mutants, chosen.sample or len(mutants))
    print(f"{len(sampled)} of {len(mutants)} mutants in {len(wanted)} files", flush=True)
    pairs = {wanted[mutant.path].key(mutant): mutant for mutant in sampled}
    earlier = read_results(chosen.results)
    known = project.acceptances()
    if chosen.control:
        controls = [(wanted[mutant.path], mutant) for mutant in sampled[: chosen.control]]
        try_mutants(controls, project, chosen)
        return 0
    work = [
        (wanted[mutant.path], mutant)
        for key, mutant in pairs.items()
        if key not in earlier
        or (chosen.again and earlier[key].is_living and place(earlier[key]) not in known)
    ]
    if work and not chosen.only_report:
        try_mutants(work, project, chosen)
    results = [row for key, row in read_results(chosen.results).items() if key in pairs]
    return report(sorted(results, key=lambda row: (row.path, row.line)), known, chosen)


def report(
    results: Sequence[Result],
    known: Mapping[Place, Acceptance],
    chosen: argparse.Namespace,
) -> int:
    """Print the scores, the survivors without a reason, and the goal; the exit code."""
    print_scores(results, known)
    unknown = [row for row in results if row.is_living and place(row) not in known]
    print(f"\nsurvivors without a reason in {ACCEPTED}: {len(unknown)}")
    for row in unknown:
        print(describe(row))
    score = score_of(results, known)
    goals = [at_most("surviving, %", round(100 - score.percent, 2), MOST_SURVIVING_PERCENT)]
    figures = {
        "score": {**asdict(score), "percent": score.percent},
        "survivors": [asdict(row) for row in results if row.is_living],
    }
    return conclude("mutants", figures, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
