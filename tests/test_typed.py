"""The public interface as a type checker sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

INTERFACE = Path(__file__).parent / "typed" / "public_interface.py"


def test_a_type_checker_accepts_correct_use_and_finds_every_mistake() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", str(INTERFACE)]
    checked = subprocess.run(
        command, cwd=INTERFACE.parents[2], capture_output=True, text=True, check=False
    )
    found = set(map(int, re.findall(r"public_interface\.py:(\d+): error", checked.stdout)))
    lines = INTERFACE.read_text(encoding="utf-8").splitlines()
    planted = {at for at, line in enumerate(lines, 1) if line.endswith("# error")}
    assert found == planted, checked.stdout
