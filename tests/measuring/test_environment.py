"""The machine as it is, and what is said where it does not tell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring.environment import (
    container_memory_bytes,
    free_disk_bytes,
    governor,
    load,
    machine_info,
)


def test_every_fact_has_its_place_known_or_not(tmp_path: Path) -> None:
    expected = {
        *("cpu", "architecture", "cores", "cpu_quota", "governor", "load"),
        *("memory_bytes", "container_memory_bytes", "free_disk_bytes"),
        *("system", "kernel", "python", "implementation"),
    }
    assert expected == set(machine_info(tmp_path))


def test_the_facts_are_plain_data(tmp_path: Path) -> None:
    facts = machine_info(tmp_path)
    assert facts == json.loads(json.dumps(facts))


@pytest.mark.parametrize(("content", "expected"), [("2147483648\n", 2**31), ("max\n", None)])
def test_the_memory_of_a_container_is_what_its_group_may_use(
    tmp_path: Path, content: str, expected: int | None
) -> None:
    (tmp_path / "memory.max").write_text(content)
    assert expected == container_memory_bytes(tmp_path / "memory.max")


def test_a_governor_is_named(tmp_path: Path) -> None:
    (tmp_path / "scaling_governor").write_text("powersave\n")
    assert governor(tmp_path / "scaling_governor") == "powersave"


def test_what_the_machine_does_not_tell_is_null(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert [container_memory_bytes(gone), governor(gone), free_disk_bytes(gone)] == [None] * 3


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="this system has no load average")
def test_the_load_is_three_averages() -> None:
    found = load()
    assert found is not None
    assert len(found) == 3
    assert all(average >= 0 for average in found)


def test_free_disk_is_that_of_the_folder(tmp_path: Path) -> None:
    free = free_disk_bytes(tmp_path)
    assert free is not None
    assert free > 0
