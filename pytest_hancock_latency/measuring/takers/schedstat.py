"""The kernel's counters of the measuring thread: run-queue wait, CPU time, context switches.

`/proc/thread-self/schedstat` has three numbers: ns on the CPU, ns waiting to run, time slices. It
is opened once per measuring thread, because the path refers to the thread that opens it. Reading it
takes about a microsecond. It is read as close to the timed window as possible, because preemptions
often happen during the reading itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from ...core.late_numpy import np
from ..own_modules import READ_ONLY, own_os, own_resource

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds

PATH: Final = "/proc/thread-self/schedstat"
LONGEST_LINE: Final = 96


class NoScheduler(Exception):
    """The kernel does not provide run-queue waits here; the message says why."""


class Scheduler:
    """The counters of the thread that creates it; a context manager."""

    def __init__(self, path: str = PATH) -> None:
        """Open the counters.

        Raises:
            NoScheduler: they are missing or always zero.
        """
        try:
            self._file = own_os.open(path, READ_ONLY)
        except OSError as error:
            raise NoScheduler(f"{path}: {error.strerror}") from None
        try:
            cpu, _wait, slices = map(int, self.read().split())
        except (OSError, ValueError):
            self.close()
            raise NoScheduler(f"{path}: not three numbers") from None
        if not cpu and not slices:
            self.close()
            raise NoScheduler(f"{path}: the kernel keeps no scheduler statistics")

    def read(self) -> bytes:
        """Return the raw line; it is parsed later, outside all timing."""
        return own_os.pread(self._file, LONGEST_LINE, 0)

    @property
    def descriptor(self) -> int:
        """The open file, for loops that call `pread` themselves."""
        return self._file

    def close(self) -> None:
        """Close the counters."""
        own_os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def run_queue_waits(lines: Sequence[bytes]) -> Nanoseconds:
    """Return the run-queue wait in ns from each raw line."""
    numbers = np.fromstring(b"".join(lines).decode("ascii"), dtype=np.int64, sep=" ")
    return numbers[1::3]


def times_blocked() -> Callable[[], int] | None:
    """Return a reader of how often the calling thread blocked; None if unknown.

    That is its voluntary context switches, and the pages for which it waited for a disk.
    """
    try:
        getrusage, thread = own_resource.getrusage, own_resource.RUSAGE_THREAD
    except AttributeError:
        return None

    def read() -> int:
        usage = getrusage(thread)
        return usage.ru_nvcsw + usage.ru_majflt

    return read
