"""Whether a load run can end with its verdict, and how much longer it would have to be.

A run that ends with its verdict is looked at again and again until it is decided, so only evidence
counts that is valid whenever looking stops:

    limits       the evidence of `core.evidence`, which every verdict on a limit rests on
    errors       the same evidence. The verdict on a whole run says that errors are within if no
                 more failed than allowed; that share varies, and one of many looks finds it low
    max and      a statement about the requests that were made, as in a test: it holds until the
    no errors    first one breaks it
    requests/s   exceeded at any time. But a rate has to be sustained, so within takes the whole run

The trend of requests/s is a test for a fixed number of requests. It ends no run, and is only made
once, of the counts at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..core.evidence import ALPHA_WITHIN, alpha_of_gate, boundaries
from ..core.verdict import FailureVerdict, LimitVerdict, Outcome, Reason, RpsVerdict, Verdict
from .limit_judge import FARTHEST, Table

ERRORS: Final = "errors"
REQUESTS_PER_S: Final = "requests/s"
_NOT_BY_LENGTH: Final = (Reason.STALL, Reason.MACHINE, Reason.BETWEEN, Reason.BUCKET, Reason.LOAD)
"""Why a part is inconclusive where more requests of the same kind would not decide it."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A part of a budget that is inconclusive."""

    part: str
    """``p99``, ``errors`` or ``requests/s``."""
    reason: Reason
    more_requests: int | None = None
    """About how many more requests would decide it; None if unknown, or if none would."""
    more_ns: int | None = None
    """How long these take at the pace so far; None if no longer run is known to decide it."""


def shows_exceeded(verdict: Verdict) -> bool:
    """Whether a part is exceeded by evidence that is valid whenever looking stops."""
    parts = (*verdict.limits, verdict.failures, verdict.rps)
    return any(part is not None and part.outcome is Outcome.EXCEEDED for part in parts)


def not_within(verdict: Verdict) -> list[str]:
    """Return the parts that are not within by evidence that is valid whenever looking stops."""
    labels = [part.limit.label for part in verdict.limits if part.outcome is not Outcome.WITHIN]
    if not _errors_are_within(verdict.failures):
        labels.append(ERRORS)
    return labels if verdict.rps is None else [*labels, REQUESTS_PER_S]


def undecided(verdict: Verdict) -> list[Undecided]:
    """Return the inconclusive parts of a verdict, each with what would decide it.

    Nothing is left to decide once a part is exceeded.
    """
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        return []
    parts = [_of_limit(part, verdict) for part in verdict.limits if _is_open(part)]
    if _is_open(verdict.failures):
        parts.append(_of_errors(verdict.failures, verdict.elapsed_ns))
    if verdict.rps is not None and _is_open(verdict.rps):
        parts.append(_of_rps(verdict.rps))
    return parts


def _is_open(part: LimitVerdict | FailureVerdict | RpsVerdict) -> bool:
    return part.outcome is Outcome.INCONCLUSIVE


def _errors_are_within(failures: FailureVerdict) -> bool:
    table = _table_of(failures)
    return failures.outcome is Outcome.WITHIN and (
        not failures.allowed or table.shows_within(failures.attempts, failures.failed)
    )


def _table_of(failures: FailureVerdict) -> Table:
    return boundaries(failures.allowed, ALPHA_WITHIN, alpha_of_gate(1))


def _of_limit(part: LimitVerdict, verdict: Verdict) -> Undecided:
    label = part.limit.label
    if part.reason is Reason.SHORT:
        return Undecided(label, part.reason, None, verdict.least_time_ns - verdict.elapsed_ns)
    if part.reason in _NOT_BY_LENGTH or part.needed is None or not part.n:
        return Undecided(label, part.reason)
    added_count = max(1, part.needed - part.n)
    return Undecided(label, part.reason, added_count, added_count * verdict.elapsed_ns // part.n)


def _of_errors(failures: FailureVerdict, elapsed_ns: int) -> Undecided:
    attempts, failed, table = failures.attempts, failures.failed, _table_of(failures)
    if failures.excused or not attempts:
        return Undecided(ERRORS, Reason.MACHINE)
    is_over = failed > failures.allowed * attempts
    at_rate = table.exceeded_at_rate if is_over else table.within_at_rate
    needed_count = at_rate(attempts, failed, FARTHEST)
    if needed_count is None:
        return Undecided(ERRORS, Reason.NEAR)
    added_count = max(1, needed_count - attempts)
    return Undecided(ERRORS, Reason.FEW, added_count, added_count * elapsed_ns // attempts)


def _of_rps(rps: RpsVerdict) -> Undecided:
    if rps.reason in _NOT_BY_LENGTH or rps.needed is None:
        return Undecided(REQUESTS_PER_S, rps.reason)
    return Undecided(REQUESTS_PER_S, rps.reason, None, max(1, rps.needed - rps.n) * rps.stretch_ns)
