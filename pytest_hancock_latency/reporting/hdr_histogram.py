"""Exchange with HdrHistogram: the V2 encoding that its libraries for all languages read and write.

The library is the extra ``hdrhistogram``; its buckets at three significant digits and a unit of
1 ns are ours, so a histogram goes there and back with every count in its place.
"""

from __future__ import annotations

from typing import Any, Final

from ..core.histogram import SIGNIFICANT_DIGITS, Histogram, highest, index_of, lowest
from ..errors import ArtifactError

_LEAST_HIGHEST_NS: Final = 4_096
PREFIX: Final = "HISTF"
"""What every V2 text starts with."""


def hdr_text(histogram: Histogram) -> str:
    """The V2 encoding of a histogram in nanoseconds, compressed, base64.

    Raises:
        ArtifactError: the library is missing.
    """
    most = max((highest(index) for index in histogram.counts), default=0)
    made = _library()(1, max(_LEAST_HIGHEST_NS, most), SIGNIFICANT_DIGITS)
    for index, count in histogram.counts.items():
        made.record_value(lowest(index), count)
    text: bytes = made.encode()
    return text.decode("ascii")


def histogram_in(text: str, unit_ns: int = 1) -> Histogram:
    """The histogram of a V2 text whose values are in units of `unit_ns`.

    Values that one of its buckets cannot tell apart go to the bucket of the middle one here.

    Raises:
        ArtifactError: it is no such text, or the library is missing.
    """
    library = _library()
    try:
        read = library.decode(text.strip().encode("ascii"))
        counts: dict[int, int] = {}
        for item in read.get_recorded_iterator():
            value = read.get_lowest_equivalent_value(item.value_iterated_to)
            top = read.get_highest_equivalent_value(value)
            index = index_of(_middle(value, top) * unit_ns)
            counts[index] = counts.get(index, 0) + item.count_added_in_this_iter_step
        return Histogram(counts)
    except Exception as error:  # the library raises whatever broken bytes lead to
        raise ArtifactError(f"is no HdrHistogram in V2 encoding ({type(error).__name__})") from None


def _middle(low: int, high: int) -> int:
    return (low + high) // 2


def _library() -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        raise ArtifactError(
            "HdrHistogram needs the extra: pip install 'pytest-hancock-latency[hdrhistogram]'"
        ) from None
    return HdrHistogram
