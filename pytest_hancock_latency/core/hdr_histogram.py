"""Exchange with HdrHistogram: the V2 encoding that its libraries in all languages read and write.

Our buckets are those of an HdrHistogram with three significant digits and a lowest discernible
value of 1 ns, and buckets have the same indexes, so conversion changes no count.

    text        base64 of: cookie, length, and that many bytes of zlib data
    payload     a 40-byte header, then the counts of all buckets from the first to the largest
    counts      ZigZag LEB128-64b9B numbers; −n stands for n empty buckets

The format: https://github.com/HdrHistogram/HdrHistogram, AbstractHistogram.java and
ZigZagEncoding.java.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .histogram import SIGNIFICANT_DIGITS, Histogram, highest, index_of

PREFIX: Final = "HISTF"
"""Start of every V2 text: the base64 of the compressed cookie."""

# Bits 4 to 7 of a cookie were the word size in older versions. V2 does not use it: the libraries
# write 1 and accept any value.
_COMPRESSED_COOKIE: Final = 0x1C849304
_PAYLOAD_COOKIE: Final = 0x1C849303
_WORD_SIZE_BITS: Final = 0xF0
_V2_WORD_SIZE: Final = 0x10
_OUTER: Final = struct.Struct(">II")  # cookie, length of the zlib stream
# Cookie, length of the counts, normalizing index offset, significant digits, lowest and highest
# trackable value, conversion ratio from integers to doubles.
_HEADER: Final = struct.Struct(">IIiiqqd")

_INT64_MAX: Final = 2**63 - 1
"""The largest value, count and total: signed 64-bit integers in most libraries."""
_MAX_DIGITS: Final = 5
_MAX_LAYOUT_BITS: Final = 61
"""Maximum of half_bits + unit_bits in the libraries: beyond it, values exceed 63 bits."""
# With five digits, the maximum, 1 ns to 1 h has 3.3 million buckets, one byte each for counts below
# 64; with three digits it has 32 thousand. A byte takes up to 1 µs, so 4 MiB take seconds.
_MAX_BYTES: Final = 4 * 1024 * 1024

# LEB128: seven bits a byte, least significant first; the ninth byte carries eight, 8·7 + 8 = 64.
_SEVEN_BITS: Final = 0x7F
_CONTINUED: Final = 0x80
_NINTH_SHIFT: Final = 56


@dataclass(frozen=True)
class _Layout:
    """The buckets of an HdrHistogram: 2^(half_bits + 1) of 2^unit_bits, then octaves of half."""

    half_bits: int
    unit_bits: int

    @property
    def size(self) -> int:
        """The number of buckets up to the largest 63-bit value."""
        return (64 - self.unit_bits - self.half_bits) << self.half_bits

    def middle(self, index: int) -> int:
        """Return the middle of the values in a bucket."""
        shift = max(0, (index >> self.half_bits) - 1)
        width = 1 << (shift + self.unit_bits)
        return (index - (shift << self.half_bits)) * width + (width - 1) // 2


_OUR_LAYOUT: Final = _Layout(half_bits=10, unit_bits=0)


def encode(histogram: Histogram) -> str:
    """Write a histogram in nanoseconds as a V2 text: compressed, base64, ASCII, on one line.

    The highest trackable value is the largest value of the last bucket with observations, so that a
    reader allocates no more than it needs; it is at least 2, because libraries reject less than
    twice the lowest value.

    Raises:
        ValueError: a latency, or the number of observations, is above 2^63 − 1.

    >>> encode(Histogram({15_000: 2})).startswith(PREFIX)
    True
    """
    largest = max(2, highest(next(reversed(histogram.counts), 0)))
    if max(largest, histogram.n) > _INT64_MAX:
        raise ValueError("an HdrHistogram holds neither latencies nor counts above 2**63 - 1")
    counts = _counts_bytes(histogram)
    header = _HEADER.pack(
        _PAYLOAD_COOKIE | _V2_WORD_SIZE, len(counts), 0, SIGNIFICANT_DIGITS, 1, largest, 1.0
    )
    packed = zlib.compress(header + counts, 9)
    outer = _OUTER.pack(_COMPRESSED_COOKIE | _V2_WORD_SIZE, len(packed))
    return base64.b64encode(outer + packed).decode("ascii")


def decode(text: str, unit_ns: int = 1) -> Histogram:
    """Read a V2 text, compressed and base64, whose values are in units of `unit_ns`.

    It may have any number of significant digits and any lowest discernible value. All values of one
    of its buckets go to our bucket of their middle. The highest trackable value and the conversion
    ratio are not used. Memory and time are bounded for any text.

    Raises:
        ValueError: the text is not valid, or its indexes are shifted (normalizing index offset).

    >>> decode(encode(Histogram({1500: 2})))
    Histogram(counts={1500: 2})
    """
    try:
        layout, encoded = _parts(_payload(text))
        recorded = _recorded(encoded, layout.size)
        if layout == _OUR_LAYOUT and unit_ns == 1:
            return _bounded(dict(recorded))
        counts: dict[int, int] = {}
        for index, count in recorded:
            bucket = index_of(layout.middle(index) * unit_ns)
            counts[bucket] = counts.get(bucket, 0) + count
        return _bounded(counts)
    except ValueError as error:
        raise _invalid(error) from None


def unpacked_size(text: str) -> int:
    """Return the number of bytes that a V2 text decompresses to: at least its number of buckets.

    Raises:
        ValueError: it does not decompress, or decompresses to more than 4 MiB.
    """
    try:
        return len(_payload(text))
    except ValueError as error:
        raise _invalid(error) from None


def _invalid(error: ValueError) -> ValueError:
    return ValueError(f"not an HdrHistogram (V2): {error}")


def _bounded(counts: dict[int, int]) -> Histogram:
    histogram = Histogram(counts)
    if histogram.n > _INT64_MAX:
        raise ValueError("it has more than 2**63 - 1 observations")
    return histogram


def _counts_bytes(histogram: Histogram) -> bytes:
    buffer = bytearray()
    after = 0
    for index, count in histogram.counts.items():
        empty = index - after
        if empty:
            _append(buffer, -empty)
        _append(buffer, count)
        after = index + 1
    return bytes(buffer)


def _append(buffer: bytearray, number: int) -> None:
    rest = 2 * number if number >= 0 else -2 * number - 1  # ZigZag: 0, −1, 1, −2 are 0, 1, 2, 3
    for _ in range(_NINTH_SHIFT // 7):
        if rest <= _SEVEN_BITS:
            break
        buffer.append(rest & _SEVEN_BITS | _CONTINUED)
        rest >>= 7
    buffer.append(rest)


def _payload(text: str) -> bytes:
    """Return the content of the base64 and the zlib stream: at most `_MAX_BYTES`."""
    try:
        outer = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise ValueError("it is not base64") from None
    _, packed = _opened(outer, _OUTER, _COMPRESSED_COOKIE)
    stream = zlib.decompressobj()
    try:
        payload = stream.decompress(packed, _MAX_BYTES + 1)
    except zlib.error:
        raise ValueError("its zlib stream is damaged") from None
    if len(payload) > _MAX_BYTES:
        raise ValueError(f"it decompresses to more than {_MAX_BYTES} bytes")
    if not stream.eof or stream.unused_data:
        raise ValueError("its zlib stream does not end where the text ends")
    return payload


def _parts(payload: bytes) -> tuple[_Layout, bytes]:
    """Return the layout stated in the header, and the bytes of the counts."""
    header, counts = _opened(payload, _HEADER, _PAYLOAD_COOKIE)
    _, _, offset, digits, lowest, _, _ = header
    if offset:
        raise ValueError(f"its normalizing index offset is {offset}, only 0 is supported")
    if not 1 <= digits <= _MAX_DIGITS:
        raise ValueError(f"it has {digits} significant digits, not 1 to {_MAX_DIGITS}")
    # The values up to 2 · 10^digits, rounded up to a power of two, have a bucket each.
    half_bits = (2 * 10**digits - 1).bit_length() - 1
    unit_bits = lowest.bit_length() - 1
    if lowest < 1 or half_bits + unit_bits > _MAX_LAYOUT_BITS:
        raise ValueError(f"its lowest discernible value {lowest} is invalid")
    return _Layout(half_bits, unit_bits), counts


def _opened(data: bytes, header: struct.Struct, cookie: int) -> tuple[tuple[Any, ...], bytes]:
    """Return the fields of a header that begins with cookie and length, and the body after it."""
    if len(data) < header.size:
        raise ValueError(f"it has a header of {len(data)} bytes, not {header.size}")
    fields, body = header.unpack_from(data), data[header.size :]
    if fields[0] & ~_WORD_SIZE_BITS != cookie:
        raise ValueError(f"it has the cookie {fields[0]:#x}, not {cookie | _V2_WORD_SIZE:#x}")
    if fields[1] != len(body):
        raise ValueError(f"its header announces {fields[1]} bytes, {len(body)} follow")
    return fields, body


def _recorded(encoded: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Yield index and count of each non-empty bucket, of at most `size` buckets."""
    index = 0
    for number in _numbers(encoded):
        if number > 0:
            yield index, number
        index += max(1, -number)
        if index > size:
            raise ValueError(f"it has more than the {size} buckets of its values below 2**63")


def _numbers(encoded: bytes) -> Iterator[int]:
    """Yield ZigZag LEB128-64b9B numbers: nine bytes hold at most signed 64 bits."""
    rest = shift = 0
    for byte in encoded:
        if byte > _SEVEN_BITS and shift < _NINTH_SHIFT:
            rest |= (byte & _SEVEN_BITS) << shift
            shift += 7
            continue
        rest |= byte << shift
        yield (rest >> 1) ^ -(rest & 1)
        rest = shift = 0
    if shift:
        raise ValueError("its counts end within a number")
