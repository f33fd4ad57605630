from __future__ import annotations

from pytest_hancock_latency import Sampler, latency_budget


@latency_budget(p50=5, p95=20, p99=50)
def test_sorting_a_thousand_numbers(sample: Sampler) -> None:
    sample(sorted, range(1000, 0, -1), check=lambda numbers: numbers[0] == 1)
