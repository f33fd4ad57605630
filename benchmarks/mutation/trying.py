"""Try mutants: make the change, run its tests, write the result down at once."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from .children import Copy, Ending, Job, run_all
from .covering import Test
from .mutants import Mutant, Source

KILLED, TIMEOUT, SURVIVED, NO_TESTS = "killed", "timeout", "survived", "no tests"
LIVING: Final = frozenset({SURVIVED, NO_TESTS})
LEAST_SECONDS: Final = 20
"""How long a test may take at least, however fast it is without a mutant."""
SLOWER: Final = 6
"""How much longer than without a mutant a test may take, on a machine that does other work."""
EXIT_OF_NO_TESTS: Final = 5


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
    def key(self) -> tuple[str, str, str, int]:
        """Names the mutant, for as long as its file is the same."""
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


def try_all(
    copies: Sequence[Copy],
    work: Sequence[tuple[Source, Mutant, Sequence[Test]]],
    results_file: Path,
    announce: Callable[[Result], None],
) -> None:
    """Try each mutant with its tests; append its result to the file."""
    used: dict[int, Copy] = {}

    def prepare(number: int, copy: Copy) -> Job:
        source, mutant, tests = work[number]
        used[number] = copy
        _write(copy.tree / source.path, source.mutated(mutant))
        names = [test.name for test in tests]
        selection = Selection(
            {name: position for position, name in enumerate(names)},
            {test.name: test.seconds for test in tests},
        )
        files = dict.fromkeys(test.path for test in tests)
        longest = 3 * LEAST_SECONDS + SLOWER * sum(test.seconds for test in tests)
        return Job([str(copy.tree / file) for file in files], [selection], seconds=longest)

    def conclude(number: int, ending: Ending) -> None:
        source, mutant, tests = work[number]
        _write(used.pop(number).tree / source.path, source.text)
        diff = source.diff(mutant)
        result = Result(
            path=mutant.path,
            digest=source.digest,
            operator=mutant.operator,
            occurrence=mutant.occurrence,
            line=mutant.line,
            **asdict(diff),
            outcome=_outcome(ending.code) if tests else NO_TESTS,
            tests=len(tests),
            seconds=round(ending.seconds, 1),
            failed=_first_failed(ending.text),
        )
        with results_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        announce(result)

    run_all(
        copies,
        ((partial(prepare, number), partial(conclude, number)) for number in range(len(work))),
    )


def read_results(file: Path) -> dict[tuple[str, str, str, int], Result]:
    """The latest result of each mutant that was tried; removes a line without its end."""
    if not file.exists():
        return {}
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # the last line of a run that was killed
        file.write_text(whole, encoding="utf-8")
    rows = [Result(**json.loads(line)) for line in whole.splitlines()]
    return {row.key: row for row in rows}


def _write(path: Path, text: str) -> None:
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
