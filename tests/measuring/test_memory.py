"""The memory in use, which bounds inputs."""

from __future__ import annotations

import sys

import pytest

from pytest_hancock_latency.measuring import memory
from pytest_hancock_latency.measuring.memory import memory_in_use

MB = 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the most that there ever was")
def test_it_grows_with_what_is_kept_and_shrinks_with_what_is_not() -> None:
    before = memory_in_use()
    kept = bytearray(b"x") * (64 * MB)
    with_it = memory_in_use()
    del kept
    assert 60 * MB < with_it - before < 100 * MB
    assert memory_in_use() < with_it - 30 * MB


def test_where_the_kernel_does_not_tell_it_is_the_most_or_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: object) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(memory, "read_file", missing)
    assert memory_in_use() > 0
    monkeypatch.setattr(memory, "own_resource", None)
    assert memory_in_use() == 0
