"""How much memory the workers have now, read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_RESIDENT_PAGES = 1  # the second number of /proc/<pid>/statm


class ResidentMemory(Collector):
    """Sums the resident memory of the processes that `pids` gives; pages they share count twice."""

    def __init__(self, pids: Callable[[], Iterable[int]], processes: Path = Path("/proc")) -> None:
        self._pids = pids
        self._processes = processes
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge; none where the system has no /proc to read it from."""
        pages = [self._resident_pages(pid) for pid in self._pids()]
        if any(pages):
            yield GaugeMetricFamily(
                "hancock_memory_usage_bytes",
                "Resident memory now, of all workers",
                value=sum(pages) * self._page_bytes,
            )

    def _resident_pages(self, pid: int) -> int:
        try:
            numbers = (self._processes / str(pid) / "statm").read_text("ascii").split()
        except OSError:
            # It has ended since it was listed.
            return 0
        return int(numbers[_RESIDENT_PAGES])


def this_process() -> list[int]:
    """The process that is asked."""
    return [os.getpid()]


def live_workers(folder: str) -> list[int]:
    """The processes with a file of live gauges in prometheus-client's multiprocess `folder`."""
    return [int(found.stem.rpartition("_")[2]) for found in Path(folder).glob("gauge_live*_*.db")]
