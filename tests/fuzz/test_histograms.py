"""The codec of HdrHistogram: any text is read or refused, and what is written reads back."""

from __future__ import annotations

import base64
import struct
import zlib

from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency.core.hdr_histogram import decode, encode, unpacked_size
from pytest_hancock_latency.core.histogram import Histogram, highest, index_of, lowest, middle

from .fuzzing import damaged_bytes, damaged_text, fuzzed

LARGEST = index_of(2**63 - 1)
MANY = 2**62
counts = st.dictionaries(
    st.integers(0, LARGEST) | st.integers(0, 5000), st.integers(1, 10**6) | st.just(MANY)
)
histograms = counts.filter(lambda drawn: sum(drawn.values()) < 2**63).map(Histogram)
whole = histograms.map(encode)


def packed(payload: bytes) -> str:
    """Compress a payload as the format says."""
    stream = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(stream)) + stream).decode()


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text)[8:])


def is_read_or_refused(text: str, unit_ns: int = 1) -> None:
    try:
        histogram = decode(text, unit_ns)
    except ValueError as error:
        assert str(error).startswith("not an HdrHistogram (V2): ")
        assert len(str(error)) < 200
        return
    assert unpacked_size(text) > 0
    assert histogram.n < 2**63
    assert all(count > 0 for count in histogram.counts.values())
    if all(highest(index) < 2**63 for index in histogram.counts):
        assert decode(encode(histogram)) == histogram


@fuzzed("histograms", histograms)
@example(Histogram())
@example(Histogram({0: 1}))
@example(Histogram({LARGEST: 2**63 - 1}))
def test_a_histogram_reads_back_as_it_was(histogram: Histogram) -> None:
    assert decode(encode(histogram)) == histogram


@fuzzed("histograms", damaged_text(whole), st.sampled_from((1, 1000, 10**6, 10**9)))
def test_a_damaged_text_is_read_or_refused(text: str, unit_ns: int) -> None:
    is_read_or_refused(text, unit_ns)


@fuzzed("histograms", damaged_bytes(whole.map(unpacked)), st.sampled_from((1, 10**9)))
def test_a_damaged_payload_is_read_or_refused(payload: bytes, unit_ns: int) -> None:
    is_read_or_refused(packed(payload), unit_ns)


headers = st.builds(
    lambda digits, low, high, body: packed(
        struct.pack(">IIiiqqd", 0x1C849313, len(body), 0, digits, low, high, 1.0) + body
    ),
    st.integers(0, 6),
    st.integers(-1, 3) | st.integers(0, 62).map(lambda bits: 1 << bits),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=30),
)


@fuzzed("histograms", headers, st.sampled_from((1, 1000, 10**9)))
def test_any_layout_is_read_or_refused(text: str, unit_ns: int) -> None:
    is_read_or_refused(text, unit_ns)


@fuzzed("histograms", st.integers(0, 2**63 - 1))
def test_a_latency_is_in_its_bucket_and_near_its_middle(ns: int) -> None:
    index = index_of(ns)
    assert lowest(index) <= ns <= highest(index)
    assert abs(middle(index) - ns) * 2048 <= max(ns, 1)
