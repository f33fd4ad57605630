"""Hardware profiles: what one may say, and which machine meets it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_hancock_latency.core.hardware import CI, Profile, Range, mismatches, parse_profile
from pytest_hancock_latency.errors import ProfileError

GIB = 2**30
RUNNER: dict[str, Any] = {
    "cores": 4,
    "cpu_quota": None,
    "memory_bytes": int(15.6 * GIB),
    "container_memory_bytes": None,
    "free_disk_bytes": 14 * 10**9,
    "python": "3.12.8",
    "architecture": "x86_64",
}


def told(profile: Profile, **facts: Any) -> list[str]:
    return [str(mismatch) for mismatch in mismatches(profile, RUNNER | facts)]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"cores": 2, "memory_bytes": int(6.8 * GIB)},
        {"memory_bytes": 16 * GIB},
        {"architecture": "AMD64"},
        {"cores": 64, "cpu_quota": 4.0, "container_memory_bytes": 8 * GIB},
    ],
    ids=["4 cores, 16 GB", "2 cores, 7 GB", "16 GiB", "Windows", "a container on a large host"],
)
def test_a_runner_as_the_guide_has_it_meets_the_profile_ci(facts: dict[str, Any]) -> None:
    assert told(CI, **facts) == []


@pytest.mark.parametrize(
    ("facts", "mismatch"),
    [
        ({"cores": 8}, "cores: expected 2-4, found 8"),
        ({"cores": 1}, "cores: expected 2-4, found 1"),
        ({"cpu_quota": 1.5}, "cores: expected 2-4, found 1.5"),
        ({"cores": None}, "cores: expected 2-4, found unknown"),
        ({"memory_bytes": 6 * GIB}, "memory: expected 7-16 GB, found 6.4 GB"),
        ({"memory_bytes": 31 * GIB}, "memory: expected 7-16 GB, found 33.3 GB"),
        ({"container_memory_bytes": 2 * GIB}, "memory: expected 7-16 GB, found 2.1 GB"),
        ({"memory_bytes": None}, "memory: expected 7-16 GB, found unknown"),
        ({"free_disk_bytes": 9_900_000_000}, "free disk: expected at least 10 GB, found 9.9 GB"),
        ({"free_disk_bytes": None}, "free disk: expected at least 10 GB, found unknown"),
        ({"python": "3.11.7"}, "python: expected 3.12, found 3.11.7"),
        ({"python": "3.1"}, "python: expected 3.12, found 3.1"),
        ({"architecture": "arm64"}, "architecture: expected x86_64, found arm64"),
        ({"architecture": ""}, "architecture: expected x86_64, found unknown"),
    ],
)
def test_another_machine_is_named_with_what_was_expected(
    facts: dict[str, Any], mismatch: str
) -> None:
    assert [mismatch] == told(CI, **facts)


def test_every_mismatch_is_reported() -> None:
    found = mismatches(CI, {})
    expected = ["cores", "memory", "free disk", "python", "architecture"]
    assert expected == [mismatch.what for mismatch in found]


def test_a_profile_asks_only_for_what_it_names() -> None:
    assert told(Profile(python="3"), cores=None, memory_bytes=None, architecture=None) == []


def test_a_version_is_compared_by_its_parts() -> None:
    assert told(Profile(python="3.1")) == ["python: expected 3.1, found 3.12.8"]


def test_a_profile_is_read_as_it_is_written() -> None:
    entry = {
        "cores": "2-4",
        "memory_gb": "7 - 16",
        "free_disk_gb": 10,
        "python": "3.12",
        "architecture": "x86_64",
    }
    assert parse_profile(entry) == CI


@pytest.mark.parametrize(
    ("value", "cores"), [(4, Range(4, 4)), ("4", Range(4, 4)), (7.5, Range(7.5, 7.5))]
)
def test_a_single_number_means_exactly_that(value: object, cores: Range) -> None:
    assert Profile(cores=cores) == parse_profile({"cores": value})
    assert f"{cores.low:g}" == str(cores)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"core": 4},
            "unknown key 'core' (did you mean \"cores\"?): valid keys are cores, memory_gb, "
            "free_disk_gb, python, architecture",
        ),
        ({"cores": "many"}, "cores = 'many' must be a number or a range such as \"2-4\""),
        ({"cores": True}, 'cores = True must be a number or a range such as "2-4"'),
        ({"cores": -2}, 'cores = -2 must be a number or a range such as "2-4"'),
        ({"cores": "4-2"}, "cores = '4-2': 4 is more than 2"),
        ({"memory_gb": []}, 'memory_gb = [] must be a number or a range such as "2-4"'),
        ({"free_disk_gb": "10"}, "free_disk_gb = '10' is not a number greater than zero"),
        ({"free_disk_gb": 0}, "free_disk_gb = 0 is not a number greater than zero"),
        ({"python": 3.12}, "python = 3.12 must be a non-empty string"),
        ({"python": "three"}, "python = 'three' is not a version such as \"3.12\""),
        ({"architecture": ""}, "architecture = '' must be a non-empty string"),
    ],
)
def test_invalid_input_is_named(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ProfileError) as refused:
        parse_profile(entry)
    assert message == str(refused.value)
