"""The machine and the interpreter, as plain data for artifacts."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from .own_modules import UNKNOWN, Place, own_os, read_file

_CGROUP_CPU: Final = "/sys/fs/cgroup/cpu.max"
_CGROUP_MEMORY: Final = "/sys/fs/cgroup/memory.max"
_GOVERNOR: Final = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


def machine_info(folder: Path) -> dict[str, Any]:
    """Return CPU, cores, memory, operating system, load and Python; None means unknown.

    Args:
        folder: a folder on the disk whose free space is reported.
    """
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": len(allowed_cpus()),
        "cpu_quota": cpu_quota(),
        "governor": governor(),
        "load": load(),
        "memory_bytes": _memory_bytes(),
        "container_memory_bytes": container_memory_bytes(),
        "free_disk_bytes": free_disk_bytes(folder),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }


def load() -> list[float] | None:
    """Return the load averages of the last 1, 5 and 15 minutes."""
    try:
        return [round(average, 2) for average in own_os.getloadavg()]
    except (AttributeError, OSError):
        return None


def container_memory_bytes(path: Place = _CGROUP_MEMORY) -> int | None:
    """Return the memory limit of the container; None if unlimited or unknown."""
    try:
        return int(read_file(path))
    except UNKNOWN:  # "max" is not a number
        return None


def governor(path: Place = _GOVERNOR) -> str | None:
    """Return the frequency governor of the first core, such as ``performance``."""
    try:
        return read_file(path).decode("ascii").strip() or None
    except UNKNOWN:
        return None


def free_disk_bytes(folder: Path) -> int | None:
    """Return the free space on the disk of the folder."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _cpu_model() -> str | None:
    try:
        lines = read_file("/proc/cpuinfo").decode(errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, None)


def _memory_bytes() -> int | None:
    try:
        return own_os.sysconf("SC_PAGE_SIZE") * own_os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def allowed_cpus() -> set[int]:
    """Return the numbers of the CPUs that this process may run on."""
    try:
        return own_os.sched_getaffinity(0)
    except AttributeError:
        return set(range(os.cpu_count() or 1))


def cpu_quota() -> float | None:
    """Return the number of CPUs that the container may use; None if unlimited."""
    try:
        quota, period = read_file(_CGROUP_CPU).split()
        return int(quota) / int(period)
    except UNKNOWN:
        return None
