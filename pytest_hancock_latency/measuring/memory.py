"""The memory that this process takes, which bounds the inputs that are made."""

from __future__ import annotations

from .own_modules import UNKNOWN, own_os, own_resource, read_file


def memory_in_use() -> int:
    """Return the resident memory in bytes; elsewhere than on Linux, the most that there was.

    0 where neither is known.
    """
    try:
        return int(read_file("/proc/self/statm").split()[1]) * own_os.sysconf("SC_PAGE_SIZE")
    except UNKNOWN:
        if own_resource is None:
            return 0
        return int(own_resource.getrusage(own_resource.RUSAGE_SELF).ru_maxrss)
