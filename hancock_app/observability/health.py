"""Whether this process answers at all, and whether what it needs does.

The shallow answer is for probes that restart or route; it asks nobody. The deep one asks the model
and the shared storage, at most once per `ttl_s`, so that frequent probes do not weigh on them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Literal, NamedTuple

import msgspec

from hancock_app.backends import BackendFailure
from hancock_app.storage import StorageAway

_log = logging.getLogger("hancock")


class Shallow(msgspec.Struct):
    """What `/health` gives."""

    status: Literal["ok"] = "ok"


class Deep(msgspec.Struct):
    """What `/health/deep` gives; `checks` has a reason for whatever is not `ok`.

    `degraded` means that requests are answered all the same, `failed` that some are not.
    """

    status: Literal["ok", "degraded", "failed"]
    checks: dict[str, str]
    age_s: float


class Check(NamedTuple):
    """One thing to ask: raises where it is not well. Vital is what requests cannot do without."""

    ask: Callable[[], None]
    vital: bool


class DeepHealth:
    """Asks all `checks` one after the other, and keeps what they say; `clock` gives seconds."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._ttl_s = ttl_s
        self._clock = clock
        self._flight = Lock()
        self._kept: tuple[float, Deep] | None = None

    def report(self) -> Deep:
        """The latest findings, not older than `ttl_s` plus what the checks take.

        One caller asks; meanwhile others get what is known, and wait only if nothing is.
        """
        if not self._is_fresh() and self._flight.acquire(blocking=self._kept is None):
            try:
                if not self._is_fresh():
                    self._kept = (self._clock(), self._ask_all())
            finally:
                self._flight.release()
        assert self._kept is not None
        asked_at, found = self._kept
        return Deep(found.status, found.checks, round(max(0.0, self._clock() - asked_at), 3))

    def _is_fresh(self) -> bool:
        return self._kept is not None and self._clock() - self._kept[0] < self._ttl_s

    def _ask_all(self) -> Deep:
        found = {name: _finding(name, check) for name, check in self._checks.items()}
        unwell = [self._checks[name].vital for name, said in found.items() if said != "ok"]
        status: Literal["ok", "degraded", "failed"] = "degraded" if unwell else "ok"
        return Deep("failed" if any(unwell) else status, found, 0.0)


def _finding(name: str, check: Check) -> str:
    try:
        check.ask()
    except (BackendFailure, StorageAway) as failure:
        _log.warning("%s is not well: %s", name, failure)
        return str(failure)
    except Exception:
        _log.exception("the check of %s failed", name)
        return "the check itself failed"
    return "ok"
