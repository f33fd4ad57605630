"""A hardware profile in a session: compared, told, and refused where it is required."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from .conftest import Errors, Suite

TEST = """
@latency_budget(p50=500, samples=1)
def test_fast(sample):
    open("ran", "w").close()
    sample(time.sleep, 0)
"""
# No machine runs Python 2.7 here, and every machine has a disk.
OTHER = '[tool.hancock-latency.profiles.other]\npython = "2.7"\narchitecture = "pdp11"\n'
OURS = "[tool.hancock-latency.profiles.ours]\nfree_disk_gb = 0.000001\n"


@pytest.fixture
def profiles(suite: Suite) -> Path:
    """A pyproject.toml with a profile that no machine meets and one that every machine meets."""
    suite.write(TEST)
    file = suite.path / "pyproject.toml"
    file.write_text(f"[tool.pytest.ini_options]\n{OTHER}{OURS}", encoding="utf-8")
    return file


def described() -> str:
    """What every mismatch of the profile `other` says of this machine."""
    return (
        f"python: expected 2.7, found {platform.python_version()}; "
        f"architecture: expected pdp11, found {platform.machine()}"
    )


@pytest.mark.usefixtures("profiles")
def test_a_machine_that_matches_its_profile_is_not_mentioned(suite: Suite) -> None:
    artifact = suite.artifact("--latency-profile=ours")
    assert artifact["profile"] == {"name": "ours", "met": True, "mismatches": []}
    suite.run("--latency-profile=require:ours").stdout.no_fnmatch_line("*hardware profile*")


@pytest.mark.usefixtures("profiles")
def test_another_machine_is_one_line_under_the_table_and_a_list_in_the_artifact(
    suite: Suite,
) -> None:
    result = suite.run("--latency-profile=other", "--latency-json=artifact.json")
    result.assert_outcomes(passed=1)
    line = f'this machine does not match hardware profile "other": {described()}'
    assert result.outlines.count(line) == 1
    profile = json.loads((suite.path / "artifact.json").read_text())["profile"]
    assert (profile["name"], profile["met"]) == ("other", False)
    assert [one["what"] for one in profile["mismatches"]] == ["python", "architecture"]
    assert {"what", "expected", "found"} == set(profile["mismatches"][0])


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_required_profile_refuses_another_machine_before_any_test(
    suite: Suite, errors: Errors, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    assert errors("--latency-profile=require:other", *workers) == [
        f'ERROR: this machine does not match the required hardware profile "other": {described()}'
    ]


@pytest.mark.usefixtures("profiles")
def test_a_required_profile_leaves_tests_without_a_budget_alone(suite: Suite) -> None:
    suite.write("def test_plain(): pass\n")
    suite.run("--latency-profile=require:other").assert_outcomes(passed=1)


def test_without_the_option_there_is_no_profile(suite: Suite) -> None:
    suite.write(TEST)
    assert suite.artifact()["profile"] is None


@pytest.mark.usefixtures("profiles")
def test_the_environment_names_a_profile_too(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANCOCK_LATENCY_PROFILE", "other")
    suite.run().stdout.fnmatch_lines('this machine does not match hardware profile "other": *')


def test_a_profile_of_the_project_replaces_the_built_in_one(suite: Suite, profiles: Path) -> None:
    profiles.write_text(OTHER.replace("other", "ci"), encoding="utf-8")
    suite.run("--latency-profile=ci").stdout.fnmatch_lines(
        f'this machine does not match hardware profile "ci": {described()}'
    )


def test_an_unknown_profile_is_named_with_those_that_exist(errors: Errors, profiles: Path) -> None:
    assert errors("--latency-profile=require:ic") == [
        f"ERROR: command line option --latency-profile: {profiles}: "
        'unknown profile "ic": known profiles are "ci", "other", "ours"'
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[tool.hancock-latency.profiles.mine]\ncpus = 4",
            "profile \"mine\": unknown key 'cpus': valid keys are cores, memory_gb, free_disk_gb, "
            "python, architecture",
        ),
        (
            '[tool.hancock-latency.profiles.mine]\ncores = "few"',
            'profile "mine": cores = \'few\' must be a number or a range such as "2-4"',
        ),
        (
            "[tool.hancock-latency.profiles]\nmine = 4",
            'profile "mine" must be a table such as cores = 4',
        ),
        (
            "[tool.hancock-latency]\nprofiles = 4",
            "'profiles' must be a table of profiles by name",
        ),
    ],
)
def test_an_invalid_profile_is_named_with_its_file(
    suite: Suite, errors: Errors, content: str, message: str
) -> None:
    suite.write(TEST)
    file = suite.path / "pyproject.toml"
    file.write_text(f"[tool.pytest.ini_options]\n{content}\n", encoding="utf-8")
    assert errors("--latency-profile=mine") == [
        f"ERROR: command line option --latency-profile: {file}: {message}"
    ]
