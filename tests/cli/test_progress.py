"""Progress: silent for two seconds, then one line that is written again, or some lines of a log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pytest_hancock_latency.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (
            Terminal(),
            "\rall.csv: 40 MB read\x1b[K\r\rall.csv: 60 MB read\x1b[K\r"
            "\rall.csv: 300 MB read\x1b[K\r",
        ),
        (io.StringIO(), "all.csv: 40 MB read\nall.csv: 300 MB read\n"),
    ],
)
def test_progress_is_said_from_two_seconds_on(stream: io.StringIO, text: str) -> None:
    clock = Clock()
    progress = Progress(Path("folder", "all.csv"), clock, stream)
    for clock.now in (0.0, 1.9, 2.0, 2.1, 3.0, 15.0):
        progress(round(clock.now * 20e6))
    assert stream.getvalue() == text
