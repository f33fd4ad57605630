"""The marker as a decorator with a signature."""

from __future__ import annotations

from typing import Any, overload

import pytest

Limit = int | float | str
"""Milliseconds, or a text with a unit: ``"250us"``, ``"1.5s"``."""


@overload
def latency_budget(
    budget: str,
    /,
    *,
    max: Limit = ...,
    errors: Limit = ...,
    name: str = ...,
    warmup: int = ...,
    samples: int = ...,
    max_samples: int = ...,
    time_limit: Limit = ...,
    strict: bool = ...,
    regression: Limit = ...,
    **percentiles: Limit,
) -> pytest.MarkDecorator: ...


@overload
def latency_budget(
    p50: Limit | None = ...,
    p95: Limit | None = ...,
    p99: Limit | None = ...,
    *,
    max: Limit = ...,
    errors: Limit = ...,
    name: str = ...,
    warmup: int = ...,
    samples: int = ...,
    max_samples: int = ...,
    time_limit: Limit = ...,
    strict: bool = ...,
    regression: Limit = ...,
    **percentiles: Limit,
) -> pytest.MarkDecorator: ...


def latency_budget(*args: Any, **kwargs: Any) -> pytest.MarkDecorator:
    """Give a test, a class, a module or a parameter a latency budget.

    ``@latency_budget(p50=10, p95=25, p99="50ms")`` or, with a name from the budget file,
    ``@latency_budget("GET /health")``. Bare numbers are milliseconds. The same as
    ``pytest.mark.latency_budget``, with a signature for editors and type checkers.

    The values are checked when tests are collected, where the error can name the test; nothing is
    raised here, since an exception during the import of a test module hides which test it is.
    """
    mark: pytest.MarkDecorator = pytest.mark.latency_budget(*args, **kwargs)
    return mark
