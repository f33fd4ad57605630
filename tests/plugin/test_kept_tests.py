"""What earlier sessions know about a test, kept in pytest's cache."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_hancock_latency.core.sensitivity import ProbedSession, known_test
from pytest_hancock_latency.core.undisturbed import UNKNOWN_TEST
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.plugin.kept_tests import KEY, KeptTests, shown_tests

MACHINE = {"cpu": "a CPU", "cores": 2, "implementation": "cpython", "python": "3.12.1"}
TITLE = "test_it.py::test_it"
PLAIN = json.dumps([50.0, [[0.1, 0.2, 13.0]]])


class Cache:
    """A cache of pytest in memory."""

    def __init__(self, content: object = None) -> None:
        self.content: Any = content

    def get(self, key: str, default: object) -> object:
        assert key == KEY
        return default if self.content is None else self.content

    def set(self, key: str, value: object) -> None:
        assert key == KEY
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # as pytest writes it
        self.content = json.loads(json.dumps(value))


def kept_in(cache: object, **machine: object) -> KeptTests:
    config: Any = SimpleNamespace(cache=cache)
    return KeptTests(config, lambda: {**MACHINE, **machine})


def shown(memory_ns: float, title: str = TITLE) -> dict[str, str]:
    return shown_tests(SessionSpeed(probed={title: ProbedSession((), memory_ns)}))


def test_three_sessions_know_the_reference_of_a_test() -> None:
    cache = Cache()
    for memory_ns in (70.0, 60.0, 80.0):
        assert kept_in(cache).known(TITLE) == UNKNOWN_TEST
        kept_in(cache).keep(shown(memory_ns))
    assert kept_in(cache).known(TITLE).memory_ns == 60.0


def test_the_present_session_is_never_among_those_that_know_a_test() -> None:
    cache = Cache()
    present = kept_in(cache)
    assert present.known(TITLE) == UNKNOWN_TEST
    for _ in range(3):
        kept_in(cache).keep(shown(50.0))
    present.keep(shown(60.0))
    assert present.known(TITLE) == UNKNOWN_TEST


def test_points_survive_the_cache() -> None:
    points = tuple((0.1 * at, 1.2 - 0.1 * (at * 7 % 11), 13 + 0.1 * at) for at in range(11))
    speed = SessionSpeed(probed={TITLE: ProbedSession(points, None)})
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown_tests(speed))
    assert kept_in(cache).known(TITLE).powers == pytest.approx((1.1, 0.1))


def test_only_the_last_eight_sessions_of_a_test_are_kept() -> None:
    cache = Cache()
    for memory_ns in (*[10.0] * 3, *[70.0] * 8):
        kept_in(cache).keep(shown(memory_ns))
    assert kept_in(cache).known(TITLE).memory_ns == 70.0


def test_only_the_last_five_hundred_tests_are_kept() -> None:
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown(50.0))
    kept_in(cache).keep({f"test {number}": PLAIN for number in range(499)})
    assert len(cache.content) == 500
    assert kept_in(cache).known(TITLE).memory_ns == 50.0
    kept_in(cache).keep({"one more": PLAIN})
    assert len(cache.content) == 500
    assert kept_in(cache).known(TITLE) == UNKNOWN_TEST


@pytest.mark.parametrize("fact", [{"cpu": "another CPU"}, {"cores": 4}, {"python": "3.13.0"}])
def test_each_kind_of_machine_knows_only_its_own_sessions(fact: dict[str, object]) -> None:
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown(50.0))
    assert kept_in(cache, **fact).known(TITLE) == UNKNOWN_TEST


def test_a_name_that_cannot_be_encoded_is_kept_as_well() -> None:
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown(50.0, "\udce9 é"))
    assert kept_in(cache).known("\udce9 é").memory_ns == 50.0


def test_without_a_cache_nothing_is_kept() -> None:
    kept = kept_in(None)
    kept.keep(shown(50.0))
    assert kept.known(TITLE) == UNKNOWN_TEST


@pytest.mark.parametrize(
    "damaged",
    [
        *("", "[", "[]", "null", "[1]", '["a", []]', "[50.0, 1]", "[50.0, [[1, 2]]]", "[0, []]"),
        *("[50.0, [[1, 2, 1e999]]]", "[50.0, [[1, 2, NaN]]]", "[" * 100_000, f"[1{'0' * 400}, []]"),
        *('[50.0, [["a", 1, 2]]]', "[NaN, []]", 1, None, ["a list"]),
    ],
    ids=lambda damaged: repr(damaged)[:20],
)
def test_what_is_not_a_session_is_left_out(damaged: object) -> None:
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown(60.0))
    (key,) = cache.content
    cache.content[key].insert(0, damaged)
    assert kept_in(cache).known(TITLE).memory_ns == 60.0


@pytest.mark.parametrize("content", [["no mapping"], "text", 1, {"a test": "no list"}])
def test_a_damaged_cache_is_an_empty_one(content: object) -> None:
    cache = Cache(content)
    assert kept_in(cache).known(TITLE) == UNKNOWN_TEST
    kept_in(cache).keep(shown(50.0))
    assert len(cache.content) == 1


def test_under_a_tracer_nothing_is_shown_and_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache()
    for _ in range(3):
        kept_in(cache).keep(shown(50.0))
    kept = kept_in(cache)
    monkeypatch.setattr(sys, "getprofile", lambda: print)
    assert shown(50.0) == {}
    assert kept.known(TITLE) == UNKNOWN_TEST


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session with all plugins of this environment takes four times as long to start."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


MEASURED = """
from pathlib import Path
from pytest_hancock_latency import latency_budget

