"""Which tests run which lines: recorded by coverage, and kept until the tests change."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import coverage
import pytest

from .children import Copy, Ending, Job, Task, run_all
from .mutants import Source

RECORDING_SECONDS: Final = 600


@dataclass(frozen=True)
class Test:
    """One test, as it was recorded."""

    __test__ = False

    name: str
    """The node id of pytest."""
    seconds: float
    passed: bool
    lines: Mapping[str, frozenset[int]]
    """The lines it runs, by path; none of a file that has changed since it was recorded."""

    @property
    def path(self) -> str:
        """The file it is in."""
        return self.name.split("::")[0]


@dataclass
class Recorder:
    """A plugin that tells coverage which test runs, and writes down what ran."""

    coverage: coverage.Coverage
    tree: Path
    digests: Mapping[str, str]
    """Of the files whose lines are recorded, by path."""
    target: Path
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.tests[item.nodeid] = {"passed": True, "seconds": 0.0, "lines": {}}
        self.coverage.switch_context(item.nodeid)
        started = time.monotonic()
        result = yield
        self.tests[item.nodeid]["seconds"] = round(time.monotonic() - started, 3)
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self.tests[report.nodeid]["passed"] = False

    def write(self) -> None:
        """Called after pytest."""
        self.coverage.stop()
        found = self.coverage.get_data()
        for path in found.measured_files():
            relative = Path(path).relative_to(self.tree).as_posix()
            for line, names in found.contexts_by_lineno(path).items():
                for name in names:
                    if name in self.tests:
                        self.tests[name]["lines"].setdefault(relative, []).append(line)
        plain = {"digests": self.digests, "tests": self.tests}
        self.target.write_text(json.dumps(plain), encoding="utf-8")


@dataclass(frozen=True)
class Coverage:
    """All tests that may be run for a mutant."""

    tests: Sequence[Test]
    failed: Sequence[str]
    """The tests that are not used, because they fail or are skipped without any mutant."""

    def for_place(
        self, source: Source, line: int, importers: Iterable[str], most_seconds: float
    ) -> list[Test]:
        """The tests for a line, the closest first, as many as the time allows.

        What runs when a module is imported, or once in a process, is in the lines of no test or of
        the first one only. So tests that run other lines of the file, or of a file that imports
        it, follow those that run the line.
        """
        around = source.statement(line)
        neighbours = set(importers)
        stem = PurePosixPath(source.path).stem
        folder = PurePosixPath(source.path).parent.name
        ranked = []
        for test in self.tests:
            runs_file = source.path in test.lines
            runs_line = runs_file and not test.lines[source.path].isdisjoint(around)
            is_named = stem.strip("_") in test.path
            if not (runs_file or is_named or neighbours & test.lines.keys()):
                continue
            is_near = folder in PurePosixPath(test.path).parts
            distance = (not runs_line, not is_named, not is_near, not runs_file)
            ranked.append((*distance, test.seconds, test))
        chosen: list[Test] = []
        left = most_seconds
        for *_, test in sorted(ranked, key=lambda row: row[:-1]):
            if test.seconds <= left:
                chosen.append(test)
                left -= test.seconds
        return chosen


def importers_of(sources: Sequence[Source]) -> dict[str, set[str]]:
    """For each file, the files that import it."""
    stems = {
        source.path: source.path.removesuffix(".py").removesuffix("/__init__").rsplit("/", 1)[-1]
        for source in sources
    }
    return {
        path: {source.path for source in sources if stem in source.imports}
        for path, stem in stems.items()
    }


def record(
    copies: Sequence[Copy], test_files: Sequence[str], targets: Sequence[Source], kept: Path
) -> Coverage:
    """Run each test file that has changed since it was recorded; `kept` has the earlier ones."""
    kept.mkdir(parents=True, exist_ok=True)
    tree = copies[0].tree
    written = {name: kept / f"{_digest_of(tree / name)}.json" for name in test_files}
    missing = [name for name in test_files if not written[name].exists()]
    digests = {target.path: target.digest for target in targets}

    def prepare(name: str, copy: Copy) -> Job:
        recording = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[str(copy.tree / target.path) for target in targets],
        )
        recorder = Recorder(recording, copy.tree, digests, written[name])
        return Job(
            ["-m", "not long", "--maxfail=1000", str(copy.tree / name)],
            [recorder, _Starter(recording)],
            recorder.write,
            RECORDING_SECONDS,
        )

    def conclude(name: str, ending: Ending) -> None:
        if not written[name].exists():
            raise SystemExit(f"{name} cannot be recorded:\n{ending.text[-2000:]}")
        print(f"recorded {name} in {ending.seconds:.1f} s", flush=True)

    run_all(
        copies, deque(Task(partial(prepare, name), partial(conclude, name)) for name in missing)
    )
    return _read(written.values(), digests)


@dataclass(frozen=True)
class _Starter:
    """Starts coverage in the child: a fork of a process that is traced would be traced as well."""

    coverage: coverage.Coverage

    def pytest_configure(self) -> None:
        self.coverage.start()


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _read(files: Iterable[Path], digests: Mapping[str, str]) -> Coverage:
    tests, failed = [], []
    for file in files:
        plain = json.loads(file.read_text(encoding="utf-8"))
        for name, row in plain["tests"].items():
            if not row["passed"]:
                failed.append(name)
                continue
            lines = {
                path: frozenset(numbers if plain["digests"].get(path) == digests.get(path) else ())
                for path, numbers in row["lines"].items()
            }
            tests.append(Test(name, row["seconds"], True, lines))
    return Coverage(tests, failed)
