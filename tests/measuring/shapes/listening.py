"""What a shape of load tells others, kept for the tests: its progress, and its part in a duel."""

from __future__ import annotations

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.sample import Progress


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warned: list[Advice] = []
        self.shown: list[Progress] = []
        self.ended = 0

    def warn(self, advice: Advice) -> None:
        self.warned.append(advice)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def done(self) -> None:
        self.ended += 1


class Duel:
    """A duel, which leaves out what cannot take turns with the other side."""

    def __init__(self) -> None:
        self.left_out: list[tuple[str, str]] = []

    def wait_for_other_side(self, name: str, warmup_ns: object) -> None: ...

    def leave_out(self, name: str, shape: str) -> None:
        self.left_out.append((name, shape))
