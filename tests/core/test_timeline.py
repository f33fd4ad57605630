"""The course of a run in a few stretches."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.core.timeline import STRETCHES, Timeline

MS = 1_000_000


def observations(wall: list[int], attributed: list[int], start: list[int]) -> Observations:
    return Observations(
        *(np.array(column, dtype=np.int64) * MS for column in (wall, attributed, start))
    )


def timeline(observed: Observations, collections_ns: tuple[int, ...] = ()) -> Timeline:
    course = Timeline.of(observed, collections_ns)
    assert course is not None
    return course


def test_each_interval_has_its_number_its_median_and_its_largest() -> None:
    start = [0, 1, 2, 600, 601]
    course = timeline(observations([5, 7, 6, 1, 9], [5, 7, 6, 1, 9], start))
    assert course.stretch_ns == 601 * MS // STRETCHES + 1
    assert (course.n[0], course.median_ns[0], course.max_ns[0]) == (3, 6 * MS, 7 * MS)
    assert (course.n[-1], course.median_ns[-1], course.max_ns[-1]) == (2, 1 * MS, 9 * MS)
    assert sum(course.n) == 5


def test_an_interval_without_observations_is_zero_in_every_column() -> None:
    course = timeline(observations([5, 5], [5, 5], [0, 60]))
    assert (course.n[30], course.median_ns[30], course.max_ns[30]) == (0, 0, 0)


def test_observations_are_marked_where_the_machine_took_over_a_tenth() -> None:
    course = timeline(observations([100, 100, 100], [91, 90, 89], [0, 0, 0]))
    assert course.excused == (1,)


def test_observations_are_marked_in_which_a_collection_began() -> None:
    course = timeline(observations([5, 5, 5], [5, 5, 5], [0, 10, 20]), (2 * MS, 9 * MS, 25 * MS))
    assert sum(course.collected) == 2


def test_there_is_never_more_than_the_stated_number_of_intervals() -> None:
    count = 10_000
    course = timeline(observations([1] * count, [1] * count, list(range(count))))
    assert len(course) == STRETCHES
    assert sum(course.n) == count


def test_nothing_measured_has_no_course() -> None:
    assert Timeline.of(observations([], [], [])) is None


def test_the_plain_form_gives_back_the_timeline() -> None:
    course = timeline(observations([5, 7], [5, 1], [0, 60]))
    assert Timeline.from_plain(course.to_plain()) == course


def test_columns_of_different_lengths_are_refused() -> None:
    plain = timeline(observations([5, 7], [5, 1], [0, 60])).to_plain()
    plain["n"] = plain["n"][:-1]
    with pytest.raises(ValueError, match=r"^the columns differ in length$"):
        Timeline.from_plain(plain)
