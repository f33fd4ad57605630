"""Protects Locust's own table: one invalid request would prevent Locust from printing it.

Names that are not strings cannot be sorted, and a total of NaN cannot be rounded. Locust then fails
with an exception before our report is printed, and with exit code 1, which would mean that a budget
is exceeded. So all values are corrected before they enter the table.
"""

from __future__ import annotations

from typing import Any, Final

from .listener import LONGEST_MS, text_of

_MOST_BYTES: Final = 2**50
"""Maximum size of a response."""


def guard(stats: Any) -> None:
    """Convert everything reported to Locust's statistics to strings and numbers.

    An invalid response time becomes None: Locust counts such requests without a time.
    """
    log_request, log_error = stats.log_request, stats.log_error

    def log_right_request(
        method: object, name: object, response_time: object, content_length: object
    ) -> None:
        latency_ms = _number(response_time, LONGEST_MS)
        log_request(
            text_of(method), text_of(name), latency_ms, _number(content_length, _MOST_BYTES) or 0
        )

    def log_right_error(method: object, name: object, error: object) -> None:
        right = error if isinstance(error, BaseException) else text_of(error)
        log_error(text_of(method), text_of(name), right)

    stats.log_request, stats.log_error = log_right_request, log_right_error


def _number(value: object, maximum: float) -> float | None:
    """Return a number from −maximum to maximum, or None; NaN becomes None."""
    return value if isinstance(value, int | float) and -maximum <= value <= maximum else None
