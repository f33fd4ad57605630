from __future__ import annotations

import subprocess
import sys
from subprocess import CompletedProcess

from pytest_hancock_latency import Sampler, latency_budget

COMMAND = [sys.executable, "-I", "-S", "-c", "print('ready')"]


def is_ready(finished: CompletedProcess[str]) -> None:
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "ready\n"


@latency_budget(p50="1s", p90="3s", time_limit="20s", warmup=2)
def test_the_command_starts(sample: Sampler) -> None:
    sample(subprocess.run, COMMAND, capture_output=True, text=True, timeout=10, check=is_ready)
