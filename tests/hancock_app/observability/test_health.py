"""`/health` and `/health/deep`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.backends import BackendUnavailable
from hancock_app.observability.health import Check, DeepHealth
from hancock_app.storage import StorageUnavailable


class FakeCheck:
    """A check that counts its runs, and may fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        if self.failure:
            raise self.failure


def test_passing_checks_are_ok(clock: Any) -> None:
    report = DeepHealth({"model": Check(FakeCheck(), vital=True)}, 30, clock).report()
    assert (report.status, report.checks, report.age_s) == ("ok", {"model": "ok"}, 0.0)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (BackendUnavailable("the model cannot be reached"), "the model cannot be reached"),
        (
            StorageUnavailable("the shared storage is unavailable"),
            "the shared storage is unavailable",
        ),
        (ZeroDivisionError("secret"), "the check raised an exception"),
    ],
)
def test_a_failed_check_that_is_not_vital_degrades(
    clock: Any, failure: Exception, reason: str
) -> None:
    checks = {"it": Check(FakeCheck(failure), vital=False), "other": Check(FakeCheck(), vital=True)}
    report = DeepHealth(checks, 30, clock).report()
    assert (report.status, report.checks) == ("degraded", {"it": reason, "other": "ok"})


def test_a_failed_vital_check_fails(clock: Any) -> None:
    checks = {
        "it": Check(FakeCheck(BackendUnavailable("gone")), vital=True),
        "other": Check(FakeCheck(StorageUnavailable("gone")), vital=False),
    }
    assert DeepHealth(checks, 30, clock).report().status == "failed"


def test_a_report_is_cached_for_its_time_to_live(clock: Any) -> None:
    check = FakeCheck()
    health = DeepHealth({"it": Check(check, vital=True)}, 30, clock)
    ages = []
    for passed in (0, 10, 19.9, 0.1, 5):
        clock.now += passed
        ages.append(health.report().age_s)
    assert (ages, check.times) == ([0.0, 10.0, 29.9, 0.0, 5.0], 2)


def test_of_many_first_callers_one_runs_the_checks_and_all_wait() -> None:
    entered, go_on = threading.Event(), threading.Event()
    times: list[int] = []

    def slow() -> None:
        times.append(1)
        entered.set()
        go_on.wait()

    health = DeepHealth({"it": Check(slow, vital=True)}, 30)
    statuses: list[str] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(health.report().status)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    entered.wait()
    go_on.set()
    for thread in threads:
        thread.join()
    assert (statuses, len(times)) == (["ok"] * 16, 1)


def test_while_one_caller_checks_again_others_get_the_previous_report(clock: Any) -> None:
    entered, go_on = threading.Event(), threading.Event()
    rounds: list[int] = []

    def slow_the_second_time() -> None:
        rounds.append(1)
        if len(rounds) > 1:
            entered.set()
            go_on.wait()

    health = DeepHealth({"it": Check(slow_the_second_time, vital=True)}, 30, clock)
    health.report()
    clock.now += 31
    asking = threading.Thread(target=health.report)
    asking.start()
    entered.wait()
    assert health.report().age_s == 31.0
    go_on.set()
    asking.join()
    assert health.report().age_s == 0.0


def test_the_canned_model_is_always_healthy() -> None:
    answer = create_app(Settings()).test_client().get("/health/deep")
    assert answer.json is not None
    assert (answer.status_code, answer.json["checks"]) == (200, {"model": "ok"})


def test_an_unavailable_model_is_503() -> None:
    class Gone:
        def answer(self, text: str, mode: str) -> str:
            raise NotImplementedError

        def check(self) -> None:
            raise BackendUnavailable("the model cannot be reached")

    client = create_app(Settings(), backend=Gone()).test_client()
    answer = client.get("/health/deep")
    assert answer.json is not None
    assert (answer.status_code, answer.json["status"]) == (503, "failed")
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("on_failure", "status", "expected"), [("open", 200, "degraded"), ("closed", 503, "failed")]
)
def test_an_unavailable_redis_is_as_vital_as_configured(
    redis_server: Any, on_failure: str, status: int, expected: str
) -> None:
    settings = Settings(rate_limit_storage=redis_server.uri, storage_on_failure=on_failure)
    redis_server.stop()
    answer = create_app(settings).test_client().get("/health/deep")
    assert answer.json is not None
    assert (answer.status_code, answer.json["status"]) == (status, expected)
    assert answer.json["checks"] == {"model": "ok", "storage": "the shared storage is unavailable"}


def test_a_redis_that_responds_is_healthy(redis_server: Any) -> None:
    settings = Settings(rate_limit_storage=redis_server.uri, storage_timeout_s=30.0)
    answer = create_app(settings).test_client().get("/health/deep")
    assert answer.json is not None
    assert answer.json["checks"] == {"model": "ok", "storage": "ok"}
