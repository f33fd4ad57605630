"""Follows the waits of blocked calls: waiting tree and accounting windows for all takers.

All takers of a sample share a follower. It opens and reads nothing before a call has blocked, so
calls that never block have no extra cost.
"""

from __future__ import annotations

from threading import Lock, get_native_id  # tests replace the attributes
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from ...core.attribution import Windows
from ...core.late_numpy import np
from ..clock import NEVER, Clock
from .foreign_work import ForeignWork, is_supported
from .waiting_tree import Reading, WaitingTree, ended_children, ended_children_cpu_ns

if TYPE_CHECKING:
    from ...core.attribution import Flags, Nanoseconds

SHORTEST_FOLLOWED_NS: Final = 100_000
"""Reading a small tree takes 20 to 40 µs outside the timed window, which would take longer than a
shorter call itself."""
_DEAD_THREADS_NS: Final = 50_000
"""CPU time of the process beyond that of its living threads from which a thread must have started
and ended meanwhile; reading the counters one after another explains less than this."""


class Start(NamedTuple):
    """Readings before a call."""

    tree: Reading
    ended: int
    ended_cpu: int | None
    """CPU time of ended children, in ns; None if a living child could end during the call, or if no
    child has ended during a call yet."""


class Followed(NamedTuple):
    """Activity of the tree during one call."""

    wait: int
    """Run-queue wait in ns."""
    cpu: int
    """CPU time of all threads except the measuring one, in ns."""
    unseen: bool
    """Whether the call may have waited for something outside the tree."""
    programs_cpu: int = 0
    """CPU time of children that started and ended within the call, in ns."""


class Follower:
    """Follows the waits of a sample; a context manager that closes its files at the end."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = Lock()
        self._tree = WaitingTree()
        self._work: ForeignWork | None = None
        self._has_unseen = self._ends_children = False
        self._words: tuple[str, ...] = ()
        self._calls = 0
        """Number of calls in the current window; callers of a load may miss some."""
        self.due = NEVER
        """When the current window may be closed, on the clock."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._tree.close()

    @property
    def is_started(self) -> bool:
        """Whether a call has blocked, so that accounting windows are kept."""
        return self._work is not None

    def add_caller(self) -> None:
        """Register the calling thread as one of several that make requests."""
        with self._lock:
            self._tree.exclude(get_native_id())

    def start_if_family(self) -> None:
        """Start if this process has children: their CPU time must not excuse its waits."""
        if self._tree.has_children():
            self.start()

    def start(self) -> None:
        """Start following: a call has blocked or is expected to."""
        with self._lock:
            if self._work is not None or not is_supported():
                return
            self._tree.refresh()
            self._work = ForeignWork(self.clock, self._tree)
            self.due = self._work.due

    def close_if_due(self) -> None:
        """Close the current window if it is over, and update the tree."""
        work = self._work
        if work is None or self.clock() < self.due or not self._lock.acquire(blocking=False):
            return
        try:
            self._close(work)
            self.due = work.due
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Close the last window at the end of measuring."""
        with self._lock:
            if self._work is not None:
                self._words = self._tree.words
                self._close(self._work)

    def _close(self, work: ForeignWork) -> None:
        calls, self._calls = self._calls, 0
        work.close_window(calls)

    def before(self) -> Start:
        """Read the tree before a call."""
        if self._tree.has_changed():
            with self._lock:
                self._tree.refresh()
        return self._start()

    def _start(self) -> Start:
        ended_cpu = None
        if self._ends_children and not self._tree.has_children():
            ended_cpu = ended_children_cpu_ns()
        return Start(self._tree.read(), ended_children(), ended_cpu)

    def after(self, start: Start, other_cpu_ns: int) -> tuple[Followed, Start]:
        """Return the activity of the tree since the start, and the start of the next call.

        other_cpu_ns: CPU time of this process during the call, less that of the measuring thread.
        """
        self._calls += 1
        programs_cpu = 0
        if start.ended_cpu is not None:
            programs_cpu = ended_children_cpu_ns() - start.ended_cpu
        before, now = start.tree, self._start()
        after = now.tree
        threads_cpu = after.threads_cpu - before.threads_cpu
        came_and_went = not self._tree.has_callers and other_cpu_ns - threads_cpu > _DEAD_THREADS_NS
        has_ended_children = now.ended != start.ended
        self._ends_children = self._ends_children or has_ended_children
        unseen = (
            came_and_went
            or has_ended_children
            or after.generation != before.generation
            or self._tree.has_changed()
            or self._tree.is_blind
        )
        self._has_unseen = self._has_unseen or unseen
        cpu = threads_cpu + after.others_cpu - before.others_cpu
        wait = max(0, after.wait - before.wait)
        return Followed(wait, max(0, cpu) + programs_cpu, unseen, programs_cpu), now

    def windows(self) -> Windows:
        """Return the accounting windows so far."""
        if self._work is None:
            nothing, no = np.array([0.0]), np.array([False])
            return Windows(nothing, nothing, nothing, calm=no, disk=nothing, busy_children=no)
        return self._work.windows()

    def window_of(self, ends: Nanoseconds) -> Nanoseconds:
        """Return the index of the window in which each observation ended. ends: on the clock."""
        borders = np.array(self._work.ends if self._work else [], dtype=np.int64)
        return np.searchsorted(borders, ends, side="left")

    def unseen_in(self, window: Nanoseconds) -> Flags:
        """Return whether a connection was opened in these windows, or the tree was incomplete."""
        flags = self._work.unseen if self._work else []
        return np.array([*flags, False])[window]

    @property
    def closed(self) -> int:
        """Number of closed accounting windows."""
        return len(self._work.ends) if self._work else 0

    @property
    def words(self) -> tuple[str, ...]:
        """What was followed, in words; available once measuring is finished."""
        if self._work is None:
            return ()
        unseen = self._has_unseen or any(self._work.unseen)
        return (*self._words, *(("something unknown",) if unseen else ()))
