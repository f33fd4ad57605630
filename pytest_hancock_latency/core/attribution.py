"""How much of a latency the code took, and how much the machine took.

A thread that is ready to run but not running waits in the kernel's run queue, and the kernel counts
that time. When a call blocks, *other* threads and processes may wait in the queue: those that it
may be blocked on form its waiting tree. Subtracting these waits from the wall-clock latency leaves
the time the code took. Of a call that never blocked, whatever neither the CPU clock nor the run
queue explains was stolen by the hypervisor. Neighbours also slow the code down while it runs: its
CPU time is divided by the slowness of the machine around it (`undisturbed`). Raw latency is never
replaced, and time that was only estimated can turn a failure into *inconclusive*, but never into a
pass.

For each observation, and for each accounting window of at least 250 ms:

    waits      own run-queue wait, plus that of the tree if the call blocked
    off        wall − own CPU time
    candidate  min(waits, off)
    foreign    what others consumed in the window: busy time of the CPUs less that of the tree,
               plus the time for which a quota stopped the container
    consumed   foreign divided by the total CPU time available in the window
    excused    candidate · min(1, max(foreign / sum of the candidates of the window, consumed))

The machine cannot have taken more time in a window than others consumed in it, so a burst that
overloads a quiet machine is blamed itself. Callers of a burst all wait at the same time: if others
consumed nine tenths of the machine, each caller could have finished in a tenth of its time, however
many there are. While a window is still open, its foreign work is unknown and all candidates are
excused: attributed latency can only rise later, so no verdict of *exceeded* comes too early.

A call that commits to a disk also waits for the commits of others. If both others and the tree
wrote, its time asleep is excused up to the time for which a disk kept tasks waiting.

If a call waited for something outside the tree, its time asleep counts against the code only in
calm windows. There may be a sign of that (a short-lived thread or program, a server on another
machine, a process that behaves like a peer); without one, it is so if nothing in the tree ran or
waited meanwhile. A timed wait of the measuring thread itself is its own: whatever the machine does,
it takes the same time to some microseconds, which no answer of somebody else does. The CPU time of
the process and of programs that it ran during the call is never excused: divided by the number of
CPUs, it is the least time the call takes on any machine. Requests of an open loop that pile up
because the machine delayed some of them delay each other: the CPU time of siblings is excused by
the share that others consumed.

All arrays have one element per observation, shape (n,), integer nanoseconds unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .late_numpy import np

if TYPE_CHECKING:
    import numpy.typing as npt

    Nanoseconds = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

READING_NS: Final = 5_000
"""Time that reading the counters takes; a longer wait fell outside the timed window."""
OWN_NOISE_NS: Final = 20_000
"""Process CPU time beyond the thread's own that reading two clocks in turn explains."""
WAITED: Final = "waited for a core"
TREE_WAITED: Final = "what it waited for waited for a core"
THROTTLED: Final = "throttled by the container's quota"
UNSEEN: Final = "waited for something unseen on a busy machine"
DISK: Final = "waited for a disk that others wrote to"
QUEUED: Final = "queued behind requests that the machine had delayed"
STOLEN: Final = "stolen by the hypervisor"
SLOW_MACHINE: Final = "slow machine"
COLLECTOR: Final = "collector"
"""Not excused: a garbage collection is latency of the code."""
CAUSES: Final = (
    *(WAITED, TREE_WAITED, THROTTLED, UNSEEN, DISK, QUEUED),
    *(STOLEN, SLOW_MACHINE, COLLECTOR),
)
"""All causes of a slow observation, as artifacts name them; the schema lists them as well."""
_TIMER_NS: Final = 50_000
"""Timed waits of the same length, without the wait for a CPU after them, differed by 10 µs next to
nothing and to four loops; of waits for a named pipe, 20 % at most were that near to each other."""
_TIMER_SHARE: Final = 0.001
"""For long ones: the clocks of timer and measurement may differ by that much."""
_MOST_TIMED: Final = 0.5
_LEAST_TIMED: Final = 5
_MOSTLY: Final = 0.5
"""Share of the foreign work from which a window counts as throttled."""


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Differences of counters over each bracketed observation."""

    wall: Nanoseconds
    thread_cpu: Nanoseconds
    process_cpu: Nanoseconds
    run_queue: Nanoseconds
    """Run-queue wait between the two readings of the counters."""
    gap_before: Nanoseconds
    """From the start of the first reading to the start of the window."""
    gap_after: Nanoseconds


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What the machine did in each observation."""

    start: Nanoseconds
    """Start of the observation on the clock."""
    wall: Nanoseconds
    run_queue: Nanoseconds
    """Run-queue wait of the measuring thread inside the timed window, see `waits_in_window`."""
    own_wait: Nanoseconds
    """The part of `run_queue` during which no other thread of the process ran, see
    `without_own_threads`."""
    thread_cpu: Nanoseconds
    slowness: Numbers
    """By how much slower the machine was than undisturbed, at least 1."""
    blocked: Flags
    """Whether the thread gave up its CPU voluntarily, or waited for a page from a disk."""
    tree_wait: Nanoseconds
    """Sum of the run-queue waits of the others in the waiting tree."""
    tree_cpu: Nanoseconds
    """CPU time of the whole tree, the measuring thread included."""
    own_work: Nanoseconds
    """CPU time of this process and of programs that started and ended within the call, divided by
    the number of CPUs: no machine can do the work faster."""
    siblings_cpu: Nanoseconds
    """CPU time of this process less that of the measuring thread."""
    queued: Flags
    """Whether it started behind schedule because earlier requests had not finished."""
    unseen: Flags
    """Whether it may have waited for something that is not in the tree."""
    timed_out: Flags
    """Whether it is known to have timed out: a wait for somebody else, not for the timer."""
    window: Nanoseconds
    """Index of the accounting window in which each of them ended."""

    @property
    def off_cpu(self) -> Nanoseconds:
        """Time for which the measuring thread did not run."""
        off_cpu: Nanoseconds = np.maximum(0, self.wall - self.thread_cpu)
        return off_cpu

    @property
    def candidate(self) -> Nanoseconds:
        """The maximum time that others can have taken of each observation."""
        waits = self.run_queue + np.where(self.blocked, self.tree_wait, 0)
        candidate: Nanoseconds = np.minimum(waits, self.off_cpu)
        return candidate


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Activity of others in each accounting window, shape (windows,)."""

    foreign: Numbers
    """CPU time that others consumed plus time for which a quota stopped the container, in ns;
    infinite while unknown."""
    consumed: Numbers
    """`foreign` as a share of the available CPU time, from 0 to 1; 1 while unknown."""
    throttled: Numbers
    """The part of `foreign` for which a quota stopped the container."""
    calm: Flags
    """Whether almost no task waited for a CPU; False while unknown."""
    disk: Numbers
    """Time for which a disk that others wrote to as well kept tasks waiting, in ns; 0 if the tree
    or the others wrote nothing, infinite while unknown."""
    busy_children: Flags
    """Whether children of the process used CPUs; False while unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The part of each observation that the code took."""

    attributed: Nanoseconds
    at_most: Nanoseconds
    """At most what the code took: raw latency without time that it certainly did not run. For calls
    that never blocked, while no other thread of the test computed; otherwise raw latency."""
    excused: Mapping[str, Numbers]
    """Time that the machine took, by cause."""


def waits_in_window(brackets: Brackets) -> Nanoseconds:
    """Return the run-queue wait that fell into the timed window.

    Wait that fits into the gaps around the window is assigned to them, not to the observation.
    """
    b = brackets
    off_cpu = np.maximum(0, b.wall - b.thread_cpu)
    outside = np.maximum(0, b.gap_after - READING_NS) + np.maximum(0, b.gap_before - READING_NS)
    waits: Nanoseconds = np.minimum(np.maximum(0, b.run_queue - outside), off_cpu)
    return waits


def without_own_threads(waits: Nanoseconds, brackets: Brackets) -> Nanoseconds:
    """Return the waits less the CPU time that other threads of the process used meanwhile.

    Those threads may have occupied the CPU that the measuring thread waited for, so only the rest
    was certainly taken by the machine.
    """
    burnt = brackets.process_cpu - brackets.thread_cpu - OWN_NOISE_NS
    rest: Nanoseconds = np.maximum(0, waits - np.maximum(0, burnt))
    return rest


def waiting_for_each_other(callers: Sequence[Circumstances]) -> list[Circumstances]:
    """Return the callers of one load, each with the others' run-queue waits added to its tree.

    Threads of one process share its interpreter lock: a caller sleeps while another one holds the
    lock and waits for a CPU. A wait is spread evenly over its call.
    """
    courses = []
    for c in callers:
        ends = np.stack([c.start, c.start + c.wall], axis=1).ravel()
        waited = np.cumsum(c.run_queue)
        courses.append((ends, np.stack([waited - c.run_queue, waited], axis=1).ravel()))
    together = []
    for at, c in enumerate(callers):
        others = np.zeros(len(c.wall))
        for ends, waited in (*courses[:at], *courses[at + 1 :]):
            if len(ends):
                until = np.interp(c.start + c.wall, ends, waited)
                others += until - np.interp(c.start, ends, waited)
        together.append(replace(c, tree_wait=c.tree_wait + others.astype(np.int64)))
    return together


def candidates(circumstances: Circumstances, windows: Windows) -> Numbers:
    """Return the most that can be excused in each window, shape (windows,)."""
    return _by_window(circumstances.candidate, circumstances.window, windows)


def _by_window(candidate: Nanoseconds, window: Nanoseconds, windows: Windows) -> Numbers:
    totals = np.bincount(window, weights=candidate, minlength=len(windows.foreign))
    return totals.astype(np.float64)


def _up_to(bound: Numbers, times: Numbers, window: Nanoseconds) -> Numbers:
    """Scale the times times down to the bound of their window, all by the same factor."""
    totals = np.bincount(window, weights=times, minlength=len(bound))
    shares: Numbers = np.minimum(1.0, bound / np.maximum(1.0, totals))[window]
    return times * shares


def timed_waits(circumstances: Circumstances) -> Nanoseconds:
    """Return for how long each call only waited for a timer, if it may have waited for others.

    At least half of the calls that slept have the same time asleep: no peer answers so steadily.
    Those that slept for longer waited for that timer as well, and then for something else.
    """
    c = circumstances
    nothing = np.zeros_like(c.wall)
    is_asked = c.blocked & c.unseen & ~c.timed_out
    if is_asked.sum() < _LEAST_TIMED:
        return nothing
    asleep: Nanoseconds = np.maximum(0, c.off_cpu - c.run_queue)
    ordered = np.sort(asleep[is_asked])
    width = _TIMER_NS + _TIMER_SHARE * asleep
    alike = np.searchsorted(ordered, asleep + width, "right") - np.searchsorted(
        ordered, asleep - width, "left"
    )
    is_timed = is_asked & (alike >= max(_LEAST_TIMED, _MOST_TIMED * len(ordered)))
    if not is_timed.any():
        return nothing
    timer_ns = asleep[is_timed].max()
    has_timer = is_timed | (is_asked & (asleep >= timer_ns))
    return np.where(has_timer, np.minimum(asleep, timer_ns), 0)


def attribute(
    circumstances: Circumstances, windows: Windows, totals: Numbers | None = None
) -> Attribution:
    """Return attributed latency: raw latency less the time that the machine took.

    The measuring thread's own wait is excused in full, unless children of the process were busy;
    so is stolen time. All other waits are bounded by what others consumed in the window.

    totals: `candidates` of all callers of a load together; by default of this caller alone.
    """
    c, off_cpu, candidate = circumstances, circumstances.off_cpu, circumstances.candidate
    totals = _by_window(candidate, c.window, windows) if totals is None else totals
    shares = np.maximum(windows.foreign / np.maximum(1.0, totals), windows.consumed)
    shares = np.minimum(1.0, shares)
    by_others = candidate * shares[c.window]
    own = np.minimum(c.own_wait, off_cpu).astype(np.float64)
    own = np.where(windows.busy_children[c.window], np.minimum(own, by_others), own)
    asleep = np.maximum(0, np.minimum(off_cpu, c.wall - c.own_work) - own)
    tree = np.minimum(asleep, np.maximum(0, by_others - own))
    is_hidden = c.blocked & c.unseen & ~windows.calm[c.window]
    hidden = np.where(is_hidden, np.maximum(0, asleep - timed_waits(c)), 0)
    unseen = np.maximum(0, hidden - tree)
    disk = _up_to(windows.disk, np.where(c.blocked, asleep - tree - unseen, 0), c.window)
    rest = np.where(c.queued, np.maximum(0, asleep - tree - unseen - disk), 0)
    queue = np.minimum(rest, c.siblings_cpu) * windows.consumed[c.window]
    # Other threads may have held the CPU, or the interpreter's lock, while this one did not run.
    is_alone = ~c.blocked & (c.siblings_cpu <= OWN_NOISE_NS) & ~windows.busy_children[c.window]
    stolen = np.where(is_alone, np.maximum(0, off_cpu - c.run_queue), 0)
    at_most = np.where(is_alone, c.wall - own - stolen, c.wall)
    latency = c.wall - own - tree - unseen - disk - queue - stolen
    slowed = np.minimum(c.tree_cpu, latency) * (1 - 1 / c.slowness)
    by_quota = (windows.throttled > _MOSTLY * windows.foreign)[c.window]
    # In the child of a call that forks, counters are those of another process, and may go back.
    return Attribution(
        attributed=np.clip(np.rint(latency - slowed), 0, c.wall).astype(np.int64),
        at_most=np.clip(np.rint(at_most), 0, c.wall).astype(np.int64),
        excused={
            WAITED: np.where(by_quota, 0, own),
            TREE_WAITED: np.where(by_quota, 0, tree),
            THROTTLED: np.where(by_quota, own + tree, 0),
            UNSEEN: unseen,
            DISK: disk,
            QUEUED: queue,
            STOLEN: stolen,
            SLOW_MACHINE: slowed,
        },
    )
