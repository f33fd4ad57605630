"""A native histogram as a client library sends it to Prometheus: protobuf, length first."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from math import ceil, log2

TYPE = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
_HISTOGRAM = 4


def bucket_of(value: float, schema: int) -> int:
    """The bucket of a positive value: it is above base**(i - 1) and at most base**i."""
    return ceil(log2(value) * 2**schema)


def edge_of(bucket: int, schema: int) -> float:
    """The upper edge of a bucket."""
    return float(2 ** (bucket / 2**schema))


def native_family(name: str, values: Mapping[str, Iterable[float]], schema: int) -> bytes:
    """A family of native histograms by the value of their label ``route``."""
    metrics = b""
    for route, observed in values.items():
        label = _text(1, "route") + _text(2, route)
        metrics += _bytes(4, _bytes(1, label) + _bytes(7, _histogram(list(observed), schema)))
    family = _text(1, name) + _text(2, "Latency.") + _number(3, _HISTOGRAM) + metrics
    return _varint(len(family)) + family


def _histogram(values: list[float], schema: int) -> bytes:
    counts: dict[int, int] = {}
    for value in values:
        bucket = bucket_of(value, schema)
        counts[bucket] = counts.get(bucket, 0) + 1
    content = _number(1, len(values)) + _double(2, sum(values))
    content += _number(5, _zigzag(schema)) + _double(6, 2.0**-128)
    before, last_count = None, 0
    spans, deltas = b"", b""
    for bucket, count in sorted(counts.items()):  # a span for each bucket: simple, if not short
        offset = bucket if before is None else bucket - before - 1
        spans += _bytes(12, _number(1, _zigzag(offset)) + _number(2, 1))
        deltas += _varint(_zigzag(count - last_count))
        before, last_count = bucket, count
    return content + spans + _bytes(13, deltas)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
