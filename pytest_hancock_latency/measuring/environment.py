"""The machine and the interpreter, as plain data for artifacts."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from .circumstances import cores, cpu_quota


def machine_info() -> dict[str, Any]:
    """CPU, cores, memory in bytes, operating system and Python of this process."""
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": cores(),
        "cpu_quota": cpu_quota(),
        "memory_bytes": _memory_bytes(),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, None)


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
