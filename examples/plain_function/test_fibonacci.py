from __future__ import annotations

from functools import partial

from pytest_hancock_latency import Sampler, latency_budget


def by_recursion(n: int) -> int:
    return n if n < 2 else by_recursion(n - 1) + by_recursion(n - 2)


def by_addition(n: int) -> int:
    last, this = 0, 1
    for _ in range(n):
        last, this = this, last + this
    return last


@latency_budget(p50=1, p95=5, p99=20)
def test_a_fibonacci_number_is_cheap(sample: Sampler) -> None:
    sample(by_addition, 15, check=lambda answer: answer == 610)


def test_addition_beats_recursion(sample: Sampler) -> None:
    new, old = sample.pairs(
        partial(by_addition, 15), partial(by_recursion, 15), names=("addition", "recursion")
    )
    assert new.faster_than(old, by="20%")
