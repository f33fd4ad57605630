"""The waiting tree: threads that a blocked call may wait for, and their waits for a CPU.

It consists of the other threads of this process, its living descendants, and the local processes at
the other end of its sockets and pipes, recursively with their descendants. A connection is followed
only from client to server, a pipe only from reader to writer: other clients of a server are not
waited for. Ancestors and descriptors 0 to 2 are left out, otherwise the controller of pytest-xdist
or a CI agent would be included.

Linux only: everything is read from /proc, and the peers of Unix sockets from the kernel's socket
diagnosis (sock_diag(7)). If something cannot be read, the tree reports that it is incomplete.
"""

from __future__ import annotations

import _socket  # its classes are those of `socket` before anything has replaced them
import stat
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import get_native_id  # tests replace the attribute
from typing import Final, NamedTuple

from ...core.duration import NS_PER_S
from ..own_modules import (
    READ_ONLY,
    UNKNOWN,
    lines_of,
    numbers_in,
    own_os,
    own_resource,
    own_time,
    read_file,
)
from .schedstat import LONGEST_LINE

PROC: Final = "/proc"
MOST_THREADS: Final = 64
"""Maximum number of open descriptors. Reading 64 threads takes about 100 µs per call."""
_SHARE_OF_LIMIT: Final = 4
"""Use at most a quarter of the descriptors of this process: the tests need the rest."""
_SECOND_LOOKS: Final = 3
"""Scans for missing peers: a connection not yet accepted has no owner; remote ones never do."""
_FIRST_DESCRIPTOR: Final = 3
"""Standard input, output and error lead to the process that started the session."""
_READING, _WRITING = "<", ">"
_ESTABLISHED: Final = "01"
_LISTENING: Final = "0A"
_TCP_FILES: Final = ("tcp", "tcp6")
_CHILDREN_FAULTS, _CHILDREN_USER, _CHILDREN_SYSTEM = 8, 13, 14
"""Fields of /proc/PID/stat behind the name of the program: cminflt, cutime, cstime."""
_MAPPED: Final = "0000000000000000FFFF0000"
"""Start of an IPv4 address in /proc/net/tcp6."""

# sock_diag(7): dump all Unix sockets with their names and peers.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x301
_ALL_STATES: Final = 0xFFFFFFFF
_SHOW_NAME_AND_PEER: Final = 0x1 | 0x4
_NAME, _PEER = 0, 2
_MESSAGE: Final = struct.Struct("=IHHII")
_UNIX_SOCKET: Final = struct.Struct("=BBBBIII")
_ATTRIBUTE: Final = struct.Struct("=HH")


class Reading(NamedTuple):
    """Sums over the threads of the tree without the reading thread; nanoseconds."""

    generation: int
    threads_cpu: int
    """CPU time of this process's other threads."""
    others_cpu: int
    """CPU time of the threads of other processes."""
    threads_wait: int
    others_wait: int

    @property
    def wait(self) -> int:
        """Run-queue wait of all threads."""
        return self.threads_wait + self.others_wait


class _EndedChildren(NamedTuple):
    """The children of a process that it has waited for, with those that they had waited for."""

    faults: int
    """Their page faults: no program runs without some."""
    cpu_ns: int


_NO_CHILDREN: Final = _EndedChildren(0, 0)


@dataclass(frozen=True, slots=True)
class Scan:
    """The processes of the tree, and whether some are missing."""

    processes: tuple[int, ...]
    """The processes other than this one."""
    children: frozenset[int] = frozenset()
    """The descendants of this process among them."""
    unseen: bool = False
    """Whether a connection leads outside the tree or to a server with other clients."""
    words: tuple[str, ...] = ()
    """The processes in words: ``1 child process (python)``, ``redis-server on port 6379``."""


