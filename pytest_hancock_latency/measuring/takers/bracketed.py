"""Takes observations bracketed by readings of the kernel's counters of the measuring thread.

The counters are read outside the timed window, as close to it as possible, and read again if they
were interrupted: preemptions often happen during the reading, and attributing those to the
observation would excuse slow code.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...core.attribution import (
    Attribution,
    Brackets,
    Circumstances,
    Windows,
    attribute,
    waits_in_window,
    without_own_threads,
)
from ...core.late_numpy import np
from ...core.sample import Observations, Probed
from ...core.sensitivity import ProbedSession
from ...core.undisturbed import UNKNOWN_TEST, Surroundings, surroundings, waits_by_spinning
from ...errors import hides_frame
from ..clock import Clock, process_cpu, thread_cpu
from ..environment import allowed_cpus
from ..own_modules import own_os
from ..request import Request
from ..session_speed import SessionSpeed
from .bare import Taker, column, extend, integers
from .follower import SHORTEST_FOLLOWED_NS, Followed, Follower, Start
from .probes import Probes
from .schedstat import LONGEST_LINE, Scheduler, run_queue_waits

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds, Numbers

__tracebackhide__ = hides_frame

_TIGHT_NS: Final = 50_000
"""A reading that takes longer than this was interrupted: it normally takes 5 µs."""
_TRIES: Final = 4
"""Maximum readings; on a core shared by many threads, any number could fail."""
GUARD_NS: Final = 500_000_000
"""How long after its start the probing phase counts: what begins it is often a phase of the host,
and calls right after it are as slow as those that began it."""
LONG_NS: Final = 20_000_000
"""Calls this long are warm again soon after a probe: its effect is below 1 %."""
_SHORT_NS: Final = 1_000_000
_WARMING_OF_SHORT: Final = 5
"""Uncounted calls before each call shorter than that: after one, p50 of a request to Flask and of
look-ups in a large dictionary was 6 and 10 % above that of a bare loop, after three still 2 and 5 %
above it, after eight no nearer than after five."""
_EXPLAINS_NS: Final = 10_000
"""Time for which the tree ran or waited in a call from which the call may have slept because of it;
one switch to a thread that answers and back takes more. A call that slept while nothing in the tree
did anything waited for something else."""
_SIBLINGS_EXPLAIN: Final = 0.5
"""Share of the time off the CPU for which other callers of a load ran, from which they held the
interpreter's lock meanwhile."""
_NEVER: Final = 2**62
"""A time that no clock ever reaches."""
_UNBLOCKED: Final = 50
"""Calls in a row without blocking, after which the tree is no longer read."""
Counters = tuple[Scheduler, Callable[[], int]]
"""The scheduler's counters of the measuring thread, and a reader of how often it blocked."""
Speed = tuple[Probes, SessionSpeed]
"""The probes of the sample, and those of the session, with which they are compared."""
_READINGS: Final = (
    *("t0", "t1", "before", "after", "schedstat0", "schedstat1", "thread_cpu0", "thread_cpu1"),
    *("process_cpu0", "process_cpu1", "switches0", "switches1", "probe"),
)
"""Names of the readings of each observation, in the order of the flat list of the loop."""


