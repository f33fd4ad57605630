"""The `warmup` fixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..measuring.request import called_with
from ..measuring.takers.bare import warm_up
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
        call = called_with(function, args, kwargs)
        self._sampler.warmed.extend(warm_up(call, times, self._sampler.clock))
