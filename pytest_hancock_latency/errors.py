"""Every error that this package raises on purpose.

    LatencyError
    ├── DurationError    an invalid duration
    ├── QuantileError    an invalid percentile
    ├── BudgetError      an invalid budget
    ├── SettingError     an invalid option, ini value or environment variable
    ├── ProfileError     an invalid hardware profile
    ├── ArtifactError    a file that is not an artifact of ours
    ├── ImportedFileError  another tool's file that cannot be read
    ├── DuelError        two versions that cannot be compared
    └── NothingMeasured  a quantile of a sample without observations

The first five are also `ValueError`: an input was invalid. Their text is one line, so that callers
can put the source of the input in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def hides_frame(excinfo: Any) -> bool:
    """Value for ``__tracebackhide__`` of a module: whether pytest hides its frames in a traceback.

    Exceptions of a request are about the request, and a `LatencyError` is about the caller. Our own
    frames are useful only for errors in this package itself.

    Args:
        excinfo: pytest's `ExceptionInfo`.
    """
    if excinfo.errisinstance(LatencyError):
        return True
    innermost = excinfo.traceback[-1].frame.f_globals.get("__name__")
    return not str(innermost).startswith(__package__)


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Return `` (did you mean "p99"?)`` for the closest valid word; empty if none is close."""
    from difflib import get_close_matches

    nearest = get_close_matches(word, list(valid), n=1)
    return f' (did you mean "{nearest[0]}"?)' if nearest else ""


def read_as(where: str, kind: type[LatencyError], read: Callable[[Any], T], value: object) -> T:
    """Read a value; if it is invalid, raise an error of this kind that starts with its source.

    Raises:
        kind: the value is invalid.
    """
    try:
        return read(value)
    except LatencyError as error:
        raise kind(f"{where}: {error}") from None


class InconclusiveWarning(UserWarning):
    """A latency budget was inconclusive because of too few calls, so it protects nothing.

    A filter that names this class can turn it into an error; a filter for all warnings does not,
    because a slow machine can also be the reason for too few calls.

    >>> import warnings
    >>> warnings.simplefilter("error", InconclusiveWarning)
    """


class LatencyError(Exception):
    """Base of all errors that this package raises on purpose.

    >>> try:
    ...     judge(measure(len, "abc"), {"p95": "fast"})
    ... except LatencyError as error:
    ...     print(type(error).__name__)
    BudgetError
    """


class DurationError(LatencyError, ValueError):
    """An invalid duration.

    >>> issubclass(DurationError, ValueError)
    True
    """


class QuantileError(LatencyError, ValueError):
    """An invalid percentile.

    >>> measure(len, "abc").quantile_ms("p101")
    Traceback (most recent call last):
    QuantileError: p101 is not a percentile: it must lie between p0 and p100
    """


class BudgetError(LatencyError, ValueError):
    """An invalid budget, in a marker or a budget file.

    >>> judge(measure(len, "abc"), {"p95": -1})
    Traceback (most recent call last):
    BudgetError: p95: -1 is not a duration: it must be greater than zero
    """


class SettingError(LatencyError, ValueError):
    """An invalid option, ini value or environment variable.

    >>> issubclass(SettingError, LatencyError)
    True
    """


class ProfileError(LatencyError, ValueError):
    """An invalid or unknown hardware profile.

    >>> issubclass(ProfileError, LatencyError)
    True
    """


class ArtifactError(LatencyError):
    """A file that is not an artifact of ours, or that has an unknown format."""


class ImportedFileError(LatencyError):
    """A file of another tool that cannot be read."""


class DuelError(LatencyError):
    """Two versions that cannot be compared."""


class NothingMeasured(LatencyError):
    """A sample without observations has no quantiles and no verdict.

    >>> nearest_rank([], Fraction(1, 2))
    Traceback (most recent call last):
    NothingMeasured: cannot compute p50: the sample has no observations
    """
