"""Try mutants: make the change, run its tests, write the result down at once."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from .children import Copy, Ending, Job, Task, run_all
from .covering import Test
from .mutants import Key, Mutant, Source

KILLED, TIMEOUT, SURVIVED, NO_TESTS = "killed", "timeout", "survived", "no tests"
LIVING: Final = frozenset({SURVIVED, NO_TESTS})
LEAST_SECONDS: Final = 20
"""How long a test may take at least, however fast it is without a mutant."""
SLOWER: Final = 6
"""How much longer than without a mutant a test may take, on a machine that does other work."""
EXIT_OF_NO_TESTS: Final = 5
CLOSEST_FILES: Final = 2


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    path: str
    digest: str
    """Of the file, without the mutant."""
    operator: str
    occurrence: int
    line: int
    before: str
    after: str
    outcome: str
    tests: int
    """How many tests were chosen to run."""
    seconds: float
    failed: str = ""
    """The first test that failed."""

    @property
    def key(self) -> Key:
        """That of the mutant in `Source.key`."""
        return self.path, self.digest, self.operator, self.occurrence

    @property
    def is_living(self) -> bool:
        """Whether no test noticed."""
        return self.outcome in LIVING


@dataclass(frozen=True)
class Selection:
    """A plugin that runs the chosen tests only, in their order, each with a time limit."""

    order: Mapping[str, int]
    seconds: Mapping[str, float]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        # Ends the process, so that a loop without an end in C ends too, and Hypothesis does not
        # try for a smaller example.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        limit = LEAST_SECONDS + SLOWER * self.seconds[item.nodeid]
        signal.setitimer(signal.ITIMER_REAL, limit)
        result = yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        return result


@dataclass(frozen=True)
class Trial:
    """A mutant, and the tests that may notice it, the closest first."""

    source: Source
    mutant: Mutant
    tests: Sequence[Test]
    is_control: bool = False
    """Whether the change is not made, so that a test that fails does so by itself."""

    @property
    def stages(self) -> list[Sequence[Test]]:
        """The tests of the closest files, and the others.

        Most mutants need only the first stage, which imports less.
        """
        files = [*dict.fromkeys(test.path for test in self.tests)][:CLOSEST_FILES]
        count = len([*takewhile(lambda test: test.path in files, self.tests)])
        return [stage for stage in (self.tests[:count], self.tests[count:]) if stage]

    def result(self, outcome: str, seconds: float = 0, text: str = "") -> Result:
        """What is written down."""
        return Result(
            path=self.mutant.path,
            digest=self.source.digest,
            operator=self.mutant.operator,
            occurrence=self.mutant.occurrence,
            line=self.mutant.line,
            **asdict(self.source.diff(self.mutant)),
            outcome=outcome,
            tests=len(self.tests),
            seconds=round(seconds, 1),
            failed=_first_failed(text),
        )


@dataclass(frozen=True)
class _Trying:
    """One stage of a trial, as a task."""

    trial: Trial
    stages: Sequence[Sequence[Test]]
    earlier_seconds: float
    tasks: deque[Task]
    done: Callable[[Result], None]

    def prepare(self, copy: Copy) -> Job:
        """Make the change in the copy."""
        source, tests = self.trial.source, self.stages[0]
        path = copy.tree / source.path
        write(path, source.text if self.trial.is_control else source.mutated(self.trial.mutant))
        selection = Selection(
            {test.name: position for position, test in enumerate(tests)},
            {test.name: test.seconds for test in tests},
        )
        files = dict.fromkeys(str(copy.tree / test.path) for test in tests)
        longest = 3 * LEAST_SECONDS + SLOWER * sum(test.seconds for test in tests)
        return Job([*files], [selection], seconds=longest, undo=lambda: write(path, source.text))

    def conclude(self, ending: Ending) -> None:
        """Go on with the next stage, or write the result down."""
        outcome = _outcome(ending.code)
        seconds = self.earlier_seconds + ending.seconds
        if outcome in LIVING and len(self.stages) > 1:
            following = _Trying(self.trial, self.stages[1:], seconds, self.tasks, self.done)
            self.tasks.appendleft(Task(following.prepare, following.conclude))
            return
        self.done(self.trial.result(outcome, seconds, ending.text))


def try_all(
    copies: Sequence[Copy], trials: Sequence[Trial], file: Path, announce: Callable[[Result], None]
) -> None:
    """Try each mutant with its tests; append its result to the file, unless it is a control."""
    tasks: deque[Task] = deque()

    def done(result: Result) -> None:
        announce(result)
        if any(trial.is_control for trial in trials):
            return
        with file.open("a", encoding="utf-8") as appended:
            appended.write(json.dumps(asdict(result)) + "\n")

    for trial in trials:
        if trial.tests:
            first = _Trying(trial, trial.stages, 0, tasks, done)
            tasks.append(Task(first.prepare, first.conclude))
        else:
            done(trial.result(NO_TESTS))
    run_all(copies, tasks)


def read_results(file: Path) -> dict[Key, Result]:
    """The latest result of each mutant that was tried; removes a line without its end."""
    if not file.exists():
        return {}
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # the last line of a run that was killed
        file.write_text(whole, encoding="utf-8")
    rows = [Result(**json.loads(line)) for line in whole.splitlines()]
    return {row.key: row for row in rows}


def write(path: Path, text: str) -> None:
    """Replace a file of a copy and forget its compiled form.

    Python compares times and sizes to see whether that is out of date: a mutant may have both.
    """
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    path.write_text(text, encoding="utf-8")


def _outcome(code: int) -> str:
    if code == 0:
        return SURVIVED
    if code == EXIT_OF_NO_TESTS:
        return NO_TESTS
    if code in (-signal.SIGALRM, -signal.SIGKILL):
        return TIMEOUT
    return KILLED


def _first_failed(text: str) -> str:
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return found.group(1).replace(os.sep, "/") if found else ""
