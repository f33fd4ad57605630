"""The reference speed of the machine, kept in pytest's cache."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_hancock_latency.core.machine_speed import MachineKind
from pytest_hancock_latency.core.undisturbed import ReferenceSpeed
from pytest_hancock_latency.measuring.takers.probes import VERSION
from pytest_hancock_latency.plugin.kept_speed import (
    KEY,
    SOURCE,
    KeptSpeed,
    machine_kind,
    reference_of,
)

MACHINE = {"cpu": "a CPU", "cores": 2, "implementation": "cpython", "python": "3.12.1"}


class Cache:
    """A cache of pytest in memory."""

    def __init__(self, content: object = None) -> None:
        self.content = content

    def get(self, key: str, default: object) -> object:
        assert key == KEY
        return default if self.content is None else self.content

    def set(self, key: str, value: object) -> None:
        assert key == KEY
        self.content = json.loads(json.dumps(value))


def kept_in(cache: object, **machine: object) -> KeptSpeed:
    config: Any = SimpleNamespace(cache=cache)
    return KeptSpeed(config, machine_kind({**MACHINE, **machine}))


def test_a_kind_of_machine_is_its_cpu_its_python_and_our_probes() -> None:
    kind = machine_kind(MACHINE)
    build = " ".join(" ".join(platform.python_build()).split())
    assert kind == MachineKind("a CPU, 2 cores", f"cpython 3.12.1, {build}, probes {VERSION}")


def after(*speeds: tuple[float, float]) -> ReferenceSpeed | None:
    cache = Cache()
    for speed in speeds:
        kept_in(cache).keep(ReferenceSpeed(*speed))
    return kept_in(cache).reference


def test_without_earlier_sessions_there_is_no_reference() -> None:
    assert after() is None
    assert reference_of([]) is None


def test_the_fastest_of_a_few_sessions_may_have_had_a_neighbour_all_the_time() -> None:
    assert after((80, 50), (70, 60)) == ReferenceSpeed(70, 50)


def test_of_five_sessions_the_second_fastest_is_the_reference() -> None:
    speeds = [(70.0, 90.0), (10.0, 50.0), (80.0, 60.0), (90.0, 70.0), (75.0, 80.0)]
    assert after(*speeds) == ReferenceSpeed(70, 60, SOURCE)


def test_only_the_last_twenty_sessions_are_kept() -> None:
    assert after(*[(10.0, 10.0)] * 2, *[(70.0, 50.0)] * 20) == ReferenceSpeed(70, 50, SOURCE)


@pytest.mark.parametrize("fact", [{"cpu": "another CPU"}, {"cores": 4}, {"python": "3.13.0"}])
def test_each_kind_of_machine_has_its_own(fact: dict[str, object]) -> None:
    cache = Cache()
    kept_in(cache).keep(ReferenceSpeed(70, 50))
    assert kept_in(cache, **fact).reference is None
    kept_in(cache, **fact).keep(ReferenceSpeed(90, 60))
    assert kept_in(cache).reference == ReferenceSpeed(70, 50)


def test_at_most_fifty_kinds_of_machines_are_kept() -> None:
    cache = Cache()
    for cores in range(60):
        kept_in(cache, cores=cores).keep(ReferenceSpeed(70, 50))
    assert isinstance(cache.content, dict)
    assert len(cache.content) == 50
    assert kept_in(cache, cores=59).reference is not None


def test_without_a_cache_nothing_is_kept() -> None:
    kept = kept_in(None)
    kept.keep(ReferenceSpeed(70, 50))
    assert kept.reference is None


@pytest.mark.parametrize("speeds", ["fast", [1], [[1]], [["a", "b"]], [[0, 1]], [[-1, 5]], None])
def test_what_is_not_a_speed_is_left_out(speeds: object) -> None:
    cache = Cache()
    kept_in(cache).keep(ReferenceSpeed(70, 50))
    assert isinstance(cache.content, dict)
    (kind,) = cache.content
    cache.content[kind] = speeds
    assert kept_in(cache).reference is None
    assert kept_in(Cache(["not a mapping"])).reference is None


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session with all plugins of this environment takes four times as long to start."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


MEASURED = """
from pytest_hancock_latency import latency_budget

@latency_budget(p50="1s")
def test_it(sample):
    sample(sorted, range(3000))
"""


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_each_session_that_measured_adds_its_speed(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    pytester.makepyfile(MEASURED)
    for _ in range(2):
        pytester.runpytest_subprocess("-p", "hancock_latency", *workers).assert_outcomes(passed=1)
    path = pytester.path / ".pytest_cache" / "v" / "hancock_latency" / "reference_speed"
    (speeds,) = json.loads(path.read_text(encoding="utf-8")).values()
    assert len(speeds) == 2
    assert all(part > 0 for speed in speeds for part in speed)


def test_a_session_without_a_measurement_adds_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess("-p", "hancock_latency", "--latency=report")
    assert not (pytester.path / ".pytest_cache" / "v" / "hancock_latency").exists()


def test_under_a_tracer_a_session_does_not_show_the_speed_of_the_machine(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(MEASURED)
    pytester.makeconftest("import sys\nsys.setprofile(lambda *_: None)\n")
    result = pytester.runpytest_subprocess("-p", "hancock_latency")
    result.assert_outcomes(passed=1)
    assert not (pytester.path / ".pytest_cache" / "v" / "hancock_latency").exists()


def test_the_artifact_has_the_speed_of_the_machine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MEASURED)
    pytester.runpytest_subprocess("-p", "hancock_latency", "--latency-json=a.json")
    artifact = json.loads(Path("a.json").read_text(encoding="utf-8"))
    kind = machine_kind(artifact["machine"])
    speed = artifact["speed"]
    assert (speed["cpu"], speed["python"]) == (kind.cpu, kind.python)
    assert speed["arithmetic_ns"] > 0 < speed["memory_ns"]


BUDGETS = """
[budgets.fast]
p50 = "1s"

[machine]
cpu = "a CPU"
python = "a Python"
arithmetic = "10ns"
memory = "44us"
"""


def test_the_speed_beside_the_limits_is_read_and_named_if_it_is_wrong(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(MEASURED.replace('p50="1s"', '"fast"').replace("3000", "30000"))
    Path("budgets.toml").write_text(BUDGETS, encoding="utf-8")
    for _ in range(2):  # the first session shows the speed of the machine at its end
        result = pytester.runpytest_subprocess(
            "-p", "hancock_latency", "--latency-budgets=budgets.toml"
        )
    result.stdout.fnmatch_lines(
        [
            "advice for *::test_it: the speed of the machine beside the limits (arithmetic 10 ns, "
            "memory 44 µs) is out of reach of this one, *(wrong-speed)"
        ]
    )