class WaitingTree:
    """Reads the scheduler's counters of every thread in the tree, through files kept open."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, int], int] = {}
        """Open schedstat files by process and thread."""
        self._own: list[int] = []
        self._others: list[int] = []
        self._callers: set[int] = set()
        self._generation = 0
        self._threads = 0
        self._scan = Scan(())
        self._scanned: object = None
        self._second_looks = _SECOND_LOOKS
        self._folder: int | None = None
        """Open folder of this process's threads: using its path takes four times as long."""
        self._cpu: dict[int, int] = {}
        """CPU time of each process when it was last counted."""
        self._counted_cpu = self._children_cpu = 0
        self._ended: dict[int, _EndedChildren] = {}
        """The ended children of each process when they were last counted."""
        self._gone_cpu = {True: 0, False: 0}
        """CPU time already counted of processes that have ended since then, and whether they were
        descendants of this process."""
        self._threads_cpu: dict[int, int] = {}
        """CPU time of each other process when it joined, less that of its threads."""
        self.has_unread = False
        """Whether threads or programs of another process of the tree had come and gone when the
        tree was last counted, so that nothing read how long they waited."""
        self.is_complete = True
        """Whether all threads of the tree are read."""

    def exclude(self, thread_id: int) -> None:
        """Leave out a thread that makes requests itself: callers do not wait for each other."""
        self._callers.add(thread_id)

    @property
    def has_callers(self) -> bool:
        """Whether several threads make requests."""
        return bool(self._callers)

    def refresh(self) -> None:
        """Update the members of the tree; usually takes a fraction of a millisecond."""
        own = own_os.getpid()
        self._count_cpu()
        self._scan_if_changed(own)
        self._cpu = {pid: self._cpu_at_joining(pid) for pid in (own, *self._scan.processes)}
        thread_keys = [(own, thread) for thread in _threads_of(own) if thread not in self._callers]
        if self._folder is None:
            self._folder = _open_folder(f"{PROC}/{own}/task")
        self._threads = self._thread_count()
        thread_keys += [
            (pid, thread) for pid in self._scan.processes for thread in _threads_of(pid)
        ]
        capacity = min(MOST_THREADS, _descriptor_limit() // _SHARE_OF_LIMIT) - 1  # for the folder
        self.is_complete = len(thread_keys) <= capacity
        thread_keys = thread_keys[:capacity]
        for key in self._files.keys() - set(thread_keys):
            own_os.close(self._files.pop(key))
        for key in thread_keys:
            if key not in self._files:
                with suppress(OSError):
                    path = f"{PROC}/{key[0]}/task/{key[1]}/schedstat"
                    self._files[key] = own_os.open(path, READ_ONLY)
        self._own = [file for (pid, _), file in self._files.items() if pid == own]
        self._others = [file for (pid, _), file in self._files.items() if pid != own]
        self._generation += 1

    def read(self) -> Reading:
        """Read the counters: about 1.3 µs per thread."""
        threads_cpu, threads_wait = self._sums(self._own)
        others_cpu, others_wait = self._sums(self._others)
        return Reading(self._generation, threads_cpu, others_cpu, threads_wait, others_wait)

    def has_changed(self) -> bool:
        """Whether the number of threads of this process changed since the last refresh."""
        return self._thread_count() != self._threads

    def _thread_count(self) -> int:
        """Return the number of threads of this process, from the link count of the folder; 1 µs."""
        return 0 if self._folder is None else own_os.fstat(self._folder).st_nlink

    def cpu_ns(self) -> int:
        """Return the CPU time of the tree so far, including ended threads and children.

        Only its growth is meaningful. A child counts from its start, a peer from when it joined.
        """
        self._count_cpu()
        self._count_ended()
        return self._counted_cpu

    def children_cpu_ns(self) -> int:
        """Return the part of it that children used, when last counted."""
        return self._children_cpu

    def has_children(self) -> bool:
        """Whether this process has living children; about 10 µs per thread."""
        return any(True for _ in _descendants(own_os.getpid()))

    def _cpu_at_joining(self, pid: int) -> int:
        if pid in self._cpu:
            return self._cpu[pid]
        return 0 if pid in self._scan.children else process_cpu_ns(pid) or 0

    def _count_cpu(self) -> None:
        for pid, before in self._cpu.items():
            now = process_cpu_ns(pid)
            is_child = pid in self._scan.children
            if now is not None:
                self._counted_cpu += now - before
                self._children_cpu += (now - before) * is_child
                self._cpu[pid] = now
            else:  # its time is included in that of the ended children of its parent
                ended = self._ended.pop(pid, _NO_CHILDREN)
                self._gone_cpu[is_child] += before + ended.cpu_ns
                self._cpu[pid] = 0

    def _count_ended(self) -> None:
        own, before = own_os.getpid(), self._ended
        self._ended = now = {own: _EndedChildren(ended_children(), ended_children_cpu_ns())}
        now |= {pid: _ended_children_of(pid) for pid in self._scan.processes}
        known = now.keys() & before.keys()
        ended_threads = [pid for pid in self._scan.processes if self._has_ended_threads(pid)]
        ended_programs = [pid for pid in known if now[pid].faults != before[pid].faults]
        self.has_unread = bool(ended_threads or {*ended_programs} - {own})
        for is_child, gone_cpu in self._gone_cpu.items():
            grown = sum(
                now[pid].cpu_ns - before[pid].cpu_ns
                for pid in known
                if (pid == own or pid in self._scan.children) == is_child
            )
            of_ended = max(0, grown - gone_cpu)
            self._counted_cpu += of_ended
            self._children_cpu += of_ended * is_child
            self._gone_cpu[is_child] = 0

    def _has_ended_threads(self, pid: int) -> bool:
        """Whether threads of another process that have ended used CPU time since it joined."""
        files = [file for (process, _), file in self._files.items() if process == pid]
        process_cpu = process_cpu_ns(pid)
        if process_cpu is None:
            return False
        ended_cpu = process_cpu - self._sums(files)[0]
        uncounted = tick_ns() * len(files)
        return ended_cpu - self._threads_cpu.setdefault(pid, ended_cpu) > uncounted

    @property
    def processes(self) -> tuple[int, ...]:
        """The other processes of the tree."""
        return self._scan.processes

    @property
    def is_blind(self) -> bool:
        """Whether the process may wait for something outside the tree."""
        return self._scan.unseen or not self.is_complete

    @property
    def words(self) -> tuple[str, ...]:
        """What is followed, in words: ``3 threads``, ``redis-server on port 6379``."""
        threads = len(self._own)
        own_words = (f"{threads} thread{'s' if threads > 1 else ''}",) if threads else ()
        return (*own_words, *self._scan.words)

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            own_os.close(file)
        self._files.clear()
        self._own, self._others = [], []
        if self._folder is not None:
            own_os.close(self._folder)
            self._folder = None

    def _sums(self, files: Iterable[int]) -> tuple[int, int]:
        cpu = wait = 0
        for file in files:
            try:
                fields = own_os.pread(file, LONGEST_LINE, 0).split()
                cpu_ns, wait_ns = int(fields[0]), int(fields[1])
            except UNKNOWN:  # the thread has ended
                self._threads = -1
                continue
            cpu += cpu_ns
            wait += wait_ns
        return cpu, wait

    def _scan_if_changed(self, own: int) -> None:
        """Scan for peers if descriptors or descendants changed, or if some were not found."""
        descendants = tuple(_descendants(own))
        state = (descendants, tuple(_links(own)))
        if state != self._scanned:
            self._second_looks = _SECOND_LOOKS
        elif self._scan.unseen and self._second_looks:
            self._second_looks -= 1
        else:
            return
        self._scan = scan(own, descendants)
        self._scanned = state


def scan(own: int, descendants: Iterable[int]) -> Scan:
    """Find the processes that `own` may wait for through descendants, sockets and pipes."""
    sockets, holders = _Sockets.read(), _holders()
    ancestors = set(_ancestors(own))
    ports: dict[int, int] = dict.fromkeys(descendants, 0)
    children = frozenset(ports)
    unseen, pending = False, [own, *ports]
    while pending:
        pid = pending.pop()
        for link in _links(pid):
            peer, port = sockets.peer_of(link)
            if peer is None:
                continue
            ends = holders.get(peer, set())
            unseen = unseen or not (ends or peer.startswith("pipe:"))
            for process in ends - {pid, own} - ancestors - ports.keys():
                ports[process] = port
                pending.append(process)
                for descendant in _descendants(process):
                    if descendant not in ports:
                        ports[descendant] = 0
                        pending.append(descendant)
    family = {own, *ports}
    unseen = unseen or any(_serves_others(pid, sockets, holders, family) for pid in ports)
    words = (*_children_in_words(children), *_peers_in_words(ports, children))
    return Scan(tuple(ports), children, unseen, words)


class Server(NamedTuple):
    """The processes that listen on a port, and what belongs to them."""

    processes: tuple[int, ...]
    """Those that listen, their descendants, and the local processes that they may wait for."""
    clients: frozenset[int]
    """The local processes that are connected to the port."""


def server_on(port: int) -> Server:
    """Find the server on a TCP port of this machine; without processes if none is visible."""
    links, holders, sockets = _listeners(port), _holders(), _Sockets.read()
    listening = set().union(*(holders.get(link, ()) for link in links))
    members = dict.fromkeys(sorted(listening))
    for pid in listening:
        members |= dict.fromkeys(scan(pid, _descendants(pid)).processes)
    connected = (holders.get(link, set()) for link in sockets.clients_of(port))
    clients = frozenset[int]().union(*connected) - members.keys()
    return Server(tuple(members), clients)


def _listeners(port: int) -> Iterator[str]:
    """Yield the links of the sockets that listen on a port."""
    for name in _TCP_FILES:
        for local, _, state, inode in _tcp_sockets(f"{PROC}/net/{name}"):
            if state == _LISTENING and _port(local) == port:
                yield f"socket:[{inode}]"


def _children_in_words(children: Collection[int]) -> Iterator[str]:
    if children:
        names = ", ".join(sorted({_name_of(pid) for pid in children}))
        yield f"{len(children)} child process{'es' if len(children) > 1 else ''} ({names})"


def _peers_in_words(ports: Mapping[int, int], children: Collection[int]) -> Iterator[str]:
    for pid, port in ports.items():
        if pid not in children:
            yield _name_of(pid) + (f" on port {port}" if port else "")


def _serves_others(
    pid: int, sockets: _Sockets, holders: dict[str, set[int]], family: set[int]
) -> bool:
    """Whether a server has clients outside the tree, whose requests queue with ours."""
    for link in _links(pid):
        client = sockets.client_of(link)
        if client is not None and not holders.get(client, set()) & family:
            return True
    return False


@dataclass(slots=True)
class _Sockets:
    """Connections between processes, by the links of descriptors: ``socket:[123]``."""

    _remote: dict[str, str | None] = field(default_factory=dict)
    """Client link to server link, or None for a connection that leaves this machine."""
    _ports: dict[str, int] = field(default_factory=dict)
    _clients: dict[str, str | None] = field(default_factory=dict)
    """Server link to client link."""

    @classmethod
    def read(cls) -> _Sockets:
        """Read all connections visible in this network namespace."""
        sockets = cls()
        sockets._read_tcp()
        sockets._read_unix()
        return sockets

    def peer_of(self, link: str) -> tuple[str | None, int]:
        """Return the link at the other end of a client socket or pipe, and the server's port.

        The link is "" if the other end is not visible from here, None if there is none.
        """
        if link.startswith("pipe:"):
            return (link[:-1] + _WRITING, 0) if link.endswith(_READING) else (None, 0)
        if link not in self._remote:
            return None, 0
        return self._remote[link] or "", self._ports.get(link, 0)

    def client_of(self, link: str) -> str | None:
        """Return the client's link of a server connection; "" if it is on another machine."""
        if link not in self._clients:
            return None
        return self._clients[link] or ""

    def clients_of(self, port: int) -> Iterator[str]:
        """Yield the links of the client sockets that are connected to a port."""
        return (link for link, server in self._ports.items() if server == port)

    def _read_tcp(self) -> None:
        ends: dict[tuple[str, str], str] = {}
        listening = set()
        for name in _TCP_FILES:
            for local, remote, state, inode in _tcp_sockets(f"{PROC}/net/{name}"):
                if state == _LISTENING:
                    listening.add(_port(local))
                elif state == _ESTABLISHED:
                    ends[_end(local), _end(remote)] = f"socket:[{inode}]"
        for (local, remote), link in ends.items():
            far_end = ends.get((remote, local))
            if _port(local) in listening:
                self._clients[link] = far_end
            else:
                self._remote[link] = far_end
                self._ports[link] = _port(remote)

    def _read_unix(self) -> None:
        with suppress(OSError, struct.error):
            for inode, peer, is_named in _unix_sockets():
                link, far_end = f"socket:[{inode}]", f"socket:[{peer}]"
                if not peer:
                    continue
                if is_named:
                    self._clients[link] = far_end
                else:
                    self._remote[link] = far_end


def _unix_sockets() -> Iterator[tuple[int, int, bool]]:
    """Yield inode, inode of the peer, and whether it has a name, of every Unix socket."""
    body = struct.pack(
        "=BBHIIIII", _socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _SHOW_NAME_AND_PEER, 0, 0
    )
    header = _MESSAGE.pack(_MESSAGE.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
    kernel = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    with closing(kernel):
        kernel.settimeout(1)
        kernel.send(header + body)
        while data := kernel.recv(1 << 16):
            at = 0
            while at < len(data):
                length, kind, *_ = _MESSAGE.unpack_from(data, at)
                if kind != _SOCK_DIAG_BY_FAMILY or length < _MESSAGE.size:  # the end, or an error
                    return
                yield _unix_socket(data[at + _MESSAGE.size : at + length])
                at += (length + 3) & ~3


def _unix_socket(message: bytes) -> tuple[int, int, bool]:
    inode = _UNIX_SOCKET.unpack_from(message)[4]
    peer, is_named, at = 0, False, _UNIX_SOCKET.size
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == _PEER:
            (peer,) = struct.unpack_from("=I", message, at + _ATTRIBUTE.size)
        is_named = is_named or kind == _NAME
        at += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return inode, peer, is_named


def _tcp_sockets(path: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield both addresses, the state and the inode of each socket."""
    for line in lines_of(path)[1:]:
        with suppress(*UNKNOWN):
            fields = line.split()
            local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
            _ = _port(local), _port(remote)
            yield local, remote, state, inode


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _end(address: str) -> str:
    """Normalize an address: IPv4 addresses of IPv4 and IPv6 sockets get the same text."""
    host, _, port = address.rpartition(":")
    return f"{host[-8:] if host[:24] == _MAPPED else host}:{port}"


def _holders() -> dict[str, set[int]]:
    """Return processes by the links of their descriptors, as far as they are readable."""
    holders: dict[str, set[int]] = defaultdict(set)
    for pid in numbers_in(PROC):
        for link in _links(pid):
            holders[link].add(pid)
    return holders


def _links(pid: int) -> list[str]:
    """Return the open sockets and pipes of a process, without its standard streams.

    A pipe is marked with its end: a reader waits for the writer. A writer hardly waits, and a copy
    of standard output must not lead to the process that reads the log.
    """
    links = []
    folder = f"{PROC}/{pid}/fd"
    for descriptor in numbers_in(folder):
        if descriptor < _FIRST_DESCRIPTOR:
            continue
        with suppress(OSError):
            link = own_os.readlink(f"{folder}/{descriptor}")
            if link.startswith("socket:"):
                links.append(link)
            elif link.startswith("pipe:"):
                is_read = own_os.lstat(f"{folder}/{descriptor}").st_mode & stat.S_IRUSR
                links.append(link + (_READING if is_read else _WRITING))
    return links


def _threads_of(pid: int) -> list[int]:
    """Return the threads of a process; without the calling thread if it is this process."""
    asking = get_native_id() if pid == own_os.getpid() else 0
    return [thread for thread in numbers_in(f"{PROC}/{pid}/task") if thread != asking]


def _open_folder(path: str) -> int | None:
    try:
        return own_os.open(path, READ_ONLY)
    except OSError:
        return None


def _descendants(pid: int) -> Iterator[int]:
    known, pending = {pid}, [pid]  # nonsense must not lead in a circle
    while pending:
        for child in _children(pending.pop()):
            if child not in known:
                known.add(child)
                pending.append(child)
                yield child


def _children(pid: int) -> Iterator[int]:
    for thread in numbers_in(f"{PROC}/{pid}/task"):
        with suppress(*UNKNOWN):
            yield from map(int, read_file(f"{PROC}/{pid}/task/{thread}/children").split())


def _ancestors(pid: int) -> Iterator[int]:
    known: set[int] = set()
    with suppress(*UNKNOWN):
        while pid > 1 and pid not in known:
            known.add(pid)
            pid = int(read_file(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()[1])
            yield pid


def _name_of(pid: int) -> str:
    try:
        return read_file(f"{PROC}/{pid}/comm").decode(errors="replace").strip()
    except OSError:
        return str(pid)


def process_cpu_ns(pid: int) -> int | None:
    """Return the CPU time of a process with its ended threads, from clock_getcpuclockid(3).

    None if the process is gone.
    """
    try:
        return own_time.clock_gettime_ns((~pid << 3) | 2)
    except (OSError, OverflowError):
        return None


def _ended_children_of(pid: int) -> _EndedChildren:
    """Return the ended children of another process, whose CPU time has ticks of 10 ms."""
    with suppress(*UNKNOWN):
        fields = read_file(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()
        ticks = int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])
        return _EndedChildren(int(fields[_CHILDREN_FAULTS]), round(ticks * tick_ns()))
    return _NO_CHILDREN


def tick_ns() -> float:
    """Return the unit of CPU time in /proc; usually 10 ms."""
    return NS_PER_S / own_os.sysconf("SC_CLK_TCK")


def ended_children_cpu_ns() -> int:
    """Return the CPU time of ended children of this process that were waited for."""
    usage = own_resource.getrusage(own_resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def ended_children() -> int:
    """Return a number that grows whenever an ended child is waited for; takes about 1 µs."""
    usage = own_resource.getrusage(own_resource.RUSAGE_CHILDREN)
    return usage.ru_minflt + usage.ru_nvcsw


def _descriptor_limit() -> int:
    soft, _ = own_resource.getrlimit(own_resource.RLIMIT_NOFILE)
    return soft if soft > 0 else MOST_THREADS * _SHARE_OF_LIMIT
