"""The deep health check: whether the model and the shared storage respond.

`/health` only shows that this process responds, for probes that restart or route. `/health/deep`
runs these checks, at most once per `ttl_s`, so that frequent requests do not add load to the model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Literal, NamedTuple

import msgspec

from hancock_app.backends import BackendFailure
from hancock_app.storage import StorageUnavailable

_log = logging.getLogger("hancock")

Status = Literal["ok", "degraded", "failed"]


class DeepReport(msgspec.Struct):
    """The response of `/health/deep`. `checks` maps each check to `ok` or an error message.

    `degraded` means that all requests are still answered, `failed` that some are not.
    """

    status: Status
    checks: dict[str, str]
    age_s: float


class Check(NamedTuple):
    """A check; `run` raises if it fails. While a `vital` one fails, requests cannot be answered."""

    run: Callable[[], None]
    vital: bool


class DeepHealth:
    """Run `checks` one after another and cache the report; `clock` is in seconds."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._ttl_s = ttl_s
        self._clock = clock
        self._running = Lock()
        self._cached: tuple[float, DeepReport] | None = None

    def report(self) -> DeepReport:
        """Return a report that is at most `ttl_s` old, plus the time that the checks take.

        One caller runs the checks. Meanwhile others get the previous report, and wait only if
        there is none yet.
        """
        if not self._is_fresh() and self._running.acquire(blocking=self._cached is None):
            try:
                if not self._is_fresh():
                    self._cached = (self._clock(), self._run_checks())
            finally:
                self._running.release()
        assert self._cached is not None
        checked_at, report = self._cached
        age_s = round(max(0.0, self._clock() - checked_at), 3)
        return DeepReport(report.status, report.checks, age_s)

    def _is_fresh(self) -> bool:
        return self._cached is not None and self._clock() - self._cached[0] < self._ttl_s

    def _run_checks(self) -> DeepReport:
        outcomes = {name: _run(name, check) for name, check in self._checks.items()}
        failed_checks = [self._checks[name] for name in outcomes if outcomes[name] != "ok"]
        status: Status = "degraded" if failed_checks else "ok"
        if any(check.vital for check in failed_checks):
            status = "failed"
        return DeepReport(status, outcomes, 0.0)


def _run(name: str, check: Check) -> str:
    try:
        check.run()
    except (BackendFailure, StorageUnavailable) as failure:
        _log.warning("health check of the %s failed: %s", name, failure)
        return str(failure)
    except Exception:
        # Not shown to clients: the message may contain anything.
        _log.exception("health check of the %s raised an exception", name)
        return "the check raised an exception"
    return "ok"
