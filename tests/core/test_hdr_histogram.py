"""The V2 encoding: equal to the library's, read whatever the layout, and safe on any text."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.hdr_histogram import PREFIX, decode, encode
from pytest_hancock_latency.core.histogram import Histogram, highest, index_of, lowest

LARGEST = 2**63 - 1
HISTOGRAMS = st.dictionaries(
    st.integers(0, index_of(LARGEST)),
    st.integers(1, 200) | st.integers(1, 2**56),
    max_size=100,
).map(Histogram)
# Counts of one byte up to nine; no empty bucket before a bucket, a single one, and many.
GOLD = Histogram({0: 1, 1: 63, 3: 64, 100: 8191, 2048: 2**62, 20_000: 3})
GOLD_PAYLOAD = (
    "1c8493130000001800000000000000030000000000000001000000001883ffff3ff0000000000000"
    "027e018001bf01fe7fb51e808080808080808080bd980206"
)
GOLD_TEXT = "HISTFAAAADJ42pNpmSzMwMAgwQABzFCaEURINP//b/8BIsBUx9jAuJ/xX/1WuQYY2DuDiQ0ASbQPGg=="


def payload_of(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text)[8:])


def text_of(
    encoded: bytes = b"\x02",
    *,
    cookie: int = 0x1C849313,
    length: int | None = None,
    offset: int = 0,
    digits: int = 3,
    smallest: int = 1,
) -> str:
    """A text with these counts and this header, which need not be valid."""
    announced = len(encoded) if length is None else length
    header = struct.pack(">IIiiqqd", cookie, announced, offset, digits, smallest, LARGEST, 1.0)
    return wrapped(zlib.compress(header + encoded))


def wrapped(packed: bytes, cookie: int = 0x1C849314, length: int | None = None) -> str:
    """The base64 of compressed bytes behind their cookie and length."""
    outer = struct.pack(">II", cookie, len(packed) if length is None else length)
    return base64.b64encode(outer + packed).decode("ascii")


def library_counts(recorded: HdrHistogram) -> dict[int, int]:
    counts = np.ctypeslib.as_array(recorded.counts)
    return {int(index): int(counts[index]) for index in np.flatnonzero(counts)}


def library_histogram(histogram: Histogram) -> HdrHistogram:
    largest = highest(max(histogram.counts, default=0))
    recorded = HdrHistogram(1, max(2, largest), 3)
    for index, count in histogram.counts.items():
        assert recorded.record_value(lowest(index), count)
    return recorded


@given(HISTOGRAMS)
def test_decoding_gives_back_what_was_encoded(histogram: Histogram) -> None:
    assert histogram == decode(encode(histogram))


@given(HISTOGRAMS)
def test_the_library_reads_equal_counts_bucket_by_bucket(histogram: Histogram) -> None:
    recorded = HdrHistogram.decode(encode(histogram).encode("ascii"))
    assert dict(histogram.counts) == library_counts(recorded)
    assert histogram.n == recorded.get_total_count()


@given(HISTOGRAMS)
def test_inside_the_compression_every_byte_is_the_library_s(histogram: Histogram) -> None:
    expected = payload_of(library_histogram(histogram).encode().decode("ascii"))
    assert expected == payload_of(encode(histogram))


@given(
    st.lists(st.integers(0, 2**40), max_size=50),
    st.integers(1, 5),
    st.sampled_from([1, 2, 7, 1000, 1024]),
    st.sampled_from([1, 1000, 1_000_000]),
)
def test_a_text_of_the_library_is_read_whatever_its_layout_and_unit(
    values: list[int], digits: int, smallest: int, unit_ns: int
) -> None:
    recorded = HdrHistogram(smallest, 2**41, digits)
    expected: Counter[int] = Counter()
    for value in values:
        recorded.record_value(value)
        bottom = recorded.get_lowest_equivalent_value(value)
        top = recorded.get_highest_equivalent_value(value)
        expected[index_of((bottom + top) // 2 * unit_ns)] += 1
    assert Histogram(expected) == decode(recorded.encode().decode("ascii"), unit_ns)


@given(st.lists(st.integers(0, 2**42), max_size=50))
def test_a_text_of_the_library_with_our_layout_has_equal_counts(latencies: list[int]) -> None:
    recorded = HdrHistogram(1, 2**43, 3)
    for latency in latencies:
        recorded.record_value(latency)
    assert Histogram(Counter(map(index_of, latencies))) == decode(recorded.encode().decode())


def test_the_bytes_inside_the_compression_are_fixed() -> None:
    assert payload_of(encode(GOLD)).hex() == GOLD_PAYLOAD


def test_a_text_that_was_written_once_stays_readable() -> None:
    assert decode(GOLD_TEXT) == GOLD


def test_a_bucket_that_is_counted_as_empty_is_not_there() -> None:
    assert Histogram({1: 1}) == decode(text_of(b"\x00\x02"))
    assert Histogram({}) == decode(text_of(b"\x00"))


def test_every_text_starts_with_the_prefix() -> None:
    assert encode(Histogram()).startswith(PREFIX)
    assert encode(GOLD).startswith(PREFIX)


def test_space_around_a_text_does_not_matter() -> None:
    assert decode(f"\n {GOLD_TEXT}\r\n") == GOLD


@pytest.mark.parametrize("cookie", [0x1C849303, 0x1C849313, 0x1C849393])
def test_the_word_size_of_older_versions_does_not_matter(cookie: int) -> None:
    assert Histogram({0: 1}) == decode(text_of(cookie=cookie))


def test_the_histogram_of_a_million_observations_is_a_short_text() -> None:
    latencies = np.random.default_rng(7).lognormal(15, 0.4, 1_000_000).astype(np.int64)
    text = encode(Histogram.of(latencies))
    assert len(text) < 8_000
    assert decode(text).n == 1_000_000


def test_the_largest_values_and_counts_fit() -> None:
    histogram = Histogram({index_of(LARGEST): LARGEST})
    assert histogram == decode(encode(histogram))


@pytest.mark.parametrize(
    "counts", [{index_of(2**63): 1}, {0: 2**63}, {0: 2**62, 1: 2**62}], ids=str
)
def test_what_does_not_fit_63_bits_is_not_encoded(counts: dict[int, int]) -> None:
    message = "an HdrHistogram holds neither latencies nor counts above 2**63 - 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        encode(Histogram(counts))


RUN_OF_2_60_EMPTY = b"\xff\xff\xff\xff\xff\xff\xff\xff\x1f"
MIB = 2**20
HOSTILE = {
    "empty": ("", "it has a header of 0 bytes, not 8"),
    "no base64": ("no base64 !", "it is not base64"),
    "no ASCII": ("HISTFé", "it is not base64"),
    "base64 that ends early": ("HISTF", "it is not base64"),
    "a cookie and no length": ("HISTFA==", "it has a header of 4 bytes, not 8"),
    "version 1": (
        wrapped(b"", cookie=0x1C849302),
        "it has the cookie 0x1c849302, not 0x1c849314",
    ),
    "a wrong compressed length": (
        wrapped(b"abc", length=2**32 - 1),
        "its header announces 4294967295 bytes, 3 follow",
    ),
    "no zlib": (wrapped(b"abc"), "its zlib stream is damaged"),
    "no zlib stream at all": (wrapped(b""), "its zlib stream does not end where the text ends"),
    "half a zlib stream": (
        wrapped(zlib.compress(bytes(100))[:-5]),
        "its zlib stream does not end where the text ends",
    ),
    "more than a zlib stream": (
        wrapped(zlib.compress(bytes(100)) + b"x"),
        "its zlib stream does not end where the text ends",
    ),
    "a bomb": (
        wrapped(zlib.compress(bytes(64 * MIB), 9)),
        "it decompresses to more than 4194304 bytes",
    ),
    "half a header": (wrapped(zlib.compress(bytes(39))), "it has a header of 39 bytes, not 40"),
    "a wrong cookie inside": (
        text_of(cookie=0x1C849301),
        "it has the cookie 0x1c849301, not 0x1c849313",
    ),
    "counts left out": (text_of(length=2), "its header announces 2 bytes, 1 follow"),
    "bytes after the counts": (text_of(length=0), "its header announces 0 bytes, 1 follow"),
    "shifted indexes": (
        text_of(offset=-1024),
        "its normalizing index offset is -1024, only 0 is supported",
    ),
    "no digits": (text_of(digits=0), "it has 0 significant digits, not 1 to 5"),
    "too many digits": (
        text_of(digits=2**31 - 1),
        "it has 2147483647 significant digits, not 1 to 5",
    ),
    "a lowest value of zero": (
        text_of(smallest=0),
        "its lowest discernible value 0 is invalid",
    ),
    "a negative lowest value": (
        text_of(smallest=-(2**63)),
        "its lowest discernible value -9223372036854775808 is invalid",
    ),
    "no octave below 63 bits": (
        text_of(smallest=2**52),
        "its lowest discernible value 4503599627370496 is invalid",
    ),
    "an endless run of empty buckets": (
        text_of(RUN_OF_2_60_EMPTY + b"\x02"),
        "it has more than the 55296 buckets of its values below 2**63",
    ),
    "too many buckets": (
        text_of(b"\x02" * 55_297),
        "it has more than the 55296 buckets of its values below 2**63",
    ),
    "half a number": (text_of(b"\x02\x80"), "its counts end within a number"),
    "too many observations": (
        text_of(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        "it has more than 2**63 - 1 observations",
    ),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_that_is_not_an_hdrhistogram_is_one_line(text: str, reason: str) -> None:
    message = f"not an HdrHistogram (V2): {reason}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        decode(text)


@pytest.mark.parametrize(
    ("smallest", "buckets"), [(1, 55_296), (1000, 46_080), (2**51, 3 * 1024)], ids=str
)
def test_as_many_buckets_as_63_bits_have_are_read(smallest: int, buckets: int) -> None:
    assert buckets == decode(text_of(b"\x02" * buckets, smallest=smallest)).n
    with pytest.raises(ValueError, match=r" more than the \d+ buckets "):
        decode(text_of(b"\x02" * (buckets + 1), smallest=smallest))


def decodes_or_refuses(text: str) -> None:
    try:
        outcome = f"decoded: {decode(text).n}"
    except ValueError as error:
        outcome = str(error)
    assert outcome.startswith(("decoded: ", "not an HdrHistogram (V2): it"))


@given(st.text() | st.binary().map(lambda noise: base64.b64encode(noise).decode("ascii")))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    decodes_or_refuses(text)


@given(st.binary(max_size=200), st.integers(-1, 6), st.integers(-1, 2**63 - 1))
def test_any_counts_are_decoded_or_refused(encoded: bytes, digits: int, smallest: int) -> None:
    decodes_or_refuses(text_of(encoded, digits=digits, smallest=smallest))


@given(HISTOGRAMS, st.data())
def test_a_damaged_text_is_decoded_or_refused(histogram: Histogram, data: st.DataObject) -> None:
    payload = bytearray(payload_of(encode(histogram)))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decodes_or_refuses(wrapped(zlib.compress(payload)))
    text = bytearray(encode(histogram), "ascii")
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 127))
    decodes_or_refuses(text.decode("ascii"))
