"""The parts of the gate, checked in a process of their own: importing them imports Locust."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UNITS = sorted(Path(__file__).with_name("units").glob("check_*.py"))


def test_the_parts_of_the_gate() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, UNITS)],
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert " passed" in done.stdout
