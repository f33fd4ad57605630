"""Inputs of a sample: each call gets the next one, and every input counts alike.

In their own order, slow inputs may come together: of a hundred fast inputs before a hundred slow
ones, a sample that ends after seventy calls has seen only the fast ones. So they are shuffled, each
time they start over, in an order that all runs share: reruns, the sides of a duel and the runs of a
history then measure the same calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Any, Final, Literal, get_args

from ..errors import LatencyError

Call = Callable[[], Any]
Order = Literal["shuffled", "given"]

NOT_GIVEN: Final = object()
"""Default of `order`, which belongs to the function where there are no inputs."""
LIST_LIMIT: Final = 1_000_000
"""Inputs of a list. A sample makes fewer calls, and each input takes a hundred bytes."""
ITERATOR_LIMIT: Final = 10_000
"""Inputs that are taken from an iterator before measuring. It may be endless, and may take time to
make each of them."""
_SEED: Final = 0
"""Any will do, as long as all runs have the same."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The calls of a sample with inputs, which are made in turns."""

    calls: Sequence[Call] = ()
    order: Order = "shuffled"
    endless: Iterator[Call] | None = None
    """Takes the place of `calls`, and keeps its order. What was called is not called again."""

    def __len__(self) -> int:
        """The number of inputs; 0 if they are endless."""
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        """Yield call after call, without an end."""
        if self.endless is not None:
            return self.endless
        if self.order == "given" or len(self.calls) == 1:
            return cycle(self.calls)
        return self._shuffled()

    def _shuffled(self) -> Iterator[Call]:
        from random import Random  # a generator of its own: tests seed the shared one

        order, generator = list(self.calls), Random(_SEED)
        while True:
            generator.shuffle(order)
            yield from order

    def wrapped(self, wrap: Callable[[Call], Call]) -> Inputs:
        """Return these inputs with every call wrapped."""
        endless = None if self.endless is None else map(wrap, self.endless)
        return Inputs([wrap(call) for call in self.calls], self.order, endless)


def inputs_of(called_with: Callable[[Any], Call], inputs: Iterable[Any], order: Any) -> Inputs:
    """Return the inputs of a sample.

    Args:
        called_with: makes the call for an input.

    Raises:
        LatencyError: there are no inputs or too many, they are a string, or the order is unknown.
    """
    if order is NOT_GIVEN:
        order = "shuffled"
    if order not in get_args(Order):
        raise LatencyError(f'order={order!r} is unknown: must be "shuffled" or "given"')
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
        raise LatencyError(
            f"inputs={inputs!r} is not a list of inputs: write sample(function, inputs=[...])"
        )
    if isinstance(inputs, Sized) and len(inputs) > LIST_LIMIT:
        raise LatencyError(
            f"inputs= has more than {LIST_LIMIT} inputs: pass some of them, or an iterator"
        )
    iterator = iter(inputs)
    limit = LIST_LIMIT if isinstance(inputs, Sized) else ITERATOR_LIMIT
    first = [called_with(argument) for argument in islice(iterator, limit + 1)]
    if not first:
        raise LatencyError("inputs= is empty: sample(function, inputs=...) needs at least one")
    if len(first) <= limit:
        return Inputs(first, order)
    return Inputs(order=order, endless=chain(first, map(called_with, iterator), cycle(first)))
