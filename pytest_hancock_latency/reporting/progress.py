"""One line about a sample that is being measured."""

from __future__ import annotations

from ..core.duration import format_duration
from ..core.quantile import label
from ..core.sample import Progress, Sample


def progress_line(test: str, progress: Progress) -> str:
    """Name, number of observations, quantiles so far, and what is still undecided.

    ``test_chat: 1204 in 2.5 s, p50 1.9 ms, p99 4.2 ms, undecided p99``
    """
    name = f"{test} [{progress.name}]" if progress.name else test
    count = len(progress.observations)
    parts = [f"{name}: {count} in {format_duration(progress.elapsed_ns)}"]
    if count:
        sample = Sample(name, progress.observations)
        parts += [f"{p} {format_duration(sample.quantile_ns(p))}" for p in ("p50", "p99")]
    if progress.undecided:
        parts.append(f"undecided {' '.join(label(limit.quantile) for limit in progress.undecided)}")
    return ", ".join(parts)
