"""Network namespaces that are connected with ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

_LINKS: Final = 2**14
"""Networks of four addresses in 198.18.0.0/16, which RFC 2544 reserves for benchmarks."""


class Namespace(NamedTuple):
    """A network namespace."""

    prefix: Sequence[str]
    """Of commands that are to run in it."""
    address: str
    """Of what listens in it."""


@contextmanager
def network_namespace() -> Iterator[Namespace]:
    """A network namespace with an address that can be reached from here.

    Raises:
        PermissionError: this process does not run as root.
    """
    if os.geteuid() != 0:
        raise PermissionError("a network namespace needs root")
    name = f"peer{os.getpid()}"
    here, there = _addresses(os.getpid())
    run = partial(subprocess.run, check=True, capture_output=True)
    inside = ["ip", "netns", "exec", name]
    link = ["type", "veth", "peer", "name", "eth0", "netns", name]
    try:
        run(["ip", "netns", "add", name])
        run(["ip", "link", "add", name, *link])
        run(["ip", "addr", "add", f"{here}/30", "dev", name])
        run(["ip", "link", "set", name, "up"])
        run([*inside, "ip", "addr", "add", f"{there}/30", "dev", "eth0"])
        run([*inside, "ip", "link", "set", "eth0", "up"])
        yield Namespace(inside, there)
    finally:
        for command in (["ip", "link", "del", name], ["ip", "netns", "del", name]):
            with suppress(subprocess.CalledProcessError):  # it was not made
                run(command)


def _addresses(pid: int) -> tuple[str, str]:
    """Both ends of a link, other ones for each process."""
    third, fourth = divmod(pid % _LINKS, 64)
    return f"198.18.{third}.{4 * fourth + 1}", f"198.18.{third}.{4 * fourth + 2}"
