"""The `warmup` fixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..measuring.calls import called_with
from ..measuring.taking import BareTaker, Request
from .sampler import Sampler
from .settings import Mode


class Warmup:
    """The `warmup` fixture: warms up by hand; `sample` then adds no calls of its own."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def __call__(
        self, function: Callable[..., Any], /, *args: Any, times: int = 5, **kwargs: Any
    ) -> None:
        """Call `function(*args, **kwargs)` `times` times; kept in the record, never judged.

        Raises:
            ValueError: `times` is negative.
        """
        if times < 0:
            raise ValueError(f"times={times} is not a whole number from 0 up")
        if self._sampler.gate.mode is Mode.OFF:
            return
        taker = BareTaker(self._sampler.clock)
        request = Request(called_with(function, args, kwargs))
        for _ in range(times):
            taker.take(request, 1, 0)
        self._sampler.warmed.extend(taker.walls)
