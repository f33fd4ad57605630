"""All kinds of tests, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from .answering import Cost
from .own_code import Call, fastapi_bare, fastapi_client, memory, own_thread, pool, sqlite
from .peers import calling_worker, named_pipes, semaphores, udp, unix
from .servers import reconnecting, redis, server


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
    """Speed of its computing, against Python's."""
    programs: int = 0
    """So many programs compute at the same time; without any a thread or the server does."""


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
}
