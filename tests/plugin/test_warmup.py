"""Where a warm-up is set: marker, command line, environment, ini file and budget file."""

from __future__ import annotations

import pytest

from .conftest import Suite

TEST = """
@latency_budget({arguments})
def test_it(sample):
    calls.append(sample(time.sleep, 0.001).measurement.warmup_ns)
calls = []
def test_warm_up():
    assert {expected}
"""
UNTIL_STEADY = "20 <= len(calls[0]) <= 1000"
FOR_A_TIME = "sum(calls[0][:-1]) < 50_000_000 and len(calls[0]) > 5"


@pytest.mark.parametrize(
    "case",
    [("auto", UNTIL_STEADY), ("50ms", FOR_A_TIME), ("7", "len(calls[0]) == 7")],
    ids=lambda case: case[0],
)
@pytest.mark.parametrize("place", ["option", "environment", "ini", "marker", "budget"])
def test_a_warm_up_may_be_a_number_a_time_or_auto_everywhere(
    suite: Suite,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    case: tuple[str, str],
) -> None:
    (written, expected), arguments, options = case, "p50=500", list[str]()
    if place == "marker":
        arguments += f", warmup={written!r}"
    if place == "budget":
        arguments = "'quick'"
        pytester.makepyprojecttoml(
            f'[tool.hancock-latency.budgets.quick]\np50 = 500\nwarmup = "{written}"\n'
        )
    if place == "ini":
        pytester.makeini(f"[pytest]\nlatency_warmup = {written}\n")
    if place == "environment":
        monkeypatch.setenv("HANCOCK_LATENCY_WARMUP", written)
    if place == "option":
        options = [f"--latency-warmup={written}"]
    suite.write(TEST.format(arguments=arguments, expected=expected))
    suite.run(*options).assert_outcomes(passed=2)


@pytest.mark.parametrize(("written", "kept"), [("auto", "auto"), ("50ms", "50 ms"), ("7", 7)])
def test_the_artifact_says_how_samples_are_warmed_up(
    suite: Suite, written: str, kept: object
) -> None:
    suite.write("@latency_budget(p50=500, samples=1)\ndef test_it(sample): sample(time.sleep, 0)\n")
    artifact = suite.artifact(f"--latency-warmup={written}")
    assert kept == artifact["settings"]["warmup"]
    assert artifact["samples"][0]["measurement"]["warmup_ns"]


def test_a_warm_up_until_steady_takes_a_tenth_of_the_timeout_at_most(suite: Suite) -> None:
    suite.write(
        """
import itertools
falling = (0.9 ** number for number in itertools.count())
@pytest.mark.timeout(3)
@latency_budget(p50=2000, warmup="auto", samples=1)
def test_it(sample):
    measured = sample(lambda: time.sleep(next(falling) * 0.05))
    assert sum(measured.measurement.warmup_ns[:-1]) < 300_000_000
""",
    )
    suite.run("-p", "pytest_timeout").assert_outcomes(passed=1)
