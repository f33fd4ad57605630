"""Full collections before samples: often enough to free memory, seldom enough to cost little."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.takers import gc_freeze
from pytest_hancock_latency.measuring.takers.gc_freeze import Collector

MS = 1_000_000


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The generations that were collected, each of which takes 50 ms on the clock."""
    generations: list[int] = []

    def collect(generation: int = 2) -> int:
        generations.append(generation)
        CLOCK.advance(50 * MS)
        return 0

    monkeypatch.setattr(gc_freeze, "collect", collect)
    return generations


CLOCK = ManualClock()


@pytest.fixture(autouse=True)
def no_earlier_collection() -> Iterator[None]:
    yield
    Collector._last = None


def sample(after_ms: int = 0) -> None:
    CLOCK.advance(after_ms * MS)
    with Collector(CLOCK):
        pass


def test_the_first_sample_has_a_full_collection(collected: list[int]) -> None:
    sample()
    assert collected == [2]


def test_samples_soon_after_collect_young_objects_only(collected: list[int]) -> None:
    sample()
    sample(900)
    assert collected == [2, 1]


def test_a_full_collection_follows_after_twenty_times_its_length(collected: list[int]) -> None:
    sample()
    sample(1000)
    assert collected == [2, 2]


def test_objects_from_before_are_frozen_during_a_sample_only(collected: list[int]) -> None:
    assert gc.get_freeze_count() == 0
    with Collector(CLOCK):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_what_other_code_has_frozen_stays_frozen(collected: list[int]) -> None:
    gc.freeze()
    try:
        sample()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_collections_during_a_sample_are_noted_by_their_starts() -> None:
    clock = ManualClock(5)
    with Collector(clock) as collector:
        clock.advance(10)
        gc.collect(0)
        clock.advance(10)
        gc.collect(0)
    gc.collect(0)
    assert {15 - 3, 25 - 3} <= {*collector.since(3)}
    assert collector.since(3)[-1] == 25 - 3


def test_how_long_a_collection_takes_does_not_change_its_start() -> None:
    clock = ManualClock(5)

    def take_long(phase: str, info: dict[str, int]) -> None:
        clock.advance(7 if phase == "start" else 0)

    gc.disable()  # otherwise an automatic collection could move the clock
    try:
        with Collector(clock) as collector:
            gc.callbacks.append(take_long)
            gc.collect(0)
            gc.collect(0)
    finally:
        gc.callbacks.remove(take_long)
        gc.enable()
    assert collector.since(0) == (5, 12)


def test_another_clock_has_a_collection_of_its_own(collected: list[int]) -> None:
    sample()
    with Collector(ManualClock()):
        pass
    assert collected == [2, 2]
