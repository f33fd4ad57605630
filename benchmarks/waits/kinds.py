"""All kinds of tests, by name.

own-thread, pool, fastapi, fastapi-bare, burst, rate, memory: the code runs in the test itself
child, programs   one program, or four at the same time, is started for each call
own-quota         four programs for each call and a pause after it, all in a control group with half
                  a core; the limit is made without having used up this quota
sqlite, wal       commits to a file, without and with a write-ahead log
server            an HTTP server that is a child of the test, with keep-alive
reconnecting      the same, with a new connection for each request
pinned-server     the same with keep-alive, on CPU 1, while the test is on CPU 0
parallel-server   the same in a container of one core; it starts four programs for each answer
timeouts          a server again, but an answer slower than the limit raises TimeoutError
pool-timeouts     so does a result of a thread pool
namespace         an HTTP server in another network namespace
grpc, redis, postgres, postgres-tcp: real servers of these names; redis is a child of the test
udp, unix, pipes, semaphores, worker: a process that is called in one of these ways
udp-child         such a process, as a child of the test
unix-kept         one connection for all calls; unix opens one for each

Servers and processes that are not said to be children were started outside of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

from .answering import Cost
from .databases import postgres, redis
from .own_code import (
    Call,
    fastapi_bare,
    fastapi_client,
    memory,
    own_quota,
    own_thread,
    pool,
    sqlite,
)
from .peers import calling_worker, named_pipes, semaphores, udp, unix, unix_kept
from .servers import (
    contained_server,
    grpc_server,
    pinned_server,
    reconnecting,
    server,
    server_elsewhere,
)


@dataclass(frozen=True)
class Kind:
    """A kind of test."""

    opened: Callable[[Cost], AbstractContextManager[Call]]
    base_ms: float
    """What the place that answers computes when it is not slowed."""
    quantiles: tuple[str, ...] = ("p95",)
    shape: str = "closed"
    sleeps: bool = True
    computes_at: float = 1.0
    """Speed of its computing, against Python's; a quarter of it if four programs share a core."""
    programs: int = 0
    """So many programs compute at the same time; without any a thread or the server does."""
    pause_s: float = 0.0
    """Time between two calls, which is not measured."""
    failures: tuple[type[Exception], ...] = ()
    """What a call raises that has waited for as long as its limit."""


KINDS: Final[dict[str, Kind]] = {
    "own-thread": Kind(own_thread, 3, ("p95", "p99")),
    "fastapi": Kind(fastapi_client, 3, ("p95", "p99")),
    "pool": Kind(pool, 3, ("p95", "p99")),
    "server": Kind(server, 5, ("p95", "p99")),
    "redis": Kind(redis, 2, ("p95", "p99"), sleeps=False, computes_at=2.0),
    "child": Kind(own_thread, 0, programs=1),
    "programs": Kind(own_thread, 0, programs=4),
    "sqlite": Kind(sqlite, 0),
    "burst": Kind(pool, 3, shape="burst"),
    "rate": Kind(own_thread, 3, shape="rate"),
    "memory": Kind(memory, 0),
    "fastapi-bare": Kind(fastapi_bare, 3),
    "reconnecting": Kind(reconnecting, 5),
    "udp": Kind(udp, 3),
    "unix": Kind(unix, 3),
    "pipes": Kind(named_pipes, 3),
    "semaphores": Kind(semaphores, 3),
    "worker": Kind(calling_worker, 3),
    "postgres": Kind(postgres, 2),
    "postgres-tcp": Kind(partial(postgres, tcp=True), 2),
    "grpc": Kind(grpc_server, 3),
    "unix-kept": Kind(unix_kept, 3),
    "udp-child": Kind(partial(udp, child=True), 3),
    "namespace": Kind(server_elsewhere, 5),
    "pinned-server": Kind(pinned_server, 5),
    "wal": Kind(partial(sqlite, journal="wal"), 0),
    "parallel-server": Kind(contained_server, 2, computes_at=0.25, programs=4),
    "own-quota": Kind(own_quota, 10, computes_at=0.02, programs=4, pause_s=0.1),
    "timeouts": Kind(server, 5, failures=(TimeoutError,)),
    "pool-timeouts": Kind(pool, 3, failures=(TimeoutError,)),
}