@latency_budget(p50="10s", least_time="1s")
def test_it(sample, request):
    known = sample.settings.plan.speed.read_test(request.node.nodeid)
    Path("known.txt").write_text(repr(known))
    sample(lambda: sum(range(6_000)))

@latency_budget(p50="10s")
def test_of_too_few_calls(sample):
    sample(lambda: sum(range(6_000)))
"""


def run(pytester: pytest.Pytester, *options: str) -> None:
    pytester.makepyfile(MEASURED)
    result = pytester.runpytest_subprocess("-p", "hancock_latency", "--latency=report", *options)
    result.assert_outcomes(passed=2)


def kept_file(pytester: pytest.Pytester) -> Path:
    return pytester.path / ".pytest_cache" / "v" / "hancock_latency" / "tests"


def kept_sessions(pytester: pytest.Pytester) -> list[ProbedSession]:
    """Return the sessions of the only test that was kept."""
    ((key, texts),) = json.loads(kept_file(pytester).read_text(encoding="utf-8")).items()
    assert key.endswith("::test_it'")
    return [
        ProbedSession(tuple((p, m, cpu) for p, m, cpu in points), memory_ns)
        for memory_ns, points in map(json.loads, texts)
    ]


@pytest.mark.long
def test_the_fourth_session_uses_what_three_showed(pytester: pytest.Pytester) -> None:
    known = pytester.path / "known.txt"
    for _ in range(3):
        run(pytester)
        assert known.read_text(encoding="utf-8") == repr(UNKNOWN_TEST)
    three = kept_sessions(pytester)
    assert len(three) == 3
    run(pytester)
    assert known.read_text(encoding="utf-8") == repr(known_test(three))
    assert len(kept_sessions(pytester)) == 4


def test_workers_send_what_they_showed_and_a_damaged_cache_is_replaced(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("xdist")
    kept_file(pytester).parent.mkdir(parents=True)
    kept_file(pytester).write_text('{"a": 1, "b": ["["]', encoding="utf-8")
    run(pytester, "-p", "xdist", "-n", "2")
    assert len(kept_sessions(pytester)) == 1


def test_without_the_cache_provider_a_session_ends_as_usual(pytester: pytest.Pytester) -> None:
    run(pytester, "-p", "no:cacheprovider")
    assert not (pytester.path / ".pytest_cache").exists()