class BracketTaker(Taker):
    """Takes observations with the counters read as close to the window as possible.

    Once a call has blocked, the waiting tree is read around each call as well, until calls no
    longer block. In the probing phase, both probes run between calls, each followed by one to five
    uncounted calls, since the memory probe evicts what the code had in the caches.
    """

    is_attributing = True

    def __init__(
        self,
        clock: Clock,
        speed: Speed,
        counters: Counters,
        follower: Follower,
        *,
        follows: bool = False,
    ) -> None:
        super().__init__(clock)
        self._probes, self._session_speed = speed
        self._counts_from: int | None = None
        """When the probing phase begins to count on the clock; None if there will be none."""
        self._title = ""
        self._known = UNKNOWN_TEST
        self._pace_ns = 0
        """Latency of the last call."""
        self._scheduler, self._switches = counters
        self._follower = follower
        self._follows = follows
        self._since_blocked = 0
        self._readings: list[Any] = []
        self._columns = {name: array("q") for name in _COLUMNS}
        self._followed: dict[int, Followed] = {}
        """Readings of the tree by position of an observation that blocked."""

    def __len__(self) -> int:
        """Number of observations so far."""
        return len(self._columns["wall"]) + len(self._readings) // len(_READINGS)

    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations, fewer if time is up or a request fails."""
        follower = self._follower
        if follower.is_started:
            follower.close_if_due()
            until = min(until, follower.due) if until else until
        self.has_late = False
        loop = self._take_following if self._follows else self._take
        if self.is_probing and not self._follows:
            loop = self._take_probing
        self.answer = None
        self.answer = loop(request, count, until)

    def _take(self, request: Request, count: int, until: int) -> Any:
        """Also ends early if a call blocked for long: from then on, waits are followed."""
        clock, pread, checked = self.clock, own_os.pread, request.is_checked
        file, switches, probe = self._scheduler.descriptor, self._switches, self._probes.last
        tight, empty_call, shortest = _TIGHT_NS, _nothing, SHORTEST_FOLLOWED_NS
        readings = self._readings
        answer = None
        cpu0, process0, switches0 = thread_cpu(), process_cpu(), switches()
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            if checked:
                cpu0, process0, switches0 = thread_cpu(), process_cpu(), switches()
            before = clock()
            line0 = pread(file, LONGEST_LINE, 0)
            if clock() - before > tight:
                before, line0 = self._tight(pread, file)
            empty_call()  # calls are slow right after a system call; this one takes the penalty
            t0 = clock()
            answer = call()
            t1 = clock()
            line1 = pread(file, LONGEST_LINE, 0)
            after = clock()
            cpu1, process1, switches1 = thread_cpu(), process_cpu(), switches()
            if checked and self.refuses(request, answer, t1 - t0):
                break
            readings += (t0, t1, before, after, line0, line1, cpu0, cpu1)
            readings += (process0, process1, switches0, switches1, probe)
            if switches1 != switches0:
                self._note_blocked(long=t1 - t0 >= shortest)
                if self._follows:
                    break
            if after >= until or self.has_late:
                break
            # The next observation reuses these readings: the few µs of this loop count as its CPU
            # time, so slightly less is excused, but three system calls are saved.
            cpu0, process0, switches0 = cpu1, process1, switches1
        return answer

    @property
    def is_probing(self) -> bool:
        """Whether the probing phase has begun."""
        return self._counts_from is not None and self._counts_from != _NEVER

    def expect_probing(self, title: str = "") -> None:
        """Let no call count for *exceeded* before the probing phase."""
        self._counts_from, self._title = _NEVER, title

    def start_probing(self) -> None:
        """Begin the probing phase: from now on, the speed of the machine is known at each call."""
        if not self.is_probing:
            self._counts_from = self.clock() + GUARD_NS
            self._known = self._session_speed.read_test(self._title)
            self._pace_ns = int(self.everything().wall_ns[-1]) if len(self) else 0
            self._probes.run_several(self._session_speed.missing)

    def _take_probing(self, request: Request, count: int, until: int) -> Any:
        """Take observations with both probes before each, and after the last one."""
        clock, checked = self.clock, request.is_checked
        answer = None
        self._probe()
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            self._open(None)  # reading is as cold after the probes as the calls are
            warming = self._warming
            for _ in range(warming):
                counted = self._counted()
                call()
            if warming < _WARMING_OF_SHORT:
                counted = self._counted()
            opening = self._open(None, counted)
            t0 = clock()
            answer = call()
            t1 = clock()
            closed = self.closing(opening, t0, t1)
            self._pace_ns = t1 - t0
            if checked and self.refuses(request, answer, t1 - t0):
                break
            self.keep(closed)
            self._probe()
            if t1 >= until or self._follows or self.has_late:
                break
        return answer

    @property
    def _warming(self) -> int:
        """The number of uncounted calls that fill the caches again after a probe."""
        if self._pace_ns >= LONG_NS:
            return 0
        return _WARMING_OF_SHORT if 0 < self._pace_ns < _SHORT_NS else 1

    def _probe(self) -> None:
        """Run both probes; twice around long calls, which seldom have an undisturbed moment."""
        self._probes.run()
        if self._pace_ns >= LONG_NS:
            self._probes.run()

    def _take_following(self, request: Request, count: int, until: int) -> Any:
        """Take observations; the tree is read outside all other readings, once between calls."""
        clock, checked = self.clock, request.is_checked
        answer = start = None
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            if self.is_probing:
                self._probe()
                start = None  # what others did during the probes is not part of a call
            if checked or start is None:
                start = self._follower.before()
            opening = self._open(start)
            t0 = clock()
            answer = call()
            t1 = clock()
            closed = self.closing(opening, t0, t1)
            if checked and self.refuses(request, answer, t1 - t0):
                break
            self.keep(closed)
            self._pace_ns = t1 - t0
            _, start = closed[1]
            if t1 >= until or not self._follows or self.has_late:
                break
        return answer

    def opening(self) -> tuple[Any, ...]:
        """Return the readings before a window that is timed elsewhere."""
        self._follower.close_if_due()
        if self.is_probing:
            self._probe()
        return self._open(self._follower.before() if self._follows else None)

    def _open(self, start: Start | None, counted: tuple[int, int] | None = None) -> tuple[Any, ...]:
        """Return the readings before a window.

        counted: what was read already before an uncounted call, which then is part of it.
        """
        if counted is None:
            cpu0, process0, switches0 = thread_cpu(), process_cpu(), self._switches()
        else:
            siblings0, switches0 = counted
            cpu0 = thread_cpu()
            process0 = cpu0 + siblings0
        before, line0 = self._tight(own_os.pread, self._scheduler.descriptor)
        _nothing()
        return start, cpu0, process0, switches0, before, line0

    def _counted(self) -> tuple[int, int]:
        """Return the CPU time of the other threads of the process, and how often this one blocked.

        Short calls are slow after every system call, so these two are read one uncounted call
        earlier: what happens in that one is taken to have happened in the counted one.
        """
        return process_cpu() - thread_cpu(), self._switches()

    def waited_ns(self) -> int:
        """Return the run-queue wait of the thread so far."""
        return int(run_queue_waits([self._scheduler.read()])[0])

    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """Return what to `keep` of such a window."""
        line1 = own_os.pread(self._scheduler.descriptor, LONGEST_LINE, 0)
        after = self.clock()
        cpu1, process1, switches1 = thread_cpu(), process_cpu(), self._switches()
        start, cpu0, process0, switches0, before, line0 = opening
        times = (t0, t1, before, after, line0, line1, cpu0, cpu1)
        readings = (*times, process0, process1, switches0, switches1, self._probes.last)
        if start is None:
            return readings, None
        other_cpu_ns = process1 - process0 - (cpu1 - cpu0)
        return readings, self._follower.after(start, other_cpu_ns)

    def keep(self, closed: tuple[Any, ...]) -> None:
        """Add an observation whose window was timed elsewhere."""
        readings, followed = closed
        position = len(self)
        self._readings += readings
        t0, t1, *_, switches0, switches1, _ = readings
        if switches1 != switches0:
            self._note_blocked(long=t1 - t0 >= SHORTEST_FOLLOWED_NS)
            if followed is not None:
                self._followed[position] = followed[0]
        elif self._follows:
            self._since_blocked += 1
            self._follows = self._since_blocked < _UNBLOCKED

    def _note_blocked(self, *, long: bool) -> None:
        """Start accounting windows at the first blocked call; follow the tree if worthwhile."""
        self._follower.start()
        self._since_blocked = 0
        self._follows = self._follower.is_started and (long or self._follows)

    def _tight(self, pread: Callable[[int, int, int], bytes], file: int) -> tuple[int, bytes]:
        """Read until there was no interruption: preemptions often happen during the reading."""
        for _ in range(_TRIES):
            before = self.clock()
            line = pread(file, LONGEST_LINE, 0)
            if self.clock() - before <= _TIGHT_NS:
                break
        return before, line

    def everything(self) -> Observations:
        """Return all that was measured so far, with attributed latencies."""
        return self.attributed(self.circumstances())

    def attributed(
        self, circumstances: Circumstances, totals: Numbers | None = None
    ) -> Observations:
        """Return all that was measured, with latencies attributed under these circumstances.

        totals: `candidates` of all callers of a load, if there are several.
        """
        attribution = attribute(circumstances, self.windows, totals)
        is_bounded = circumstances.blocked | (circumstances.run_queue > circumstances.own_wait)
        return Observations(
            wall_ns=circumstances.wall,
            attributed_ns=attribution.attributed,
            start_ns=circumstances.start - self.begin,
            excused_ns=attribution.excused,
            provisional=is_bounded & (circumstances.window >= self._follower.closed),
            at_most_ns=self._at_most_ns(circumstances, attribution),
            probed=self._probed(circumstances),
            slowness=circumstances.slowness,
            timed_out=self.timed_out(),
        )

    @property
    def probed_session(self) -> ProbedSession | None:
        """What the calls show for later sessions; None if too few of them were probed."""
        times = self._probes.times
        reference = self._session_speed.reference(times)
        if self._counts_from is None or not self.is_probing or reference is None:
            return None
        circumstances = self.circumstances()
        # Also of its first half second: that guards the evidence, not what later sessions learn.
        begin = self._counts_from - GUARD_NS
        is_shown = (circumstances.start >= begin) & ~circumstances.blocked
        probe_of = column(self._columns["probe"])[is_shown]
        return ProbedSession.of(
            circumstances.thread_cpu[is_shown],
            surroundings(times, probe_of, reference),
            times.memory_ns[probe_of],
        )

    def _at_most_ns(self, circumstances: Circumstances, attribution: Attribution) -> Nanoseconds:
        """Return an upper bound on the time the code took; raw latency if it waits by spinning."""
        waited_ns = circumstances.wall - attribution.at_most
        if waits_by_spinning(circumstances.thread_cpu, waited_ns):
            return circumstances.wall
        return attribution.at_most

    def _probed(self, circumstances: Circumstances) -> Probed | None:
        """Return what the probes around each observation showed; None without a probing phase."""
        if self._counts_from is None:
            return None
        if not self.is_probing:
            nothing = np.zeros(len(circumstances.start), bool)
            return Probed(nothing, nothing, nothing)
        around = self._surroundings()
        return Probed(
            counts=circumstances.start >= self._counts_from,
            undisturbed_before=around.undisturbed_before & ~circumstances.blocked,
            undisturbed_after=around.undisturbed_after & ~circumstances.blocked,
            together=np.where(circumstances.blocked, 1.0, around.together),
        )

    def _surroundings(self) -> Surroundings:
        probe_of = column(self._columns["probe"])
        times = self._probes.times
        reference = self._session_speed.reference(times)
        if reference is None:  # too few probes
            nothing, no = np.zeros(len(probe_of)), np.zeros(len(probe_of), bool)
            return Surroundings(nothing, nothing, nothing + 1, nothing + 1, no, no)
        return surroundings(times, probe_of, reference, self._known)

    @property
    def windows(self) -> Windows:
        """Return the activity of others in each accounting window so far."""
        return self._follower.windows()

    def circumstances(self) -> Circumstances:
        """Return the circumstances of each observation so far."""
        self._settle()
        columns = {name: column(values) for name, values in self._columns.items()}
        wall, thread_cpu_ns = columns["wall"], columns["thread_cpu"]
        blocked = columns["switches"] > 0
        window = self._follower.window_of(columns["start"] + wall)
        unseen = blocked.copy()
        tree_wait, tree_cpu = np.zeros_like(wall), thread_cpu_ns.copy()
        own_work = columns["process_cpu"].copy()
        if self._followed:
            at = np.fromiter(self._followed, np.int64, len(self._followed))
            rows = np.array(list(self._followed.values()), dtype=np.int64)
            tree_wait[at] = rows[:, 0]
            tree_cpu[at] += rows[:, 1]
            unseen[at] = rows[:, 2]
            own_work[at] += rows[:, 3]
            is_explained = (tree_wait + tree_cpu - thread_cpu_ns > _EXPLAINS_NS) | (
                columns["process_cpu"] - thread_cpu_ns > _SIBLINGS_EXPLAIN * (wall - thread_cpu_ns)
            )
            unseen[at] |= ~is_explained[at]
        brackets = Brackets(
            wall=wall,
            thread_cpu=thread_cpu_ns,
            process_cpu=columns["process_cpu"],
            run_queue=columns["run_queue"],
            gap_before=columns["gap_before"],
            gap_after=columns["gap_after"],
        )
        waits = waits_in_window(brackets)
        timed_out = self.timed_out()
        return Circumstances(
            start=columns["start"],
            wall=wall,
            run_queue=waits,
            own_wait=without_own_threads(waits, brackets),
            thread_cpu=thread_cpu_ns,
            slowness=self._surroundings().slowness,
            blocked=blocked,
            tree_wait=tree_wait,
            tree_cpu=tree_cpu,
            own_work=own_work // len(allowed_cpus()),
            siblings_cpu=np.maximum(0, columns["process_cpu"] - thread_cpu_ns),
            queued=np.zeros(len(wall), bool),
            unseen=unseen | self._follower.unseen_in(window),
            timed_out=np.zeros(len(wall), bool) if timed_out is None else timed_out,
            window=window,
        )

    def _settle(self) -> None:
        """Convert readings into differences."""
        columns, step = self._columns, len(_READINGS)
        readings = {name: self._readings[at::step] for at, name in enumerate(_READINGS)}
        t0, t1, before, after, probe = (
            integers(readings[name]) for name in ("t0", "t1", "before", "after", "probe")
        )
        extend(columns["start"], t0)
        extend(columns["wall"], t1 - t0)
        extend(columns["gap_before"], t0 - before)
        extend(columns["gap_after"], after - t1)
        extend(columns["probe"], probe)
        waits = (run_queue_waits(readings[name]) for name in ("schedstat1", "schedstat0"))
        extend(columns["run_queue"], next(waits) - next(waits))
        for name in ("thread_cpu", "process_cpu", "switches"):
            begin, end = integers(readings[f"{name}0"]), integers(readings[f"{name}1"])
            extend(columns[name], end - begin)
        self._readings.clear()


def _nothing() -> None:
    """A call of a Python function that does nothing."""


_COLUMNS: Final = (
    *("start", "wall", "gap_before", "gap_after", "run_queue"),
    *("thread_cpu", "process_cpu", "switches", "probe"),
)
