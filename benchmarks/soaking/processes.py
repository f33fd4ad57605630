"""Memory, descriptors and threads of processes, from /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MEMORY = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)
_THREADS = re.compile(r"^Threads:\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """One process at one moment."""

    rss_bytes: int
    pss_bytes: int
    """Shared pages are divided by the number of processes that map them, so this figure changes
    whenever another Python starts or ends."""
    descriptors: int
    threads: int


def reading(pid: int, proc: Path = Path("/proc")) -> Reading:
    """Read one process.

    Raises:
        OSError: it has ended.
    """
    folder = proc / str(pid)
    memory = dict(_MEMORY.findall((folder / "smaps_rollup").read_text(encoding="ascii")))
    threads = _THREADS.search((folder / "status").read_text(encoding="utf-8"))
    assert threads is not None
    return Reading(
        rss_bytes=int(memory["Rss"]) * 1024,
        pss_bytes=int(memory["Pss"]) * 1024,
        descriptors=sum(1 for _ in (folder / "fd").iterdir()),
        threads=int(threads[1]),
    )


def children(pid: int) -> tuple[int, ...]:
    """The process ids of the children of the main thread, the oldest first."""
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
